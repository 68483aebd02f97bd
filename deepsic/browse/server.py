"""What the page asks for, over HTTP."""

from __future__ import annotations

import functools
import pathlib
import urllib.parse
from collections.abc import Callable
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deepsic.browse import pictures, uploads
from deepsic.browse.catalogue import Catalogue, Node
from deepsic.errors import DeepsicError
from deepsic.registry import Registry

STATIC = pathlib.Path(__file__).resolve().parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Of pictures in one answer.
MOST = 200
SUGGESTIONS = 12
# Uploads wait for each other.
UPLOADS_AT_ONCE = 1
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def make(
    catalogue: Catalogue, models: Registry, max_pixels: int, hosts: list[str] | None = None
) -> Starlette:
    """The application.

    Args:
      catalogue: of the archive.
      models: to decode with.
      max_pixels: larger pictures are not decoded.
      hosts: names under which it may be asked for; any if None.
    """
    page = Page(catalogue, models, max_pixels)
    routes = [
        Route("/", _index),
        Route("/api/archive", page.archive),
        Route("/api/suggest", page.suggest),
        Route("/api/search", page.search),
        Route("/api/picture/{number:int}", page.picture),
        Route("/api/compress", page.compress, methods=["POST"]),
        Route("/thumbnail/{number:int}", page.thumbnail),
        Route("/picture/{number:int}.png", page.whole),
        Route("/original/{number:int}.png", page.original),
        Route("/file/{number:int}.dsic", page.file),
        Route("/upload/{token}.{kind}", page.upload),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    middleware = [Middleware(_Headers)]
    if hosts is not None:
        middleware.append(
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
        )
    handlers: dict[Any, Callable] = {
        DeepsicError: _explain,
        OSError: _explain,
        HTTPException: _refuse,
    }
    return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)


class _Headers:
    """Adds HEADERS to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_more(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_more)


def _sentence(text: str, code: int) -> JSONResponse:
    return JSONResponse({"error": text}, code)


async def _explain(request: Request, error: Exception) -> Response:
    text = "the file cannot be read." if isinstance(error, OSError) else str(error)
    return _sentence(text, 422)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _sentence(error.detail, error.status_code)


async def _index(request: Request) -> Response:
    return Response((STATIC / "index.html").read_bytes(), media_type="text/html")


def _number(request: Request, name: str, default: float, most: float) -> float:
    """A parameter from 0 to `most`."""
    try:
        value = float(request.query_params.get(name, default))
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise HTTPException(400, f"{name} is a number from 0 to {most}.")
    return value


def _node(node: Node) -> dict[str, Any]:
    return {"node": node.first, "name": node.name, "count": node.count}


class Page:
    """The handlers; see `make`."""

    def __init__(self, catalogue: Catalogue, models: Registry, max_pixels: int) -> None:
        self._catalogue, self._models, self._max_pixels = catalogue, models, max_pixels
        self._cache = pictures.Cache()
        self._uploading = anyio.CapacityLimiter(UPLOADS_AT_ONCE)

    async def archive(self, request: Request) -> Response:
        """What there is."""
        found = self._catalogue
        told = {"count": found.count, "failed": found.failed, "models": uploads.models()}
        return JSONResponse(told)

    async def suggest(self, request: Request) -> Response:
        """Words for the search box."""
        words = request.query_params.get("q", "")[:100]
        found = self._catalogue.tree.suggest(words, SUGGESTIONS)
        return JSONResponse([_node(n) | {"kind": _kind(n)} for n in found])

    async def search(self, request: Request) -> Response:
        """Pictures of a node, the way to it, and what is below it."""
        tree = self._catalogue.tree
        top = len(tree.nodes) - 1
        node = None
        if "node" in request.query_params:
            node = int(_number(request, "node", 0, max(top, 0)))
            if top < 0:
                raise HTTPException(404, "the archive has no labels.")
        least, skip = _number(request, "least", 0, 1), int(_number(request, "skip", 0, 1 << 40))
        most = int(_number(request, "most", 60, MOST))
        count, numbers = await anyio.to_thread.run_sync(
            self._catalogue.search, node, least, most, skip
        )
        items = await anyio.to_thread.run_sync(self._catalogue.describe, numbers)
        here = None if node is None else tree.nodes[node]
        return JSONResponse(
            {
                "all": self._catalogue.count,
                "count": count,
                "items": items,
                **_facets(tree.roots, here),
            }
        )

    def _get(self, request: Request) -> int:
        number = int(request.path_params["number"])
        if number >= self._catalogue.count:
            raise HTTPException(404, "the archive has no such picture.")
        return number

    def _open(self, number: int) -> Any:
        source = self._catalogue.source(number)
        return pictures.open_file(source, self._models, self._max_pixels)

    async def picture(self, request: Request) -> Response:
        """All that is known of a picture."""
        number = self._get(request)

        def look() -> dict[str, Any]:
            (told,) = self._catalogue.describe([number])
            node, file = self._catalogue.node(number), self._open(number)
            levels = [] if node is None else [_node(n) for n in node.path]
            told |= {"levels": levels, "alternatives": [], "arch": file.arch}
            if file.arch == "pre":
                told["alternatives"] = uploads.describe(file.label)["alternatives"]
            told["original"] = self._catalogue.find_original(number) is not None
            told["model"] = _model_name(file, self._models)
            return told

        return JSONResponse(await anyio.to_thread.run_sync(look))

    async def thumbnail(self, request: Request) -> Response:
        """A small picture, coarse or fine."""
        number, coarse = self._get(request), request.query_params.get("size") == "coarse"
        make = functools.partial(self._make_thumbnail, number, coarse)
        data = await self._cache.get(
            ("thumbnail", number, coarse), make, _still_there(request), late=not coarse
        )
        return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})

    def _make_thumbnail(self, number: int, coarse: bool) -> bytes:
        return pictures.thumbnail(self._open(number), coarse)

    async def whole(self, request: Request) -> Response:
        """A picture, decoded."""
        number = self._get(request)
        data = await self._cache.get(
            ("whole", number), lambda: pictures.whole(self._open(number).image)
        )
        return Response(data, media_type="image/png")

    async def original(self, request: Request) -> Response:
        """The picture that was coded, where it is known."""
        number = self._get(request)
        path = await anyio.to_thread.run_sync(self._catalogue.find_original, number)
        if path is None:
            raise HTTPException(404, "the original is not known.")
        read = functools.partial(pictures.read_original, path, self._max_pixels)
        return Response(await self._cache.get(("original", number), read), media_type="image/png")

    async def file(self, request: Request) -> Response:
        """A picture's `.dsic` file."""
        number = self._get(request)
        data = await anyio.to_thread.run_sync(self._catalogue.read, number)
        (told,) = self._catalogue.describe([number])
        return _download(data, pathlib.PurePath(told["path"]).stem + ".dsic")

    async def compress(self, request: Request) -> Response:
        """Compresses the picture in the request's body, or opens the `.dsic` file there."""
        origin = request.headers.get("origin")
        if origin and urllib.parse.urlsplit(origin).netloc != request.headers.get("host"):
            raise HTTPException(403, "other pages may not do that.")
        model = request.query_params.get("model", "")
        if model not in uploads.models():
            raise HTTPException(400, f"there is no model {model[:100]}.")
        data = await _body(request)
        make = functools.partial(uploads.Upload, data, model, self._models)
        made = await anyio.to_thread.run_sync(make, limiter=self._uploading)
        self._cache.put(("upload", made.token, "dsic"), made.data)
        self._cache.put(("upload", made.token, "png"), made.png)
        return JSONResponse(made.told)

    async def upload(self, request: Request) -> Response:
        """What was made of an upload."""
        key = "upload", request.path_params["token"], request.path_params["kind"]
        if key not in self._cache:
            raise HTTPException(404, "it is not kept any more; drop the picture again.")
        data = await self._cache.get(key, bytes)
        if key[2] == "png":
            return Response(data, media_type="image/png")
        return _download(data)


