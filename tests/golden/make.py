"""Made the golden files; run again only for a new version of the format, into a new folder.

    python -m tests.golden.make tests/golden/v2

Symbols are drawn from a fixed generator; the tables are fitted to others of the kind.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np

from deepsic import container
from deepsic.coding.symbols import SymbolCoder
from deepsic.container import Header, Semantics
from tests.deepsic.coding.conftest import make_symbols
from training.context.fit import fit

STRIDE = 8
# Width and height of the pictures, and the arch of their files.
FILES = {
    "pixel": (1, 1, "post"),
    "odd": (123, 77, "pre"),
    "wide": (1000, 8, "post"),
    "photo": (768, 512, "pre"),
    "large": (2300, 1500, "post"),
}
# Dog, 75%, at a threshold of a half, in ImageNet's tree; what any label is, is tested elsewhere.
LABEL = bytes.fromhex("c7b820")


def symbols(name: str) -> np.ndarray:
    """What a golden file holds, int8 (h, w, channels)."""
    width, height, _ = FILES[name]
    return make_symbols(-(-height // STRIDE), -(-width // STRIDE), seed=len(name))


def main(out: pathlib.Path) -> None:
    """Writes tables, files and the hashes of their symbols."""
    out.mkdir(parents=True)
    maps = np.stack([make_symbols(48, 48, seed) for seed in range(20, 40)])
    tables = fit(maps, lowest=-31, hidden=16, steps=300)
    (out / "tables.npz").write_bytes(tables.to_bytes())
    coder, hashes = SymbolCoder(tables), {}
    for name, (width, height, arch) in FILES.items():
        q = symbols(name)
        semantics = Semantics(LABEL, True) if arch == "pre" else None
        header = Header(arch, b"gold", width, height, semantics)
        (out / f"{name}.dsic").write_bytes(container.pack(header, coder.encode(q)))
        hashes[name] = hashlib.sha256(q.tobytes()).hexdigest()
    (out / "symbols.json").write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
