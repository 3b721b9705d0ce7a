"""HTTP in OpenAI's shape: transcriptions and models; health, metrics and a description."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from speech_rnn.errors import did_you_mean
from speech_rnn.serving.openapi import description
from speech_rnn.serving.recording import transcribed
from speech_rnn.serving.refusals import BAD_REQUEST, TOO_LARGE, TOO_SLOW, RefusalError
from speech_rnn.serving.service import Service, within
from speech_rnn.serving.shelf import Model
from speech_rnn.serving.transcripts import SHAPES

HEALTH = "/healthz"
MOST_FIELDS = 20
"""Fields of a form; OpenAI's has seven."""
FORM_BYTES = 64 << 10
"""Bytes of a form beside the recording in it, and of a field."""
TRUE = ("true", "1", "yes", "on")


class Http:
    """The routes of HTTP.

    Parameters
    ----------
    service : the state that all protocols share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def routes(self) -> list[Route]:
        """The routes, for Starlette."""
        return [
            Route(HEALTH, self.health),
            Route("/metrics", self.metrics),
            Route("/openapi.json", self.openapi),
            Route("/v1/models", self.models),
            Route("/v1/models/{name:path}", self.model),
            Route("/v1/audio/transcriptions", self.transcriptions, methods=["POST"]),
        ]

    async def health(self, request: Request) -> Response:
        """Say whether streams and recordings are taken: 200, or 503 while the server stops."""
        is_stopping = self._service.stopping.is_set()
        status = "stopping" if is_stopping else "ok"
        return JSONResponse({"status": status}, 503 if is_stopping else 200)

    async def metrics(self, request: Request) -> Response:
        """Return the figures as Prometheus reads them."""
        return Response(
            self._service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    async def openapi(self, request: Request) -> Response:
        """Return the description of these routes."""
        return JSONResponse(description(self._service.limits))

    async def models(self, request: Request) -> Response:
        """List the recognisers."""
        data = [_model(model) for model in self._service.shelf.models]
        return JSONResponse({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        """Describe one recogniser."""
        return JSONResponse(_model(self._service.shelf.find(request.path_params["name"])))

    async def transcriptions(self, request: Request) -> Response:
        """Recognise a recording."""
        with self._service.recording():
            form = await self._form(request)
            try:
                return await self._answer(form)
            finally:
                await form.close()

    async def _answer(self, form: FormData) -> Response:
        name = _field(form, "response_format") or "json"
        if name not in SHAPES:
            hint = did_you_mean(name, SHAPES)
            raise RefusalError(BAD_REQUEST, f"response_format={name[:100]!r} is not known{hint}")
        if _field(form, "stream").lower() in TRUE:
            raise RefusalError(BAD_REQUEST, "stream=true is not supported; leave it out")
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RefusalError(BAD_REQUEST, "file= is missing; send the recording as a form's file")
        model = self._service.shelf.find(_field(form, "model") or None)
        content = await file.read()
        work = partial(transcribed, model.recognizer, content, self._service.limits.seconds)
        transcript = await self._service.aside(work)
        self._service.metrics.sound.labels("http").inc(transcript.duration)
        shape = SHAPES[name]
        return Response(
            shape.write(transcript, _field(form, "language")), media_type=shape.media_type
        )

    async def _form(self, request: Request) -> FormData:
        """Read a form: in memory alone, of bounded size, in bounded time."""
        limits = self._service.limits
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise RefusalError(BAD_REQUEST, "the body must be multipart/form-data with file=")
        most = limits.request_bytes + FORM_BYTES
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length) > most:
            raise _too_large(limits.request_bytes)
        parser = MultiPartParser(
            request.headers,
            _bounded(request, most, limits.request_bytes),
            max_files=1,
            max_fields=MOST_FIELDS,
            max_part_size=FORM_BYTES,
        )
        parser.spool_max_size = most + 1  # never a temporary file
        try:
            return await within(limits.body_seconds, parser.parse())
        except MultiPartException as error:
            raise RefusalError(BAD_REQUEST, f"the form cannot be read: {error.message}") from error
        except TimeoutError as error:
            raise RefusalError(
                TOO_SLOW, f"the request took longer than {limits.body_seconds:g} s to arrive"
            ) from error
        except ClientDisconnect as error:
            raise RefusalError(BAD_REQUEST, "the connection was lost") from error


async def _bounded(request: Request, most: int, told: int) -> AsyncGenerator[bytes, None]:
    """Yield the body up to so many bytes, whatever its header says."""
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > most:
            raise _too_large(told)
        yield chunk


def _too_large(n_bytes: int) -> RefusalError:
    return RefusalError(
        TOO_LARGE, f"the recording has more than {n_bytes / 1e6:g} MB; send it in shorter parts"
    )


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


def _model(model: Model) -> dict[str, object]:
    modified = (model.stamp or (0,))[0] // 10**9
    return {
        "id": model.name,
        "object": "model",
        "created": modified,
        "owned_by": "speech_rnn",
        "words": list(model.recognizer.vocabulary.words),
        "streams": model.recognizer.can_stream,
    }