def _still_there(request: Request) -> pictures.Wanted:
    async def wanted() -> bool:
        return not await request.is_disconnected()

    return wanted


def _model_name(file: Any, models: Registry) -> str:
    try:
        return models.folder(file.header).name
    except DeepsicError:
        return f"{file.arch} {file.header.fingerprint.hex()}"


def _kind(node: Node) -> str:
    """What a node is a kind of, in a word: the nearest one above that says something."""
    above = [n.name for n in node.path[:-1] if not n.is_passed_through]
    return above[-1] if above else ""


def _facets(roots: dict[str, Node], here: Node | None) -> dict[str, Any]:
    """The way to a node and what is below, without nodes that are only passed through."""
    path = [] if here is None else here.path
    told = [n for n in path[:-1] if not n.is_passed_through] + path[-1:]
    below = roots if here is None else here.children
    while len(below) == 1 and (only := next(iter(below.values()))).children and not only.here:
        below = only.children
    found = sorted(map(_narrow, below.values()), key=lambda n: (-n.count, n.name))
    return {"path": [_node(n) for n in told], "below": [_node(n) for n in found]}


def _narrow(node: Node) -> Node:
    """The first node at or below one where its pictures part."""
    while node.is_passed_through:
        (node,) = node.children.values()
    return node


def _download(data: bytes, name: str | None = None) -> Response:
    """A file to keep, called as the page says if not by a name."""
    named = "" if name is None else f"; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
    headers = {"Content-Disposition": f"attachment{named}"}
    return Response(data, media_type="application/octet-stream", headers=headers)


async def _body(request: Request) -> bytes:
    """The request's body, refused as soon as it is too long."""
    limit = f"the file is larger than {uploads.MOST_BYTES >> 20} MB."
    if int(request.headers.get("content-length", 0)) > uploads.MOST_BYTES:
        raise HTTPException(413, limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > uploads.MOST_BYTES:
            raise HTTPException(413, limit)
        parts.append(part)
    return b"".join(parts)
