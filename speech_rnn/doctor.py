"""Examine recordings, the microphone or the installation: ``python -m speech_rnn.doctor``."""

from __future__ import annotations

import sys
from functools import partial
from typing import Annotated

import typer

from speech_rnn.errors import ConfigurationError, SpeechRnnError, printable, printed_errors
from speech_rnn.listening.interrupts import stopping
from speech_rnn.listening.options import AnyModel
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import own_stdout, tell
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn doctor",
    "speech-rnn doctor --model FILE recording.wav",
    "speech-rnn doctor --microphone --seconds 5",
)


def doctor(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sound files, folders, or - for standard input. Without any, the installation "
            "is examined."
        ),
    ] = None,
    model: AnyModel = STARTER,
    microphone: Annotated[
        bool,
        typer.Option("--microphone", help="Record from the microphone and examine the recording."),
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Number of the microphone, or part of its name.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=1, max=60, help="Seconds to record from the microphone.")
    ] = 5.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each recording.")
    ] = False,
) -> None:
    """Find out what is wrong with recordings, the microphone or the installation."""
    with printed_errors(), own_stdout(), stopping() as stop:
        if microphone and paths:
            raise ConfigurationError("--microphone takes no files; examine them without it")
        from speech_rnn.reporting.diagnosis import print_examination, print_installation

        if not (microphone or paths):
            from speech_rnn.diagnosis.installation import examine_installation

            installation = examine_installation()
            print_installation(installation, as_json=as_json)
            sys.exit(0 if installation.is_usable else 1)
        from speech_rnn.audio import find_audio
        from speech_rnn.diagnosis.examination import examine_file, examine_source
        from speech_rnn.recognizer import Recognizer

        recognizer = Recognizer.load(model)
        if microphone:
            from speech_rnn.listening.microphone import Microphone

            source = Microphone(device, preferred_rate=recognizer.sample_rate)
            tell(f"recording {seconds:g} s: after a second of silence, say some of the words")
            found = examine_source(recognizer, source, seconds, stop)
            print_examination(found, as_json=as_json)
            return
        failed = False
        for name, sound in find_audio(paths or [], stdin=sys.stdin.buffer, tell=tell):
            stop.check()
            try:
                print_examination(examine_file(recognizer, sound, name), as_json=as_json)
            except SpeechRnnError as error:
                failed = True
                print(f"error: {printable(str(error))}", file=sys.stderr)
        if failed:
            sys.exit(1)


main = partial(run_alone, doctor, EXAMPLES)

if __name__ == "__main__":
    main()
