"""Print words as they are spoken: ``python -m speech_rnn.listen [--model FILE]``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.listening.interrupts import stopping
from speech_rnn.listening.options import Channel, Model, StreamOptions, with_stream_options
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import own_stdout, tell
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn listen",
    "speech-rnn listen --model FILE --gate --exec 'notify-send {word}'",
    "arecord -t raw -f S16_LE -r 16000 | speech-rnn listen --input - --rate 16000",
)


@with_stream_options
def listen(
    options: StreamOptions,
    model: Model = STARTER,
    source: Annotated[
        str | None,
        typer.Option(
            "--input", help="A sound file, or - for standard input: raw PCM, or a WAV file."
        ),
    ] = None,
    microphone: Annotated[
        str | None, typer.Option(help="Number of the microphone, or part of its name.")
    ] = None,
    rate: Annotated[
        int | None, typer.Option(help="Sample rate of raw PCM or of the microphone, in Hz.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Sample type of raw PCM: int16, float32, …")] = "int16",
    channels: Annotated[
        int, typer.Option(help="Number of channels of raw PCM or of the microphone.")
    ] = 1,
    channel: Channel = None,
    fast: Annotated[
        bool,
        typer.Option("--fast", help="Read a file as fast as possible instead of in real time."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each detection.")
    ] = False,
    command: Annotated[
        str | None,
        typer.Option(
            "--exec", help="Program to run for each detection, such as 'notify-send {word}'."
        ),
    ] = None,
    save_triggers: Annotated[
        Path | None, typer.Option(help="Folder in which the sound around each detection is saved.")
    ] = None,
    around_seconds: Annotated[
        tuple[float, float],
        typer.Option(
            help="Seconds of sound before and after a detection that --save-triggers saves."
        ),
    ] = (0.5, 0.5),
    device: Annotated[
        str, typer.Option(help="Device that computes: auto, cpu, cuda, cuda:N or mps.")
    ] = "cpu",
) -> None:
    """Print words as soon as they are spoken, from a microphone, a pipe or a file."""
    with printed_errors(), own_stdout(), stopping() as stop:
        from speech_rnn.listening.formats import json_line, text_line
        from speech_rnn.listening.live import choose_actions, choose_source, events_of
        from speech_rnn.recognizer import Recognizer

        recognizer = Recognizer.load(model, device=device)
        spotting = options.spotting(recognizer.spotting, recognizer.vocabulary.head)
        stream_at = partial(
            recognizer.stream, spotting=spotting, gating=options.gating(), check=False
        )
        stream_at()  # a recogniser that cannot stream is refused before a source is opened
        sound = choose_source(
            source,
            microphone=microphone,
            is_fast=fast,
            preferred_rate=recognizer.sample_rate,
            stdin=sys.stdin.buffer,
            rate=rate,
            dtype=dtype,
            n_channels=channels,
            channel=channel,
            tell=tell,
            stop=stop,
        )
        stream = stream_at(sound.sample_rate)
        actions = choose_actions(
            stream,
            sound,
            command=command,
            save_triggers=save_triggers,
            around_seconds=around_seconds,
            model=model,
            tell=tell,
        )
        for event in events_of(stream, sound, actions, tell=tell, stop=stop):
            print(json_line(event) if as_json else text_line(event), flush=True)
        if any(action.n_failures for action in actions):
            sys.exit(1)


main = partial(run_alone, listen, EXAMPLES)

if __name__ == "__main__":
    main()
