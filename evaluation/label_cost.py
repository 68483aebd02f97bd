"""What a label costs: bits in the file, and the time to know it."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation import classifier
from evaluation.cache import ROOT, Cache, source_digest
from evaluation.measure import codec_of, model_key
from evaluation.semantics import ORIGINAL, Measured, ModelUnderTest

COLUMNS = (
    "model",
    "arch",
    "label_bits",
    "file_bits",
    "read_label_s",
    "decode_s",
    "classify_s",
    "command_label_s",
    "command_decode_s",
)
# Commands are timed that often, and the fastest counts.
TRIES = 3


def table(m: Measured, cache: Cache) -> list[dict[str, Any]]:
    """A row of COLUMNS for each model; seconds are those of one picture of the set.

    read_label_s is the time to know a label from a file in a program that runs
    already; decode_s and classify_s what it takes without: the whole picture,
    and the independent classifier on it. The commands' times include starting
    Python and whatever they import.
    """
    classify = m.mean(ORIGINAL, "classify_s") if ORIGINAL in m.records else float("nan")
    return [
        {
            "model": s.name,
            "arch": s.arch,
            "label_bits": 8 * m.mean(s.name, "label_bytes"),
            "file_bits": 8 * m.mean(s.name, "bytes"),
            "read_label_s": m.mean(s.name, "label_s"),
            "decode_s": m.mean(s.name, "decompress_s"),
            "classify_s": classify,
            **_commands(s, cache),
        }
        for s in m.subjects
    ]


def _commands(subject: ModelUnderTest, cache: Cache) -> dict[str, float]:
    key = {
        "what": "commands",
        **model_key(subject.folder),
        "scripts": source_digest("deepsic", "decompress.py", "evaluation/label_cost.py"),
    }
    found = cache.get(key)
    if found is None:
        found = _time_commands(subject)
        cache.put(key, found)
    return found


def _time_commands(subject: ModelUnderTest) -> dict[str, float]:
    rng = np.random.default_rng(0)
    x = rng.integers(96, 160, (8, 8, 3), np.uint8).repeat(16, axis=0).repeat(16, axis=1)
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "x.dsic"
        file.write_bytes(codec_of(subject.folder).compress(x))
        model = f"--model={subject.folder}"
        picture = str(file.with_suffix(".png"))
        return {
            "command_label_s": _fastest([str(file), "--semantics_only", model]),
            "command_decode_s": _fastest([str(file), picture, "--overwrite", model]),
        }


def _fastest(arguments: Sequence[str]) -> float:
    taken = []
    for _ in range(TRIES):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "decompress.py", *arguments], cwd=ROOT, check=True, capture_output=True
        )
        taken.append(time.perf_counter() - start)
    return min(taken)


def lines(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The rows for people, under HEADS."""
    return [
        [
            r["model"],
            f"{r['label_bits']:.0f} of {r['file_bits']:.0f}",
            _shown(r["read_label_s"]),
            _shown(r["decode_s"]),
            _shown(r["classify_s"]),
            _shown(r["command_label_s"]),
            _shown(r["command_decode_s"]),
        ]
        for r in rows
    ]


HEADS = (
    "model",
    "bits of the label",
    "read it",
    "decode",
    f"then {classifier.NAME}",
    "command, label",
    "command, picture",
)


def _shown(seconds: float) -> str:
    if seconds != seconds:
        return "–"
    return f"{1e6 * seconds:.0f} µs" if seconds < 1e-3 else f"{1e3 * seconds:.1f} ms"
