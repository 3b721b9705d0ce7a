"""HTTP in OpenAI's shape: transcriptions and models; health, metrics and a description."""

from __future__ import annotations

from functools import partial

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from speech_rnn.errors import did_you_mean
from speech_rnn.serving.forms import field, file_of, read_form
from speech_rnn.serving.openapi import description
from speech_rnn.serving.recording import transcribed
from speech_rnn.serving.refusals import BAD_REQUEST, RefusalError
from speech_rnn.serving.service import Service
from speech_rnn.serving.shelf import Model
from speech_rnn.serving.transcripts import SHAPES

HEALTH = "/healthz"
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
            form = await read_form(request, self._service.limits)
            try:
                return await self._answer(form)
            finally:
                await form.close()

    async def _answer(self, form: FormData) -> Response:
        name = field(form, "response_format") or "json"
        if name not in SHAPES:
            hint = did_you_mean(name, SHAPES)
            raise RefusalError(BAD_REQUEST, f"response_format={name[:100]!r} is not known{hint}")
        if field(form, "stream").lower() in TRUE:
            raise RefusalError(BAD_REQUEST, "stream=true is not supported; leave it out")
        content = await file_of(form)
        model = self._service.shelf.find(field(form, "model") or None)
        work = partial(transcribed, model.recognizer, content, self._service.limits.seconds)
        transcript = await self._service.aside(work)
        self._service.metrics.sound.labels("http").inc(transcript.duration)
        shape = SHAPES[name]
        return Response(
            shape.write(transcript, field(form, "language")), media_type=shape.media_type
        )


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
