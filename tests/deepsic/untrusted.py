"""Model folders and archives to spoil, as a stranger might send them."""

import hashlib
import io
import json
import os
import zipfile

import numpy as np

from deepsic import folders
from deepsic.codec import Codec

WEIGHTS = ["codec/weights.npz", "heads/pre/weights.npz"]


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy(shape, dtype="<f2", data=b""):
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + data


def replace(folder, name, data):
    """Puts other bytes in a file's place, and their checksum on the card."""
    (folder / name).write_bytes(data)
    edit_card(folder, sha256={name: hashlib.sha256(data).hexdigest()})


def edit_card(folder, **values):
    card = json.loads((folder / folders.CARD).read_text())
    sums = card["sha256"]
    card |= values
    if isinstance(card["sha256"], dict):
        card["sha256"] = sums | card["sha256"]
    (folder / folders.CARD).write_text(json.dumps(card))


def load(folder, runtime="litert"):
    """The model, of which everything has been read once."""
    codec = Codec(folders.open_folder(folder), runtime=runtime)
    codec.decompress(codec.compress(np.zeros((16, 16, 3), np.uint8)))
    return codec


def find_tables(folder):
    return next(f"tables/{p.name}" for p in (folder / "tables").iterdir())


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
