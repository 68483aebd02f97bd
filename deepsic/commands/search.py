"""Finds pictures by what they show, without decoding them.

    deepsic search ARCHIVE ... --label=dog [--min_probability=0.5] [--top=50] [--html=out.html]
    deepsic search ARCHIVE ... --stats

ARCHIVE is a folder (searched with its subfolders), a .dsic file or a quoted glob.
--label takes a class, a synset id, or whatever there are kinds of: dog finds every
breed. `pre` files are answered from their first bytes; of `post` files the features
are decoded and classified once, and the answers kept in ARCHIVE/.dsic-index.sqlite.

Only the front of a `pre` file is read, which has a checksum of its own: damage to
the picture behind it shows only where pictures are decoded, as by --html. Files that
cannot be read are named and counted, the others answered, and the exit code is 1.
"""

from __future__ import annotations

import json
import os
import sys

from absl import flags

from deepsic import cli
from deepsic.registry import Registry
from deepsic.search import query, reading
from deepsic.search.scan import Failed

F = flags.FLAGS
flags.DEFINE_string("label", None, "What the pictures are to show.")
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
    if not rest or F.stats == (F.label is not None):
        raise cli.UserError("it takes folders or files, and either --label or --stats.")
    if F.stats and F.html:
        raise cli.UserError("--html shows the hits of --label, not --stats.")
    if F.originals is not None and not (F.stats and os.path.isdir(F.originals)):
        raise cli.UserError("--originals takes a folder that is there, and goes with --stats.")
    models = Registry(F.models, advice="name its folder with --models=DIR")
    try:
        if F.models:
            _ = models.folders  # complains at once of one that is not there
        if F.label is not None:
            query.check_word(F.label, models)
        archive = reading.read(rest, models, F.max_pixels, cli.warn)
        if not archive.count and not archive.failed:
            raise cli.UserError(f"{' '.join(rest)}: there is no .dsic file.")
    except (FileNotFoundError, query.UnknownWord) as error:
        raise cli.UserError(str(error)) from error
    for failed in archive.failed:
        cli.warn(f"{failed.path}: {_advise(failed)}")
    undecoded = None if F.stats else _print_hits(archive, models)
    if F.stats:
        _print_stats(archive)
    return 1 if archive.failed or undecoded else 0


def _advise(failed: Failed) -> str:
    """Why a file could not be read, and the flag that mends it where there is one."""
    if not failed.pixels:
        return failed.reason
    return f"{failed.reason.rstrip('.')}; --max_pixels={failed.pixels} allows it."


def _print_hits(archive, models):
    """Returns what could not be decoded for the sheet."""
    hits = query.search(archive, F.label, F.min_probability)
    shown = hits[: F.top] if F.top else hits
    undecoded = _write_sheet(shown, models) if F.html else []
    if F.json:
        print(json.dumps(_as_json(archive, hits, shown, undecoded), indent=1))
        return undecoded
    for hit in shown:
        print(hit)
    _report(f"{len(hits)} of {archive.count} files show {F.label}", archive, len(shown), len(hits))
    return undecoded


def _write_sheet(hits, models):
    from deepsic.search import sheet

    failed = sheet.write(F.html, f"{F.label}: {len(hits)} files", hits, models, F.max_pixels)
    for each in failed:
        cli.warn(f"{each.path} is not on the sheet: {_advise(each)}")
    return failed


def _as_json(archive, hits, shown, undecoded):
    return {
        "label": F.label,
        "files": archive.count,
        "hits": len(hits),
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
        "label": known.names[found.node],
        "id": known.ids[found.node],
        "label_probability": found.probability,
        "levels": known.names_of(found.node),
        "alternatives": [
            {"label": known.names[b.node], "id": known.ids[b.node], "probability": b.probability}
            for b in found.alternatives
        ],
    }


def _print_stats(archive):
    from deepsic.formats import EXTENSIONS
    from deepsic.search import statistics

    levels = statistics.by_level(archive)
    sums = statistics.saved(archive, F.originals, EXTENSIONS)
    if F.json:
        failed = [_failed_as_json(f) for f in archive.failed]
        whole = {"files": archive.count, **statistics.as_json(levels, sums), "failed": failed}
        print(json.dumps(whole, indent=1))
        return
    print(statistics.as_text(levels, sums))
    _report(f"{archive.count} files", archive)


def _report(text, archive, shown=0, hits=0):
    if shown < hits:
        text += f"; the {shown} most probable are listed"
    if archive.failed:
        text += f"; {len(archive.failed)} could not be read"
    print(f"{text}.", file=sys.stderr)
