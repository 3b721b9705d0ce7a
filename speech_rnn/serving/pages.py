"""Pages for browsers: at ``/`` the one that recognises, with the recognisers of the server."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from speech_rnn.browser.description import ForBrowser, for_browser
from speech_rnn.browser.runtime import cached_runtime, how_to_get
from speech_rnn.browser.writing import DESCRIPTION, MODEL, PAGE, page_files
from speech_rnn.errors import SpeechRnnError
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.refusals import refusal_of
from speech_rnn.serving.service import Service

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
}
"""Types of the files; those of the system differ."""


class Pages:
    """The routes of the pages.

    The scripts of a page are public. What they load, the recogniser, needs the token.

    Parameters
    ----------
    service : has the recognisers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._files: dict[str, Path] | None = None
        self._kept: dict[str, tuple[Recognizer, ForBrowser]] = {}
        self._names = {f"/{name}": name for name in page_files(Path()) if name != PAGE}

    @property
    def open_paths(self) -> list[str]:
        """The paths that need no token."""
        return ["/", *self._names]

    @property
    def routes(self) -> list[Route]:
        """The routes, for Starlette."""
        return [
            Route("/", self.page),
            *(Route(path, self.file) for path in self._names),
            Route(f"/{DESCRIPTION}", self.description),
            Route(f"/{MODEL}", self.model),
        ]

    async def page(self, request: Request) -> Response:
        """Return the page, or the line that says how to get its runtime."""
        if self._files is None:
            runtime = await self._service.aside(cached_runtime)
            if runtime is None:
                return PlainTextResponse(f"{how_to_get()}, then load this again\n", 503)
            self._files = page_files(runtime)
        return self._answer(request, self._files[PAGE])

    async def file(self, request: Request) -> Response:
        """Return another file of the page."""
        if self._files is None:
            return await self.page(request)
        return self._answer(request, self._files[self._names[request.url.path]])

    def _answer(self, request: Request, path: Path) -> Response:
        response = FileResponse(
            path,
            media_type=MEDIA_TYPES[path.suffix],
            stat_result=path.stat(),
            headers={"Cache-Control": "no-cache"},
        )
        tag = response.headers["etag"]
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "no-cache"})
        return response

    async def description(self, request: Request) -> Response:
        """Return the settings of a recogniser, of the first without ``?model=NAME``."""
        return JSONResponse((await self._found(request)).description)

    async def model(self, request: Request) -> Response:
        """Return the ONNX file of a recogniser."""
        found = await self._found(request)
        return Response(found.content, media_type="application/octet-stream")

    async def _found(self, request: Request) -> ForBrowser:
        """Return a recogniser for the page; the last one of each name is kept."""
        model = self._service.shelf.find(request.query_params.get("model"))
        recognizer, found = self._kept.get(model.name, (None, None))
        if recognizer is not model.recognizer or found is None:
            try:
                found = await self._service.aside(
                    partial(for_browser, model.recognizer, model.name)
                )
            except SpeechRnnError as error:
                raise refusal_of(error) from error
            self._kept[model.name] = model.recognizer, found
        return found
