"""The packages of the extra ``[serve]``."""

from __future__ import annotations

from importlib.util import find_spec

from speech_rnn.errors import MissingExtraError

PACKAGES = (
    "starlette",
    "uvicorn",
    "websockets",
    "wyoming",
    "prometheus_client",
    "python_multipart",
)


def check_packages() -> None:
    """Refuse to serve without them.

    Raises
    ------
    MissingExtraError
        for the first that is not installed.
    """
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtraError(package, "serve")
