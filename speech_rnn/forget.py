"""Forget a word without training: ``python -m speech_rnn.forget --model FILE --word NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors
from speech_rnn.reporting.progress import own_stdout
from speech_rnn.starter import STARTER

EXAMPLES = """
Examples:

speech-rnn forget --model FILE --word computer

speech-rnn forget --word snowboy --output mine.onnx --background ROOM/
"""


def forget(
    word: Annotated[str, typer.Option(help="The word that is taken away.")],
    model: Annotated[
        Path, typer.Option(help="The recogniser; without --output it is replaced.")
    ] = STARTER,
    output: Annotated[
        Path | None, typer.Option(help="Write the new recogniser here, and leave --model alone.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(help="A sound file or folder of your room: false accepts are counted in it."),
    ] = None,
    language: Annotated[
        str, typer.Option(help="Language in which espeak-ng says the word, such as de.")
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take a word away from a recogniser; the others stay as they are.

    A word that was learnt without training leaves nothing behind.
    """
    with spoken_errors(), own_stdout():
        from speech_rnn.learning.files import changed_file
        from speech_rnn.learning.forget import forget as forget_word
        from speech_rnn.learning.sounds import Background
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.reporting.learning import print_changed

        target = changed_file(model, output)
        recognizer = Recognizer.load(model)
        recognizer.check_can_save(target)
        room = Background.read(background, recognizer.sample_rate) if background else None
        found = forget_word(recognizer, word, background=room, language=language)
        found.recognizer.save(target)
        print_changed(found, target, as_json=as_json)


def main() -> None:
    """Run the verb alone."""
    app = typer.Typer(add_completion=False)
    app.command(epilog=EXAMPLES)(forget)
    app()


if __name__ == "__main__":
    main()
