"""Opens a local web page on an archive: search, pictures, and a try-out of the codec.

    deepsic browse ARCHIVE ... [--port=8000] [--originals=DIR]

ARCHIVE is a folder (searched with its subfolders), a .dsic or Parquet file, a quoted glob
or an address such as s3://bucket/folder. The page is served to this machine only, unless
--host says otherwise; whoever reaches it can see all pictures of the archive.
"""

from __future__ import annotations

import os
import socket
import sys

from absl import flags

from deepsic import cli, extras
from deepsic.registry import Registry
from deepsic.search import reading

F = flags.FLAGS
flags.DEFINE_integer("port", 8000, "Where the page is served; 0 for any that is free.", 0, 65535)
flags.DEFINE_string("host", "127.0.0.1", "Address to serve at; 0.0.0.0 for the whole network.")
flags.DEFINE_string("originals", None, "Folder of the pictures that were coded; else beside.")
flags.DEFINE_list("models", [], "Folders of further models, for files of these.")
flags.DEFINE_integer("max_pixels", 50_000_000, "Do not decode larger pictures than this.", 1)
flags.DEFINE_bool("open", True, "Open the page in a browser, where there is a desktop.")


def main(rest: list[str]) -> int:
    """Runs the command with its arguments that are no flags; returns the exit code."""
    if not rest:
        raise cli.UserError("it takes folders or files of an archive.")
    if F.originals is not None and not os.path.isdir(F.originals):
        raise cli.UserError("--originals takes a folder that is there.")
    uvicorn = extras.need("browse", "uvicorn", "starlette")
    from deepsic.browse import server
    from deepsic.browse.catalogue import Catalogue

    models = Registry(F.models, advice="name its folder with --models=DIR")
    try:
        archive = reading.read(rest, models, F.max_pixels, cli.warn)
    except FileNotFoundError as error:
        raise cli.UserError(str(error)) from error
    if not archive.count:
        raise cli.UserError(f"{' '.join(rest)}: there is no .dsic or Parquet file.")
    for failed in archive.failed[:10]:
        cli.warn(f"{failed.path}: {failed.reason}")
    catalogue = Catalogue(archive, F.originals)
    listener = _listen()
    hosts = [*server.LOOPBACK, "[::1]"] if F.host in server.LOOPBACK else None
    app = server.make(catalogue, models, F.max_pixels, hosts)
    address = f"http://{f'[{F.host}]' if ':' in F.host else F.host}:{listener.getsockname()[1]}/"
    print(f"{catalogue.count} pictures at {address} (Ctrl+C ends it)", flush=True)
    _show(address)
    config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen() -> socket.socket:
    kind = socket.AF_INET6 if ":" in F.host else socket.AF_INET
    listener = socket.socket(kind, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((F.host, F.port))
    except OSError as error:
        raise cli.UserError(
            f"{F.host}:{F.port} cannot be used: {error.strerror or error}; name another --port."
        ) from error
    listener.listen(1024)
    return listener


def _show(address: str) -> None:
    desktop = sys.platform in ("darwin", "win32") or {"DISPLAY", "WAYLAND_DISPLAY"} & set(
        os.environ
    )
    if F.open and desktop and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(address)
