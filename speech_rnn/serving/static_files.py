"""Files of pages as answers, which a browser may keep as long as they have not changed."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
}
"""Types of the files; those of the system differ."""


def file_answer(request: Request, path: Path) -> Response:
    """Return a file, or status 304 if the browser has it already."""
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
