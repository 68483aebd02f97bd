"""Makes golden files of shipped models that have none yet; those that are there stay as they are.

    python -m tests.golden.shipped

From version 1.0 on every file decodes for ever: a model may get new tables, and others may be
added, but what is here must decode to the same symbols and the same label.
"""

import hashlib
import json
import pathlib

import numpy as np

from data.samples import sample_images
from deepsic import store
from deepsic.codec import Codec
from deepsic.distortion import psnr
from deepsic.dsicfile import DsicFile

FOLDER = pathlib.Path(__file__).parent / "shipped"
INDEX = FOLDER / "index.json"


def index() -> dict[str, dict[str, str | float]]:
    """The facts of each file, by its name."""
    return json.loads(INDEX.read_text()) if INDEX.exists() else {}


def files() -> list[str]:
    """The names of the files."""
    return sorted(path.name for path in FOLDER.glob("*.dsic"))


def picture() -> np.ndarray:
    """What all of them show, uint8 (H, W, 3); sides that no stride divides."""
    return np.ascontiguousarray(sample_images()["chelsea"][40:195, 90:301])


def facts(data: bytes) -> dict[str, str | float]:
    """What a file decodes to: hash of the symbols, label, and PSNR, which machines may round."""
    file = DsicFile(data)
    symbols = np.ascontiguousarray(file.symbols.astype("<i2"))
    return {
        "symbols": hashlib.sha256(symbols.tobytes()).hexdigest(),
        "label": str(file.label),
        "psnr": round(psnr(picture(), file.image), 2),
    }


def main() -> None:
    """Writes the files and their index."""
    FOLDER.mkdir(exist_ok=True)
    known = index()
    for folder in store.shipped():
        name = f"{folder.name}-{folder.fingerprints[0].hex()}.dsic"
        if name not in known:
            data = Codec(folder).compress(picture(), effort=0)
            (FOLDER / name).write_bytes(data)
            known[name] = facts(data)
    INDEX.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main()
