"""Pages for browsers: at ``/`` the one that recognises, with the recognisers of the server."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from speech_rnn.browser.description import ForBrowser, for_browser
from speech_rnn.browser.runtime import cached_runtime, how_to_get
from speech_rnn.browser.writing import DESCRIPTION, MODEL, PAGE, RUNTIME, STATIC, page_files
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.service import Service
from speech_rnn.serving.static_files import file_answer


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
        names = [name for name in page_files(Path()) if name != PAGE]
        self._runtime = [f"/{name}" for name in names if name.startswith(RUNTIME)]
        self._scripts = [f"/{name}" for name in names if not name.startswith(RUNTIME)]

    @property
    def open_paths(self) -> list[str]:
        """The paths that need no token."""
        return ["/", *self._scripts, *self._runtime]

    @property
    def routes(self) -> list[Route]:
        """The routes, for Starlette."""
        return [
            Route("/", self.page),
            *(Route(path, self.script) for path in self._scripts),
            *(Route(path, self.runtime) for path in self._runtime),
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
        return file_answer(request, self._files[PAGE])

    async def script(self, request: Request) -> Response:
        """Return another file of the page, which the page for recording uses as well."""
        return file_answer(request, STATIC / request.url.path.removeprefix("/"))

    async def runtime(self, request: Request) -> Response:
        """Return a file of the runtime, or the line that says how to get it."""
        if self._files is None:
            return await self.page(request)
        return file_answer(request, self._files[request.url.path.removeprefix("/")])

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
            work = partial(for_browser, model.recognizer, model.name)
            found = await self._service.aside(work)
            self._kept[model.name] = model.recognizer, found
        return found
