"""Forget a word without training: ``python -m speech_rnn.forget --model FILE --word NAME``."""

from __future__ import annotations

from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.listening.options import ChangedFile, ChangedModel
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import own_stdout
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn forget --model FILE --word computer",
    "speech-rnn forget --word snowboy --output mine.onnx --background ROOM/",
)


def forget(
    word: Annotated[str, typer.Option(help="The word to remove.")],
    model: ChangedModel = STARTER,
    output: ChangedFile = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="File or folder of sound from your room. False accepts are counted in it."
        ),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            help="Language of the word, such as de. espeak-ng speaks the word, to show how it is "
            "recognised afterwards."
        ),
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Remove a word from a recogniser; the other words stay as they are.

    If `learn` added the word, all answers are then exactly as they were before.
    """
    with printed_errors(), own_stdout():
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
    """Forget a word."""
    run_alone(forget, EXAMPLES)


if __name__ == "__main__":
    main()
