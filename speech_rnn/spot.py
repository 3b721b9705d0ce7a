"""Find words in recordings of any length: ``python -m speech_rnn.spot [--model FILE] PATH…``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors
from speech_rnn.listening import options as say
from speech_rnn.listening.interrupts import stopping
from speech_rnn.starter import STARTER


def spot(
    paths: Annotated[list[str], typer.Argument(help="Sound files, folders, or - for stdin.")],
    model: say.Model = STARTER,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an event.")] = False,
    form: Annotated[
        str | None, typer.Option("--format", help="csv, audacity, textgrid or webvtt.")
    ] = None,
    output_dir: Annotated[Path | None, typer.Option(help="Gets one document a file.")] = None,
    recursive: Annotated[bool, typer.Option(help="Also the folders inside folders.")] = False,
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
    """Find words in recordings: each once, with start, end and confidence, as it is found."""
    with spoken_errors(), stopping() as stop:
        from speech_rnn.audio import find_audio
        from speech_rnn.listening.files import FileEnd, spot_files
        from speech_rnn.listening.writers import choose_writer
        from speech_rnn.recognizer import Recognizer
        from speech_rnn.reporting.progress import file_progress, told_at_the_end

        files = find_audio(paths, recursive=recursive, stdin=sys.stdin.buffer)
        names = [name for name, _ in files]
        recognizer = Recognizer.load(model, device=device)
        words = (threshold, word_threshold, release, smoothing, smoothing_seconds)
        times = (settle_seconds, min_seconds, refractory_seconds)
        tuned, head = recognizer.spotting, recognizer.vocabulary.head
        spotting = say.choose_spotting(tuned, head, *words, *times)
        levels = (gate_margin_db, gate_hangover_seconds, gate_preroll_seconds)
        gating = say.choose_gating(gate, *levels, gate_floor_seconds, gate_least_db)
        writer = choose_writer(names, form, output_dir, as_json=as_json)
        with told_at_the_end() as tell, file_progress(len(files)) as progress:
            for item in spot_files(recognizer, files, spotting, gating, progress, stop):
                writer.write(item)
                if isinstance(item, FileEnd):
                    tell(item)
        if tell.errors:
            sys.exit(1)


def main() -> None:
    """Find words in recordings."""
    typer.run(spot)


if __name__ == "__main__":
    main()
