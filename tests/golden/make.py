"""Made the golden files; run again only for a new version of the format, into a new folder.

    python -m tests.golden.make tests/golden/v3

Symbols are drawn from a fixed generator; the tables are fitted to others of the kind.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np

from deepsic import container
from deepsic.coding.symbols import SymbolCoder
from deepsic.container import EXIF, Header, Section, Semantics
from tests.deepsic.coding.conftest import make_symbols
from training.context.fit import fit

STRIDE = 8
# Dog, 75%, at a threshold of a half, in ImageNet's tree; what any label is, is tested elsewhere.
DOG = Semantics(bytes.fromhex("c7b820"), True)
FILES = {
    "pixel": Header("post", b"gold", 1, 1),
    "odd": Header("pre", b"gold", 123, 77, DOG),
    "wide": Header("post", b"gold", 1000, 8, step=7, grey=True),
    "photo": Header("pre", b"gold", 768, 512, DOG),
    "large": Header("post", b"gold", 2300, 1500),
}
SECTIONS = {"photo": [Section(EXIF, b"some metadata")]}


def symbols(name: str) -> np.ndarray:
    """What a golden file holds, int8 (h, w, channels)."""
    header = FILES[name]
    rows, columns = -(-header.height // STRIDE), -(-header.width // STRIDE)
    return make_symbols(rows, columns, seed=len(name))


def main(out: pathlib.Path) -> None:
    """Writes tables, files and the hashes of their symbols."""
    out.mkdir(parents=True)
    maps = np.stack([make_symbols(48, 48, seed) for seed in range(20, 40)])
    tables = fit(maps, lowest=-31, hidden=16, steps=300)
    (out / "tables.npz").write_bytes(tables.to_bytes())
    coder, hashes = SymbolCoder(tables), {}
    for name, header in FILES.items():
        q = symbols(name)
        data = container.pack(header, coder.encode(q), SECTIONS.get(name, []))
        (out / f"{name}.dsic").write_bytes(data)
        hashes[name] = hashlib.sha256(q.tobytes()).hexdigest()
    (out / "symbols.json").write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
