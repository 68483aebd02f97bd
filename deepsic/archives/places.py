"""Files of archives wherever they are: here, or in an object store, by their address."""

from __future__ import annotations

import contextlib
import os
import posixpath
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from deepsic import extras, files
from deepsic.errors import BadFile

if TYPE_CHECKING:
    from pyarrow import fs

EXTRA = "parquet"


def is_address(place: str) -> bool:
    """Whether a place is named by an address such as s3://bucket/folder."""
    return "://" in place and not os.path.lexists(place)


class Place(NamedTuple):
    """A file or folder of a file system of pyarrow's.

    Attributes:
      system: where it is.
      path: of it there.
    """

    system: fs.FileSystem
    path: str

    @classmethod
    def of(cls, name: str) -> Place:
        """A path of this machine, or an address of pyarrow's or fsspec's file systems.

        Raises:
          BadFile: if nothing here knows such addresses.
          PackageMissing: if pyarrow is not installed.
        """
        fs = extras.need(EXTRA, "pyarrow.fs")
        if not is_address(name):
            return cls(fs.LocalFileSystem(), os.path.abspath(name))
        try:
            return cls(*fs.FileSystem.from_uri(name))
        except (ValueError, OSError) as error:
            reason = error
        try:
            import fsspec

            system, path = fsspec.core.url_to_fs(name)
        except (ImportError, ValueError) as error:
            raise BadFile(f"{name} cannot be opened: {first_line(reason)}.") from error
        return cls(fs.PyFileSystem(fs.FSSpecHandler(system)), path)

    @property
    def is_local(self) -> bool:
        """Whether it is a path of this machine."""
        return self.system.type_name == "local"

    def __truediv__(self, name: str) -> Place:
        return Place(self.system, posixpath.join(self.path, name))

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return self.is_file() or self.is_folder()

    def is_file(self) -> bool:
        """Whether there is such a file."""
        return self._type().name == "File"

    def is_folder(self) -> bool:
        """Whether there is such a folder, or one that is not empty in an object store."""
        return self._type().name == "Directory"

    def _type(self) -> Any:
        with named(self.path):
            return self.system.get_file_info(self.path).type

    def size(self) -> int:
        """Of the file, bytes; raises BadFile."""
        with named(self.path):
            return self.system.get_file_info(self.path).size

    def walk(self) -> Iterator[tuple[str, int]]:
        """The paths of all files below, from here, and their sizes in bytes; in order of paths."""
        from pyarrow.fs import FileSelector

        with named(self.path):
            found = self.system.get_file_info(FileSelector(self.path, recursive=True))
        for info in sorted(found, key=lambda info: info.path):
            if info.type.name == "File":
                yield posixpath.relpath(info.path, self.path), info.size

    def open(self) -> Any:
        """The file, open for reading at any place; raises BadFile."""
        with named(self.path):
            return self.system.open_input_file(self.path)

    def read(self) -> bytes:
        """All of the file; raises BadFile."""
        with named(self.path), self.system.open_input_stream(self.path) as handle:
            return handle.read()

    def write(self, write: Callable[[Any], Any]) -> None:
        """Calls `write` with a binary file that gets this name when all is written.

        Raises:
          BadFile: if it cannot be written.
        """
        if self.is_local:
            return files.write_atomically(self.path, write)
        # A file of an object store is there when it is closed, whole or not.
        whole = Place(self.system, f"{self.path}.{uuid.uuid4().hex}.tmp")
        with named(self.path):
            try:
                with whole.system.open_output_stream(whole.path) as handle:
                    write(handle)
                self.system.move(whole.path, self.path)
            except BaseException:
                whole.remove()
                raise

    def remove(self) -> None:
        """Removes the file, if it is there."""
        with contextlib.suppress(OSError):
            self.system.delete_file(self.path)

    def remove_folder(self) -> None:
        """Removes the folder with all that is in it, if it is there."""
        with contextlib.suppress(OSError):
            self.system.delete_dir(self.path)


@contextlib.contextmanager
def named(path: str) -> Iterator[None]:
    """Turns what a file system raises into a sentence about a path."""
    try:
        yield
    except OSError as error:
        raise BadFile(f"{path} cannot be used: {first_line(error)}.") from error


def first_line(error: BaseException) -> str:
    """What an error says, in one line without a full stop."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".")[:300]
