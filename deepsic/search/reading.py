"""An archive's files with what they show, whoever has to be asked for it."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from deepsic import treecode
from deepsic.container import Semantics
from deepsic.errors import BadFile, CorruptFile, ModelError
from deepsic.labels import Label, get_taxonomy, make_label
from deepsic.registry import Registry
from deepsic.search.scan import Failed, Found, Shards, scan
from deepsic.taxonomy import Taxonomy
from deepsic.treecode import Description

if TYPE_CHECKING:
    from deepsic.archives.shards import Shard


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a section of a file says, in its tree."""

    taxonomy: Taxonomy
    description: Description

    @functools.cached_property
    def label(self) -> Label:
        """The same in words."""
        return make_label(self.taxonomy, self.description)


@dataclasses.dataclass
class Archive:
    """Files by what they say; files that say the same share one meaning.

    Attributes:
      groups: from what is said to the files that say it.
      failed: files that cannot be read.
      shards: Parquet files, each with many pictures.
    """

    groups: list[tuple[Meaning, list[Found]]]
    failed: list[Failed]
    shards: list[Shard] = dataclasses.field(default_factory=list)

    @property
    def count(self) -> int:
        """Of all files and rows."""
        files = sum(len(files) for _, files in self.groups)
        return len(self.failed) + files + sum(map(len, self.shards))


def read(
    places: Iterable[str], models: Registry, max_pixels: int | None, warn: Callable[[str], None]
) -> Archive:
    """Reads what all files in some places show.

    Args:
      places: folders, files and globs.
      models: for `post` files, and for `pre` files whose classes are not ImageNet's.
      max_pixels: larger pictures of `post` models are refused.
      warn: gets a sentence if an index cannot be kept.

    Raises:
      FileNotFoundError: if a place does not exist.
    """
    by_section: dict[tuple[bytes, Semantics], list[Found]] = {}
    post, failed, shards = [], [], []

    def put(file: Found, semantics: Semantics) -> None:
        # A section of ImageNet's tree means the same whatever the model.
        key = (b"" if semantics.imagenet else file.header.fingerprint, semantics)
        by_section.setdefault(key, []).append(file)

    for file in progress(scan(places), "reading"):
        if isinstance(file, Failed):
            failed.append(file)
        elif isinstance(file, Shards):
            shards += _open_shards(file.path, failed)
        elif file.header.semantics is None:
            post.append(file)
        else:
            put(file, file.header.semantics)
    for file, semantics in _read_post(post, models, max_pixels, warn, failed):
        put(file, semantics)
    groups = []
    for (_, semantics), files in by_section.items():
        try:
            groups.append((_meaning(semantics, files[0], models), files))
        except (CorruptFile, ModelError) as error:
            failed += [Failed.because(f.path, error) for f in files]
    return Archive(groups, sorted(failed), shards)


def _open_shards(path: str, failed: list[Failed]) -> list[Shard]:
    from deepsic.archives import query, shards

    found = []
    try:
        places = shards.find(path)
    except BadFile as error:
        failed.append(query.failure(path, error))
        return []
    for place in places:
        try:
            found.append(shards.Shard(place))
        except BadFile as error:
            failed.append(query.failure(place.path, error))
    return found


def _meaning(semantics: Semantics, file: Found, models: Registry) -> Meaning:
    labels = None if semantics.imagenet else models.labels(file.header)
    known = get_taxonomy(semantics, labels)
    return Meaning(known, treecode.unpack(known.tree, semantics.section))


def _read_post(
    files: list[Found],
    models: Registry,
    max_pixels: int | None,
    warn: Callable[[str], None],
    failed: list[Failed],
) -> list[tuple[Found, Semantics]]:
    """Answers from the folders' indices, then from the heads; the latter are kept."""
    if not files:
        return []
    from deepsic.search.index import Index

    answers = []
    for root in sorted({f.root for f in files}):
        index, unknown = Index(root, warn), []
        for file in (f for f in files if f.root == root):
            semantics = index.look_up(file)
            if semantics is None:
                unknown.append(file)
            else:
                answers.append((file, semantics))
        if unknown:
            answers += _ask_heads(unknown, models, max_pixels, index, failed)
            index.forget_missing()
        index.close()
    return answers


def _ask_heads(unknown, models, max_pixels, index, failed) -> list[tuple[Found, Semantics]]:
    from deepsic.search.classify import classify

    answers: list[tuple[Found, Semantics]] = []
    bar = progress(None, "classifying", len(unknown))
    for good, bad in classify(unknown, models, max_pixels):
        index.add(good)  # at once: an interrupted search is resumed by the next one
        answers += good
        failed += bad
        if bar is not None:
            bar.update(len(good) + len(bad))
    if bar is not None:
        bar.close()
    return answers


def progress(items: Any, what: str, total: int | None = None) -> Any:
    """Some items with a progress bar, where someone may be watching."""
    if not sys.stderr.isatty():
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, total=total, unit="file", leave=False)
