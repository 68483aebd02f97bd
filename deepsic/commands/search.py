"""Finds pictures by what they show, without decoding them.

    deepsic search ARCHIVE ... --label=dog [--not_label=poodle] [--top=50] [--html=out.html]
    deepsic search ARCHIVE ... --stats

ARCHIVE is a folder (searched with its subfolders), a .dsic file or a quoted glob;
Parquet archives in it are searched too, as are addresses such as s3://bucket/folder.
--label takes a class, a synset id, or whatever there are kinds of: dog finds every
breed. Given several times, it finds what shows one of the things. `pre` files are
answered from their first bytes; of `post` files the features are decoded and
classified once, and the answers kept in ARCHIVE/.dsic-index.sqlite.

Only the front of a `pre` file is read, which has a checksum of its own: damage to
the picture behind it shows only where pictures are decoded, as by --html. Files that
cannot be read are named and counted, the others answered, and the exit code is 1.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import sys

from absl import flags

from deepsic import cli
from deepsic.registry import Registry
from deepsic.search import query, reading
from deepsic.search.scan import Failed

F = flags.FLAGS
flags.DEFINE_multi_string("label", [], "What the pictures are to show; one of several.")
flags.DEFINE_multi_string("not_label", [], "What is not meant, among what --label finds.")
flags.DEFINE_float("min_probability", 0.0, "Least probability of a hit.", 0, 1)
flags.DEFINE_integer("top", 0, "Only the most probable so many; 0 for all.", 0)
flags.DEFINE_string("html", None, "Write the hits' pictures to a contact sheet.")
flags.DEFINE_bool("json", False, "Print one JSON object.")
flags.DEFINE_bool("stats", False, "Count files by label and level instead.")
flags.DEFINE_string("originals", None, "Folder of the originals, for --stats; else beside.")
flags.DEFINE_list("models", [], "Folders of further models, for files of these.")
flags.DEFINE_integer("max_pixels", None, "Refuse to decode larger pictures than this.", 1)


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    if not rest or F.stats == bool(F.label):
        raise cli.UserError("it takes folders or files, and either --label or --stats.")
    if F.not_label and not F.label:
        raise cli.UserError("--not_label takes away from what --label finds; give that too.")
    if F.stats and F.html:
        raise cli.UserError("--html shows the hits of --label, not --stats.")
    if F.originals is not None and not (F.stats and os.path.isdir(F.originals)):
        raise cli.UserError("--originals takes a folder that is there, and goes with --stats.")
    models = Registry(F.models, advice="name its folder with --models=DIR")
    try:
        if F.models:
            _ = models.folders  # complains at once of one that is not there
        wanted = query.Wanted(tuple(F.label), tuple(F.not_label))
        unknown = _check_words(wanted, models)
        archive = reading.read(rest, models, F.max_pixels, cli.warn)
        if unknown and not archive.shards:
            raise unknown
        if not archive.count and not archive.failed:
            raise cli.UserError(f"{' '.join(rest)}: there is no .dsic file.")
        undecoded = (
            _print_stats(archive) if F.stats else _print_hits(archive, models, wanted, unknown)
        )
    except (FileNotFoundError, query.UnknownWord) as error:
        raise cli.UserError(str(error)) from error
    return 1 if archive.failed or undecoded else 0


def _check_words(wanted, models):
    """What is wrong with a word; None if nothing is. Rows may know words of models elsewhere."""
    try:
        query.check_words(wanted, models)
    except query.UnknownWord as error:
        return error
    return None


def _warn_of(failed):
    for each in failed:
        cli.warn(f"{each.path}: {_advise(each)}")


def _advise(failed: Failed) -> str:
    """Why a file could not be read, and the flag that mends it where there is one."""
    if not failed.pixels:
        return failed.reason
    return f"{failed.reason.rstrip('.')}; --max_pixels={failed.pixels} allows it."


def _print_hits(archive, models, wanted, unknown):
    """Returns what could not be decoded for the sheet."""
    hits = query.search(archive, wanted, F.min_probability)
    rows = _search_rows(archive, wanted)
    count = len(hits) + (rows.count if rows else 0)
    if unknown and not count:
        raise unknown
    if rows:
        hits = heapq.merge(hits, rows, key=lambda hit: (-hit.probability, hit.file.path))
    _warn_of(archive.failed)
    shown = itertools.islice(hits, F.top) if F.top else hits
    if F.html or F.json:
        shown = list(shown)
    undecoded = _write_sheet(shown, models, wanted) if F.html else []
    if F.json:
        print(json.dumps(_as_json(archive, count, shown, undecoded), indent=1))
        return undecoded
    for hit in shown:
        print(hit)
    listed = min(count, F.top) if F.top else count
    _report(f"{count} of {archive.count} files show {wanted}", archive, listed, count, rows)
    return undecoded


def _search_rows(archive, wanted):
    """Hits in Parquet archives; None if there are none of these."""
    if not archive.shards:
        return None
    from deepsic.archives import query

    rows = query.search(archive.shards, wanted, F.min_probability, F.top)
    archive.failed = sorted([*archive.failed, *rows.failed])
    return rows


def _write_sheet(hits, models, wanted):
    from deepsic.search import sheet

    failed = sheet.write(F.html, f"{wanted}: {len(hits)} files", hits, models, F.max_pixels)
    for each in failed:
        cli.warn(f"{each.path} is not on the sheet: {_advise(each)}")
    return failed


def _as_json(archive, count, shown, undecoded):
    return {
        "labels": F.label,
        "not_labels": F.not_label,
        "files": archive.count,
        "hits": count,
        "shown": [_hit_as_json(hit) for hit in shown],
        "failed": [_failed_as_json(failed) for failed in [*archive.failed, *undecoded]],
    }


def _failed_as_json(failed: Failed) -> dict[str, str]:
    return {"path": failed.path, "reason": failed.reason}


def _hit_as_json(hit):
    known, found = hit.meaning.taxonomy, hit.meaning.description
    return {
        "path": hit.file.path,
        "probability": hit.probability,
        "label": hit.meaning.label.name,
        "id": known.ids[found.node],
        "label_probability": found.probability,
        "levels": known.names_of(found.node),
        "alternatives": [
            {"label": known.names[b.node], "id": known.ids[b.node], "probability": b.probability}
            for b in found.alternatives
        ],
    }


def _tally_rows(archive):
    """Sums of the rows of Parquet archives."""
    if not archive.shards:
        return []
    from deepsic.archives.tally import tally

    rows, failed = tally(archive.shards)
    archive.failed = sorted([*archive.failed, *failed])
    return rows


def _print_stats(archive):
    from deepsic.formats import EXTENSIONS
    from deepsic.search import statistics

    rows = _tally_rows(archive)
    _warn_of(archive.failed)
    levels = statistics.by_level(archive, rows)
    sums = statistics.saved(archive, F.originals, EXTENSIONS)
    if F.json:
        failed = [_failed_as_json(f) for f in archive.failed]
        whole = {"files": archive.count, **statistics.as_json(levels, sums), "failed": failed}
        print(json.dumps(whole, indent=1))
        return
    print(statistics.as_text(levels, sums))
    _report(f"{archive.count} files", archive)


def _report(text, archive, shown=0, hits=0, rows=None):
    if rows and rows.bad:
        text += f"; {rows.bad} rows have a reason instead of a file"
    if rows and rows.unlabelled:
        text += f"; {rows.unlabelled} rows have no label, bulk --classify gives them one"
    if shown < hits:
        text += f"; the {shown} most probable are listed"
    if archive.failed:
        text += f"; {len(archive.failed)} could not be read"
    print(f"{text}.", file=sys.stderr)
