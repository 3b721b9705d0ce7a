"""Fill templates to self-contained pages; style and macros are shared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speech_rnn.errors import DataError, MissingExtraError
from speech_rnn.storage import atomic


def write_html(template: str, parts: Mapping[str, Any], path: Path) -> Path:
    """Fill a template, write the page and return its path.

    Raises
    ------
    MissingExtraError
        if jinja2 is not installed.
    DataError
        if the page cannot be written.
    """
    try:
        from jinja2 import Environment, PackageLoader
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtraError("jinja2", "report") from error
    jinja = Environment(
        loader=PackageLoader("speech_rnn.reporting", ""), autoescape=True, trim_blocks=True
    )
    jinja.filters["picture"] = Markup  # pictures are trusted; everything else is escaped
    try:
        atomic.write(path, jinja.get_template(template).render(parts))
    except OSError as error:
        raise DataError(f"output={str(path)!r} cannot be written: {error}") from error
    return path
