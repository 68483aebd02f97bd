"""Decodes the golden files of a folder and codes their symbols again; prints what is wrong.

    python -m tests.golden.check FOLDER

A process of its own, so that settings which libraries read at their start can be varied.
"""

import hashlib
import json
import os
import pathlib
import sys

from deepsic import container
from deepsic.coding.symbols import SymbolCoder
from deepsic.coding.tables import Tables
from deepsic.untrusted import load_arrays
from tests.golden.make import FILES, SECTIONS, STRIDE


def check(folder: pathlib.Path) -> list[str]:
    """Names of files that decode to other symbols, or are not what coding gives today."""
    tables = Tables.from_arrays(load_arrays((folder / "tables.npz").read_bytes(), "tables"))
    coder, wrong = SymbolCoder(tables), []
    for name, expected in json.loads((folder / "symbols.json").read_text()).items():
        data = (folder / f"{name}.dsic").read_bytes()
        header, payload = container.unpack(data)
        sections, damaged = container.read_sections(data)
        q = coder.decode(payload, -(-header.height // STRIDE), -(-header.width // STRIDE))
        if hashlib.sha256(q.tobytes()).hexdigest() != expected:
            wrong.append(f"{name} decodes to other symbols")
        if damaged or header != FILES[name] or sections != SECTIONS.get(name, []):
            wrong.append(f"{name} says other things")
        if container.pack(header, coder.encode(q), sections) != data:
            wrong.append(f"{name} is coded otherwise")
    return wrong


if __name__ == "__main__":
    if "DSIC_CORES" in os.environ:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    problems = check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) or "exact")
    sys.exit(bool(problems))
