"""Bodies of requests: read in memory alone, of bounded size, in bounded time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from speech_rnn.serving.limits import Limits
from speech_rnn.serving.refusals import BAD_REQUEST, TOO_LARGE, TOO_SLOW, RefusalError
from speech_rnn.serving.service import within

MOST_FIELDS = 20
"""Fields of a form; OpenAI's has seven."""
FORM_BYTES = 64 << 10
"""Bytes of a form beside the recording in it, of a field, and of a text."""

T = TypeVar("T")


async def read_form(request: Request, limits: Limits) -> FormData:
    """Return the form of a request, which the caller closes.

    Raises
    ------
    RefusalError
        for a body that is no form, is too large, or does not arrive in time.
    """
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
        return await _arrived(parser.parse(), limits)
    except MultiPartException as error:
        raise RefusalError(BAD_REQUEST, f"the form cannot be read: {error.message}") from error


async def read_text(request: Request, limits: Limits) -> str:
    """Return the body of a request that is a short text in UTF-8.

    Raises
    ------
    RefusalError
        for a body that is too large, or does not arrive in time.
    """

    async def whole() -> bytes:
        return b"".join([chunk async for chunk in _bounded(request, FORM_BYTES, FORM_BYTES)])

    return (await _arrived(whole(), limits)).decode(errors="replace")


async def file_of(form: FormData) -> bytes:
    """Return the recording of a form.

    Raises
    ------
    RefusalError
        for a form without one.
    """
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise RefusalError(BAD_REQUEST, "file= is missing; send the recording as a form's file")
    return await file.read()


def field(form: FormData, name: str) -> str:
    """Return the text of a field without the spaces around it, empty for one that is missing."""
    value = form.get(name)
    return value.strip() if isinstance(value, str) else ""


async def _arrived(body: Awaitable[T], limits: Limits) -> T:
    """Return a body that arrives in time."""
    try:
        return await within(limits.body_seconds, body)
    except TimeoutError as error:
        raise RefusalError(
            TOO_SLOW, f"the request took longer than {limits.body_seconds:g} s to arrive"
        ) from error
    except ClientDisconnect as error:
        raise RefusalError(BAD_REQUEST, "the connection was lost") from error


async def _bounded(request: Request, most: int, limit: int) -> AsyncGenerator[bytes, None]:
    """Yield the body up to a number of bytes, whatever its header says."""
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > most:
            raise _too_large(limit)
        yield chunk


def _too_large(n_bytes: int) -> RefusalError:
    return RefusalError(
        TOO_LARGE, f"the body has more than {n_bytes / 1e6:g} MB; send it in shorter parts"
    )
