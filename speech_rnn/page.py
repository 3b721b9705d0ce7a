"""Write a page that recognises in the browser: ``python -m speech_rnn.page``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.listening.options import Model
from speech_rnn.reporting.examples import run_alone
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn page --output page",
    "speech-rnn page --model FILE --output page",
    "speech-rnn page --model FILE --output words.html --single-file",
)


def page(
    output: Annotated[
        Path, typer.Option(help="Folder to write, or the .html file of --single-file.")
    ],
    model: Model = STARTER,
    single_file: Annotated[
        bool,
        typer.Option("--single-file", help="Write one file that opens without a web server."),
    ] = False,
    runtime: Annotated[
        Path | None,
        typer.Option(help="Folder with onnxruntime-web, which npm fetches otherwise."),
    ] = None,
) -> None:
    """Write a page that recognises in the browser, offline: microphone and files."""
    with printed_errors():
        from speech_rnn.browser.description import for_browser
        from speech_rnn.browser.runtime import find_runtime
        from speech_rnn.browser.writing import write_folder, write_single_file
        from speech_rnn.engines.loading import name_of
        from speech_rnn.recognizer import Recognizer

        found = for_browser(Recognizer.load(model), name_of(model))
        write = write_single_file if single_file else write_folder
        written = write(found, output, find_runtime(runtime))
        print(f"page: {written.path} ({written.n_bytes / 1e6:.1f} MB)")


main = partial(run_alone, page, EXAMPLES)

if __name__ == "__main__":
    main()
