"""The page ``/record``: takes of words, a training on them, and its recogniser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from speech_rnn.browser.writing import STATIC
from speech_rnn.errors import did_you_mean
from speech_rnn.serving.forms import field, file_of, read_form, read_text
from speech_rnn.serving.guard import RECORD
from speech_rnn.serving.refusals import BUSY, UNKNOWN_WORD, RefusalError
from speech_rnn.serving.service import Service
from speech_rnn.serving.sockets import loaded_json
from speech_rnn.serving.static_files import file_answer
from speech_rnn.serving.studio import CONSENT, Studio
from speech_rnn.serving.take_sound import MOST_SECONDS, read_take
from speech_rnn.serving.takes import Label

PAGE = "index.html"
FOLDER = STATIC / "record"
OFF = (
    "recording is off; start the server with  speech-rnn serve --record DIR  (DIR is the folder "
    "for the recordings)\n"
)
EVERY_METHOD = ("GET", "POST", "PUT", "DELETE")


class Record:
    """The routes.

    The page and its scripts are public. All else needs the token.

    Parameters
    ----------
    service : the state that all protocols share.
    studio : the folder of the recordings; None answers that recording is off.
    """

    def __init__(self, service: Service, studio: Studio | None) -> None:
        self._service, self._studio = service, studio
        self._scripts = [
            f"{RECORD}/{path.name}" for path in sorted(FOLDER.iterdir()) if path.name != PAGE
        ]

    @property
    def open_paths(self) -> list[str]:
        """The paths that need no token."""
        return [RECORD, *self._scripts]

    @property
    def routes(self) -> list[Route]:
        """The routes, for Starlette."""
        studio = self._studio
        if studio is None:
            paths = (RECORD, f"{RECORD}/{{rest:path}}")
            return [Route(path, _off, methods=EVERY_METHOD) for path in paths]

        def route(path: str, answer: Callable[..., Any], method: str = "GET") -> Route:
            async def answered(request: Request) -> Response:
                found: Response = await answer(studio, request)
                return found

            return Route(f"{RECORD}{path}", answered, methods=[method])

        return [
            Route(RECORD, self.page),
            *(Route(path, self.script) for path in self._scripts),
            route("/state", self.state),
            route("/words", self.words, "PUT"),
            route("/takes", self.add, "POST"),
            route("/takes/{file:path}", self.take),
            route("/takes/{file:path}", self.remove, "DELETE"),
            route("/training", self.progress),
            route("/training", self.teach, "POST"),
            route("/training", self.stop, "DELETE"),
        ]

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return file_answer(request, FOLDER / PAGE)

    async def script(self, request: Request) -> Response:
        """Return another file of the page."""
        return file_answer(request, FOLDER / request.url.path.rpartition("/")[2])

    async def state(self, studio: Studio, request: Request) -> Response:
        """Return the words, the takes, what is missing, and the training."""
        return self._state(studio)

    def _state(self, studio: Studio, findings: tuple[str, ...] = ()) -> Response:
        return JSONResponse(
            {**studio.state(), "findings": findings, "training": self._progress(studio)}
        )

    def _progress(self, studio: Studio) -> dict[str, Any]:
        """Return the training, and whether its recogniser is loaded."""
        is_loaded = self._service.shelf.has(studio.recogniser)
        return {**studio.teaching.progress.to_dict(), "is_loaded": is_loaded}

    async def words(self, studio: Studio, request: Request) -> Response:
        """Replace the words."""
        text = await read_text(request, self._service.limits)
        given = loaded_json(text).get("words")
        await self._service.aside(partial(studio.use_words, given))
        return self._state(studio)

    async def add(self, studio: Studio, request: Request) -> Response:
        """Keep a take, and say what is wrong with it."""
        limits = self._service.limits
        with self._service.recording():
            form = await read_form(request, limits)
            try:
                word = field(form, "word")
                if word not in studio.words:
                    hint = did_you_mean(word, studio.words)
                    raise RefusalError(UNKNOWN_WORD, f"word={word!r:.80} is not asked for{hint}")
                label = Label(
                    word=word,
                    speaker=field(form, "speaker"),
                    device=field(form, "device"),
                    room=field(form, "room"),
                    consent=CONSENT if field(form, "consent") == "true" else "",
                )
                content = await file_of(form)
            finally:
                await form.close()
            most = min(limits.seconds, MOST_SECONDS)
            sound = await self._service.aside(partial(read_take, content, label.room, most))
            await self._service.aside(
                partial(
                    studio.takes.add,
                    label,
                    sound.samples,
                    sound.sample_rate,
                    date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
                    level_db=sound.level_db,
                    clipped=sound.clipped,
                )
            )
        return self._state(studio, sound.findings)

    async def take(self, studio: Studio, request: Request) -> Response:
        """Return a take."""
        path = studio.takes.path(request.path_params["file"])
        return FileResponse(path, media_type="audio/wav", headers={"Cache-Control": "no-store"})

    async def remove(self, studio: Studio, request: Request) -> Response:
        """Delete a take."""
        await self._service.aside(partial(studio.takes.remove, request.path_params["file"]))
        return self._state(studio)

    async def progress(self, studio: Studio, request: Request) -> Response:
        """Return the state of the training."""
        return JSONResponse(self._progress(studio))

    async def teach(self, studio: Studio, request: Request) -> Response:
        """Start a training."""
        own = [model for model in self._service.shelf.models if model.name == studio.name]
        if own and own[0].path != studio.recogniser:
            raise RefusalError(
                BUSY, f"another recogniser is named {studio.name!r}; rename it, or the folder"
            )
        await studio.teach(self._service.aside)
        return JSONResponse(self._progress(studio))

    async def stop(self, studio: Studio, request: Request) -> Response:
        """Stop the training."""
        await studio.teaching.stop()
        return JSONResponse(self._progress(studio))


async def _off(request: Request) -> Response:
    """Say how recording is turned on."""
    return PlainTextResponse(OFF, 404)
