"""Write the page: a folder of static files, or one file that holds them all."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from pathlib import Path

from speech_rnn.browser.description import ForBrowser
from speech_rnn.browser.runtime import SCRIPT, WASM
from speech_rnn.errors import ConfigurationError
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import make_folder, writing

STATIC = Path(__file__).with_name("static")
PAGE, LICENCES = "index.html", "licences.txt"
RUNTIME = "runtime/"
"""Folder of the runtime within the page."""
DESCRIPTION, MODEL = "recogniser.json", "recogniser.onnx"
PRELOAD = re.compile(r'<link rel="modulepreload" href="[\w.]+">\n')
IMPORT = re.compile(r'(?<= from )"\./([\w./-]+)"')


@dataclass(frozen=True)
class WrittenPage:
    """A page that was written.

    Parameters
    ----------
    path : the file to open or to serve.
    n_bytes : size of all its files in bytes.
    """

    path: Path
    n_bytes: int


def page_files(runtime: Path) -> dict[str, Path]:
    """Return the files of the page by their names in it, without the recogniser.

    Parameters
    ----------
    runtime : folder of the runtime's files.
    """
    own = {path.name: path for path in sorted(STATIC.iterdir()) if path.is_file()}
    return own | {RUNTIME + name: runtime / name for name in (SCRIPT, WASM)}


def write_folder(found: ForBrowser, output: str | Path, runtime: Path) -> WrittenPage:
    """Write the page as a folder for a web server; existing files of it are replaced.

    Raises
    ------
    DataError
        if it cannot be written.
    """
    output = make_folder(output, "output")
    contents = {name: path.read_bytes() for name, path in page_files(runtime).items()}
    contents |= {DESCRIPTION: _json(found), MODEL: found.content}
    with writing(output, "output"):
        for name, content in contents.items():
            (output / name).parent.mkdir(exist_ok=True)
            atomic.write(output / name, content)
    return WrittenPage(output / PAGE, sum(map(len, contents.values())))


def write_single_file(found: ForBrowser, output: str | Path, runtime: Path) -> WrittenPage:
    """Write the page as one file, which a browser opens without a web server.

    Raises
    ------
    ConfigurationError
        if `output` does not end in ``.html``.
    DataError
        if it cannot be written.
    """
    output = Path(output)
    if output.suffix != ".html":
        raise ConfigurationError(f"output={str(output)!r} of a single file must end in .html")
    content = _single_file(found, runtime).encode()
    make_folder(output.parent, "output")
    with writing(output.parent, "output"):
        atomic.write(output, content)
    return WrittenPage(output, len(content))


def _json(found: ForBrowser) -> bytes:
    return json.dumps(found.description, ensure_ascii=False, indent=1).encode()


def _single_file(found: ForBrowser, runtime: Path) -> str:
    files = page_files(runtime)
    page = files[PAGE].read_text(encoding="utf-8")
    style = files["style.css"].read_text(encoding="utf-8")
    licences = files[LICENCES].read_text(encoding="utf-8")
    held = {
        DESCRIPTION: _json(found),
        MODEL: found.content,
        RUNTIME + WASM: files[RUNTIME + WASM].read_bytes(),
        "worker.js": _alone("worker.js", files).encode(),
        "capture.js": files["capture.js"].read_bytes(),
    }
    data = "\n".join(
        f'<script type="application/octet-stream" data-file="{name}">{_base64(content)}</script>'
        for name, content in held.items()
    )
    data = f"<!--\n{licences}-->\n{data}"
    main = f'{data}\n<script type="module">\n{_alone("main.js", files)}</script>\n</body>'
    page = page.replace('<script type="module" src="main.js"></script>\n', "")
    page = PRELOAD.sub("", page)
    page = page.replace('<link rel="stylesheet" href="style.css">', f"<style>\n{style}</style>")
    return page.replace("</body>", main)


def _alone(name: str, files: dict[str, Path]) -> str:
    """Return a module whose imports are data URLs, so that it needs no other file."""
    text = files[name].read_text(encoding="utf-8")

    def inlined(found: re.Match[str]) -> str:
        return f'"data:text/javascript;base64,{_base64(_alone(found[1], files).encode())}"'

    return IMPORT.sub(inlined, text)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
