"""Searches millions of rows of a Parquet archive: seconds, and memory at most.

    python -m tools.benchmarks.rows --archive=DIR --out=DIR [--rows=10000000] [--label=dog]

The rows are those of an archive, again and again under new paths, their files included. The
search is the command, in a process of its own.
"""

import os
import pathlib
import subprocess
import sys
import time

from absl import app, flags

F = flags.FLAGS
flags.DEFINE_string("archive", None, "Archive in Parquet whose rows are repeated.", required=True)
flags.DEFINE_string("out", None, "Folder of the large archive.", required=True)
flags.DEFINE_integer("rows", 10_000_000, "Rows of the large archive.", 1)
flags.DEFINE_integer("least_rows", 1 << 20, "Rows of one of its files.", 1)
flags.DEFINE_integer("largest", 1000, "Bytes of files whose rows are repeated, at most.", 1)
flags.DEFINE_list("label", ["dog", "tench"], "What is searched for.")


def make(out: pathlib.Path) -> int:
    """Writes the large archive; returns its rows."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    from deepsic.archives.schema import ROW_GROUP_BYTES, schema, writer_options

    rows = parquet.read_table(F.archive).select(schema().names).cast(schema())
    rows = rows.filter(pc.less_equal(rows["bytes"], F.largest))
    size = max(1, ROW_GROUP_BYTES // max(1, rows["dsic"].nbytes)) * len(rows)
    group = rows.take(pa.array([i % len(rows) for i in range(size)])).combine_chunks()
    out.mkdir(parents=True, exist_ok=True)
    made = part = 0
    while made < F.rows:
        path, start = out / f"part-{part:05}.parquet", made
        there = path.exists()
        writer = None if there else parquet.ParquetWriter(path, schema(), **writer_options())
        while made < min(F.rows, start + F.least_rows):
            numbers = pa.array(range(made, made + size)).cast(pa.string())
            paths = pc.binary_join_element_wise("pictures", numbers, group["path"], "/")
            if writer is not None:
                writer.write_table(group.set_column(0, schema().field(0), paths))
            made += size
        if writer is not None:
            writer.close()
        part += 1
    return made


def measure(out: pathlib.Path, label: str) -> str:
    """Time and memory of one search."""
    command = [sys.executable, "search.py", str(out), f"--label={label}", "--top=10"]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read().decode().strip()
    _, _, usage = os.wait4(process.pid, 0)
    return (
        f"{label}: {time.monotonic() - start:.1f} s, {usage.ru_utime + usage.ru_stime:.1f} s of a"
        f" processor, {usage.ru_maxrss >> 10} MB at most; {told}"
    )


def main(_: list[str]) -> None:
    out = pathlib.Path(F.out)
    made = make(out)
    size = sum(path.stat().st_size for path in out.glob("*.parquet"))
    print(f"{made} rows, {size / 1e9:.1f} GB", flush=True)
    for label in F.label:
        print(measure(out, label), flush=True)


if __name__ == "__main__":
    app.run(main)
