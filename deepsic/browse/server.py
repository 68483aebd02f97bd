"""The page's server: its addresses, and what every answer has."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deepsic.browse.catalogue import Catalogue
from deepsic.browse.handlers import Page
from deepsic.errors import DeepsicError
from deepsic.registry import Registry

STATIC = pathlib.Path(__file__).resolve().parent / "static"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
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
