"""Learn a word without training: ``python -m speech_rnn.learn --model FILE --word NAME CLIP…``."""

from __future__ import annotations

from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.listening.options import ChangedFile, ChangedModel
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import own_stdout, tell
from speech_rnn.starter import STARTER

EXAMPLES = (
    'speech-rnn learn --model FILE --word "lights on" one.wav two.wav three.wav',
    "speech-rnn learn --model FILE --word computer CLIPS/ --background ROOM/",
    "speech-rnn learn --word lamp CLIPS/ --output mine.onnx",
)


def learn(
    clips: Annotated[
        list[str],
        typer.Argument(
            help="Recordings of the word, or folders of them. Each recording "
            "contains the word once."
        ),
    ],
    word: Annotated[
        str, typer.Option(help="A new word or phrase, or one that `learn` added before.")
    ],
    model: ChangedModel = STARTER,
    output: ChangedFile = None,
    background: Annotated[
        str | None,
        typer.Option(
            help="File or folder of sound from your room that does not contain the "
            "word. One half helps to learn the word; false accepts are counted "
            "in the other half."
        ),
    ] = None,
    language: Annotated[
        str,
        typer.Option(help="Language of the word, such as de. espeak-ng uses it to speak the word."),
    ] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Add a word to a recogniser from one or more recordings, in seconds and without training.

    The weights of the other words do not change. For a word that `learn` added before, the earlier
    clips are used as well.
    """
    with printed_errors(), own_stdout():
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
    """Learn a word."""
    run_alone(learn, EXAMPLES)


if __name__ == "__main__":
    main()
