"""The description of the HTTP interface, by OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from speech_rnn import __version__
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.transcripts import SHAPES

ERRORS = {
    "400": "The form or the sound cannot be read.",
    "401": "The token is missing or wrong.",
    "404": "There is no such recogniser.",
    "408": "The request took too long to arrive.",
    "413": "The recording is too large or too long.",
    "429": "Too many recordings are being recognised.",
    "503": "The server is at its capacity, or stops.",
}


def description(limits: Limits) -> dict[str, Any]:
    """Return the description of a server with these bounds, as plain values for JSON."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "speech-rnn", "version": __version__, "license": {"name": "MIT"}},
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": ERROR, "Model": MODEL, "Verbose": VERBOSE},
        },
        "security": [{}, {"token": []}],
        "paths": {
            "/healthz": {"get": _get("Whether the server takes work", {"type": "object"})},
            "/metrics": {"get": _get("Figures for Prometheus", {"type": "string"}, "text/plain")},
            "/openapi.json": {"get": _get("This description", {"type": "object"})},
            "/v1/models": {
                "get": _get(
                    "The recognisers", {"type": "object", "properties": {"data": _list("Model")}}
                )
            },
            "/v1/models/{name}": {
                "get": _get("One recogniser", _reference("Model"))
                | {"parameters": [_parameter("name")]}
            },
            "/v1/audio/transcriptions": {"post": _transcriptions(limits)},
        },
    }


def _transcriptions(limits: Limits) -> dict[str, Any]:
    mebibytes = limits.request_bytes / (1 << 20)
    fields = {
        "file": {
            "type": "string",
            "format": "binary",
            "description": f"A sound file of at most {mebibytes:g} MiB and {limits.seconds:g} s.",
        },
        "model": {"type": "string", "description": "Name of a recogniser; the first without it."},
        "response_format": {"type": "string", "enum": [*SHAPES], "default": "json"},
        "language": {"type": "string", "description": "Comes back in verbose_json."},
        "prompt": {"type": "string", "description": "Is not used."},
        "temperature": {"type": "number", "description": "Is not used."},
    }
    answers = {
        shape.media_type: {"schema": {"type": "string"}}
        for shape in SHAPES.values()
        if shape.media_type != "application/json"
    }
    answers["application/json"] = {"schema": _reference("Verbose")}
    form = {"type": "object", "required": ["file"], "properties": fields}
    return {
        "summary": "Recognise a recording",
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": form}},
        },
        "responses": {"200": {"description": "The words", "content": answers}, **_errors()},
    }


def _get(summary: str, schema: dict[str, Any], media: str = "application/json") -> dict[str, Any]:
    answer = {"description": summary, "content": {media: {"schema": schema}}}
    return {"summary": summary, "responses": {"200": answer}}


def _errors() -> dict[str, Any]:
    content = {"application/json": {"schema": _reference("Error")}}
    return {status: {"description": text, "content": content} for status, text in ERRORS.items()}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _reference(name)}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _object(**types: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": kind} for name, kind in types.items()}}


ERROR = {
    "type": "object",
    "properties": {"error": _object(message="string", type="string", code="string")},
}
MODEL = _object(id="string", object="string", created="integer", words="array", streams="boolean")
WORD = _object(word="string", start="number", end="number", confidence="number")
SEGMENT = _object(id="integer", start="number", end="number", text="string", avg_logprob="number")
VERBOSE = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": {"type": "string"},
        "language": {"type": "string"},
        "duration": {"type": "number"},
        "words": {"type": "array", "items": WORD},
        "segments": {"type": "array", "items": SEGMENT},
    },
}
