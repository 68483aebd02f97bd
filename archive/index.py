"""What the heads of `post` models said of an archive's files, kept so that it is paid once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable

from archive.scan import Found
from models.coding.container import Semantics

NAME = ".dsic-index.sqlite"
# Of the tables below; another one's index is made anew.
LAYOUT = 1

_CREATE = """
CREATE TABLE labels (
  path BLOB PRIMARY KEY,      -- from the index's folder
  size INTEGER NOT NULL,      -- bytes
  mtime_ns INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,  -- of the model
  imagenet INTEGER NOT NULL,  -- whose tree the section is of
  section BLOB NOT NULL       -- as a pre file would hold it
) WITHOUT ROWID
"""


class Index:
    """The answers of one folder, in a SQLite file in it.

    Where that cannot be written or is none, answers last only as long as this object.

    Args:
      folder: that was searched.
      warn: gets a sentence if answers will not be kept.
    """

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.folder = folder or "."
        path = os.path.join(self.folder, NAME)
        try:
            self._open(path)
        except (sqlite3.Error, ValueError, TypeError) as error:
            warn(f"{path} cannot be used ({error}); what post files show is not remembered.")
            self._open(":memory:")

    def _open(self, path: str) -> None:
        self.base = sqlite3.connect(path)
        (layout,) = self.base.execute("PRAGMA user_version").fetchone()
        if layout != LAYOUT:
            with self.base:
                self.base.execute("DROP TABLE IF EXISTS labels")
                self.base.execute(_CREATE)
                self.base.execute(f"PRAGMA user_version = {LAYOUT}")
        self.rows: dict[bytes, tuple] = {
            path: (*rest,) for path, *rest in self.base.execute("SELECT * FROM labels")
        }

    def _key(self, file: Found) -> bytes:
        return os.fsencode(os.path.relpath(file.path, self.folder))

    def look_up(self, file: Found) -> Semantics | None:
        """What is known of a file; None if nothing is, or the file or its model has changed."""
        row = self.rows.get(self._key(file))
        if row is None or row[:3] != (file.size, file.mtime_ns, file.header.fingerprint):
            return None
        return Semantics(row[4], bool(row[3]))

    def add(self, answers: Iterable[tuple[Found, Semantics]]) -> None:
        """Keeps answers, in place of older ones about the same files."""
        rows = [
            (self._key(f), f.size, f.mtime_ns, f.header.fingerprint, s.imagenet, s.section)
            for f, s in answers
        ]
        with self.base:
            self.base.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.rows.update((key, tuple(rest)) for key, *rest in rows)

    def forget_missing(self) -> None:
        """Drops answers about files that are no more."""
        gone = [
            (key,)
            for key in self.rows
            if not os.path.lexists(os.path.join(self.folder, os.fsdecode(key)))
        ]
        with self.base:
            self.base.executemany("DELETE FROM labels WHERE path = ?", gone)
        for (key,) in gone:
            del self.rows[key]

    def close(self) -> None:
        """Lets go of the file."""
        self.base.close()
