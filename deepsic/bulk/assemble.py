"""Joins finished blocks to a shard: whoever does it again makes the same file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from deepsic.archives.places import Place
from deepsic.archives.schema import ROW_GROUP_BYTES, schema, writer_options
from deepsic.bulk.manifest import block_file

if TYPE_CHECKING:
    import pyarrow as pa

# Of rows without their files, in a group.
_ROW_BYTES = 512


def assemble(out: str, shard: str, blocks: Sequence[int]) -> None:
    """Writes a shard of some blocks.

    Args:
      out: OUT.
      shard: its path there.
      blocks: in their order.

    Raises:
      BadFile: if it cannot be written.
    """
    from pyarrow import parquet

    place = Place.of(out)

    def write(handle: object) -> None:
        with parquet.ParquetWriter(handle, schema(), **writer_options()) as writer:
            for group in _groups(place, blocks):
                writer.write_table(group, row_group_size=len(group))

    (place / shard).write(write)


def _groups(out: Place, blocks: Sequence[int]) -> Iterator[pa.Table]:
    """The rows of the blocks in tables of about ROW_GROUP_BYTES."""
    import pyarrow as pa
    from pyarrow import parquet

    tables, held = [], 0
    for block in blocks:
        with block_file(out, block).open() as handle:
            tables.append(parquet.read_table(handle, schema=schema(), use_threads=False))
        held += tables[-1].column("dsic").nbytes + _ROW_BYTES * len(tables[-1])
        if held >= ROW_GROUP_BYTES:
            yield pa.concat_tables(tables)
            tables, held = [], 0
    if tables:
        yield pa.concat_tables(tables)
