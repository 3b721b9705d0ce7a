"""Transcribe sound files: ``python -m speech_rnn.transcribe --model FILE PATH…``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors


def transcribe(
    paths: Annotated[list[str], typer.Argument(help="Sound files, folders, or - for stdin.")],
    model: Annotated[Path, typer.Option(help="A recognizer.safetensors that training wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    recursive: Annotated[bool, typer.Option(help="Also the folders inside folders.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "cpu",
    beam: Annotated[
        int | None, typer.Option(min=1, help="Prefixes that a search keeps; greedy without.")
    ] = None,
    n_best: Annotated[int, typer.Option(min=1, help="Answers a file; sequences need a beam.")] = 1,
    grammar: Annotated[
        Path | None, typer.Option(help="What may be said (JSGF); nothing else is answered.")
    ] = None,
    reject: Annotated[
        float, typer.Option(help="Least share of the freest path that a sentence needs, 0 to 1.")
    ] = 0.0,
    batch_size: Annotated[int, typer.Option(min=1, help="Files recognised at once.")] = 32,
) -> None:
    """Transcribe sound files with a trained recogniser, in the order given."""
    with spoken_errors():
        from speech_rnn.audio import find_audio
        from speech_rnn.decoding.decoder import Decoder
        from speech_rnn.decoding.grammar import Grammar
        from speech_rnn.recognizer import Recognizer, transcribe_files
        from speech_rnn.terminal import print_result, tracked

        recognizer = Recognizer.load(model, device=device)
        rules = Grammar.load(grammar) if grammar else None
        recognizer.decoder = Decoder(beam, n_best, rules, reject)
        files = find_audio(paths, recursive=recursive, stdin=sys.stdin.buffer)
        failed = False
        for result in tracked(transcribe_files(recognizer, files, batch_size), len(files)):
            failed |= result.error is not None
            print_result(result, as_json=as_json, with_name=len(files) > 1)
        if failed:
            sys.exit(1)


def main() -> None:
    """Transcribe sound files."""
    app = typer.Typer(add_completion=False)
    app.command()(transcribe)
    app()


if __name__ == "__main__":
    main()
