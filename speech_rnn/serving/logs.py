"""Log lines that programs read: one JSON object each, on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone
from typing import Any

LOGGER = logging.getLogger("speech_rnn.serving")


def log(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write what happened, with plain values about it."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, event, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, event, and the fields of `log`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(
                "T", "milliseconds"
            ),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.name != LOGGER.name:
            line["logger"] = record.name
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def start_logs() -> None:
    """Write the lines of the server, and warnings of its libraries, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(_is_error)
    for library in ("wyoming", "asyncio"):  # they log clients that went away as errors
        logging.getLogger(library).setLevel(logging.CRITICAL)


def _is_error(record: logging.LogRecord) -> bool:
    """Return whether a record is an error; uvicorn also logs refused handshakes as errors."""
    return "without completing handshake" not in record.getMessage()
