"""What the heads of `post` models said of an archive's files, kept so that it is paid once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable

from deepsic.container import Semantics
from deepsic.search.scan import Found

NAME = ".dsic-index.sqlite"
# Of the tables below; another one's index is made anew.
LAYOUT = 2

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
        self.folder, self.warn = folder or ".", warn
        self.path = os.path.join(self.folder, NAME)
        try:
            self._open(self.path)
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._give_up(error)
            self._open(":memory:")

    def _give_up(self, error: Exception) -> None:
        self.warn(f"{self.path} cannot be used ({error}); what post files show is not remembered.")

    def _open(self, path: str) -> None:
        if os.path.islink(path):  # it might lead to a base of somebody's, outside of the folder
            raise ValueError("it is a link")
        self.base = sqlite3.connect(path)
        (layout,) = self.base.execute("PRAGMA user_version").fetchone()
        made = self.base.execute("SELECT sql FROM sqlite_master").fetchall()
        if layout != LAYOUT or made != [(_CREATE.strip(),)]:
            with self.base:
                self.base.execute("DROP TABLE IF EXISTS labels")
                self.base.execute(_CREATE.strip())
                self.base.execute(f"PRAGMA user_version = {LAYOUT}")
        self.rows: dict[bytes, tuple] = {
            path: (*rest,)
            for path, *rest in self.base.execute("SELECT * FROM labels")
            if isinstance(path, bytes) and isinstance(rest[-1], bytes)
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
        self._change("INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?)", rows)
        self.rows.update((key, tuple(rest)) for key, *rest in rows)

    def _change(self, statement: str, rows: list[tuple]) -> None:
        """Changes the file; where the disk is full, it stays as it is and is left alone."""
        try:
            with self.base:
                self.base.executemany(statement, rows)
        except sqlite3.Error as error:
            self._give_up(error)
            self.base.close()
            self.base = sqlite3.connect(":memory:")
            self.base.execute(_CREATE.strip())

    def forget_missing(self) -> None:
        """Drops answers about files that are no more."""
        gone = [
            (key,)
            for key in self.rows
            if not os.path.lexists(os.path.join(self.folder, os.fsdecode(key)))
        ]
        self._change("DELETE FROM labels WHERE path = ?", gone)
        for (key,) in gone:
            del self.rows[key]

    def close(self) -> None:
        """Lets go of the file."""
        self.base.close()
