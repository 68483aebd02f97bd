"""The page's requests, and what answers each of them."""

from __future__ import annotations

import functools
import pathlib
import urllib.parse
from typing import Any

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deepsic.browse import facets, pictures, uploads
from deepsic.browse.catalogue import Catalogue
from deepsic.errors import DeepsicError
from deepsic.registry import Registry

# Of pictures in one answer.
MOST = 200
SUGGESTIONS = 12
# Uploads wait for each other.
UPLOADS_AT_ONCE = 1


class Page:
    """The handlers; see `deepsic.browse.server.make`."""

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
        return JSONResponse([facets.describe(n) | {"kind": facets.kind(n)} for n in found])

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
                **facets.around(tree.roots, here),
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
            levels = [] if node is None else [facets.describe(n) for n in node.path]
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


def _number(request: Request, name: str, default: float, most: float) -> float:
    """A parameter from 0 to `most`."""
    try:
        value = float(request.query_params.get(name, default))
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise HTTPException(400, f"{name} is a number from 0 to {most}.")
    return value


def _still_there(request: Request) -> pictures.Wanted:
    async def wanted() -> bool:
        return not await request.is_disconnected()

    return wanted


def _model_name(file: Any, models: Registry) -> str:
    try:
        return models.folder(file.header).name
    except DeepsicError:
        return f"{file.arch} {file.header.fingerprint.hex()}"


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
