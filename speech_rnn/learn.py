"""Learn a word without training: ``python -m speech_rnn.learn --model FILE --word NAME CLIP…``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors
from speech_rnn.reporting.progress import own_stdout, tell
from speech_rnn.starter import STARTER

EXAMPLES = """
Examples:

speech-rnn learn --model FILE --word "lights on" one.wav two.wav three.wav

speech-rnn learn --model FILE --word computer CLIPS/ --background ROOM/

speech-rnn learn --word jarvis CLIPS/ --output mine.onnx
"""


def learn(
    clips: Annotated[
        list[str], typer.Argument(help="Recordings in which the word is said once, or folders.")
    ],
    word: Annotated[str, typer.Option(help="A new word or phrase, or one learnt before.")],
    model: Annotated[
        Path, typer.Option(help="The recogniser; without --output it is replaced.")
    ] = STARTER,
    output: Annotated[
        Path | None, typer.Option(help="Write the new recogniser here, and leave --model alone.")
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="A sound file or folder of your room without the word: learnt from, counted in."
        ),
    ] = None,
    language: Annotated[
        str, typer.Option(help="Language in which espeak-ng says the word, such as de.")
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Add a word to a recogniser from one or more recordings, in seconds and without training.

    The other words' rows stay as they are. Clips given for a word that was learnt before join its
    earlier ones.
    """
    with spoken_errors(), own_stdout():
        from speech_rnn.learning.files import changed_file, read_clips
        from speech_rnn.learning.learn import learn as learn_word
        from speech_rnn.learning.sounds import Background
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.reporting.learning import print_changed

        target = changed_file(model, output)
        recognizer = Recognizer.load(model)
        recognizer.check_can_save(target)
        rate = recognizer.sample_rate
        found = learn_word(
            recognizer,
            word,
            read_clips(clips, rate, tell),
            background=Background.read(background, rate) if background else None,
            language=language,
        )
        found.recognizer.save(target)
        print_changed(found, target, as_json=as_json)


def main() -> None:
    """Run the verb alone."""
    app = typer.Typer(add_completion=False)
    app.command(epilog=EXAMPLES)(learn)
    app()


if __name__ == "__main__":
    main()
