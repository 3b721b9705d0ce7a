"""Tell words as they are said: ``python -m speech_rnn.listen [--model FILE]``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors
from speech_rnn.listening import options as say
from speech_rnn.listening.interrupts import stopping
from speech_rnn.starter import STARTER


def listen(
    model: say.Model = STARTER,
    source: say.Input = None,
    microphone: Annotated[str | None, typer.Option(help="Its number, or part of its name.")] = None,
    rate: Annotated[int | None, typer.Option(help="Of raw PCM or the microphone, in Hz.")] = None,
    dtype: Annotated[str, typer.Option(help="Of raw PCM, or float32, …")] = "int16",
    channels: Annotated[int, typer.Option(help="Of raw PCM or the microphone.")] = 1,
    fast: Annotated[bool, typer.Option("--fast", help="A file at once, not at its pace.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event.")] = False,
    command: say.Exec = None,
    save_triggers: Annotated[Path | None, typer.Option(help="Keeps the sound of events.")] = None,
    around_seconds: say.AroundSeconds = (0.5, 0.5),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "cpu",
    threshold: say.Threshold = None,
    word_threshold: say.WordThreshold = None,
    release: say.Release = None,
    smoothing: say.Smoothing = None,
    smoothing_seconds: say.SmoothingSeconds = None,
    settle_seconds: say.SettleSeconds = None,
    min_seconds: say.MinSeconds = None,
    refractory_seconds: say.RefractorySeconds = None,
    gate: say.Gate = False,
    gate_margin_db: say.GateMarginDb = None,
    gate_hangover_seconds: say.GateHangoverSeconds = None,
    gate_preroll_seconds: say.GatePrerollSeconds = None,
    gate_floor_seconds: say.GateFloorSeconds = None,
    gate_least_db: say.GateLeastDb = None,
) -> None:
    """Tell words as they are said into a microphone, a pipe or a file."""
    with spoken_errors(), stopping() as stop:
        from speech_rnn.listening.formats import json_line, text_line
        from speech_rnn.listening.live import choose_actions, choose_source, events_of
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.reporting.progress import tell

        recognizer = Recognizer.load(model, device=device)
        words = (threshold, word_threshold, release, smoothing, smoothing_seconds)
        times = (settle_seconds, min_seconds, refractory_seconds)
        tuned, head = recognizer.spotting, recognizer.vocabulary.head
        spotting = say.choose_spotting(tuned, head, *words, *times)
        levels = (gate_margin_db, gate_hangover_seconds, gate_preroll_seconds)
        gating = say.choose_gating(gate, *levels, gate_floor_seconds, gate_least_db)
        stream_at = partial(recognizer.stream, spotting=spotting, gating=gating)
        stream_at()  # what cannot listen says so before it is given anything
        pcm = (sys.stdin.buffer, rate, dtype, channels)
        heard = choose_source(source, microphone, fast, recognizer.sample_rate, *pcm)
        stream = stream_at(heard.sample_rate)
        kept = (save_triggers, around_seconds)
        actions = choose_actions(command, *kept, model, stream, heard, tell)
        for event in events_of(stream, heard, actions, tell=tell, stop=stop):
            print(json_line(event) if as_json else text_line(event), flush=True)
        if actions.n_failures:
            sys.exit(1)


def main() -> None:
    """Tell words as they are said."""
    typer.run(listen)


if __name__ == "__main__":
    main()
