"""Measure speed beside other libraries and engines: ``python -m speech_rnn.benchmark``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import MissingExtraError, spoken_errors


def benchmark(
    sections: Annotated[
        list[str] | None,
        typer.Argument(
            help="features, clip, model, stages, stream, peers, decoding, growth, start, files, "
            "training; by default all but training."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="A Recognizer's file. The default is a model with random weights."),
    ] = None,
    onnx: Annotated[
        list[Path] | None,
        typer.Option(help="The same model as an ONNX file; repeatable. By default it is exported."),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="A sound file, of which the first second is used. The default is noise."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Free Spoken Digit Dataset, for the section training.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Number of turns of each contender.")] = 15,
    files: Annotated[int, typer.Option(help="Number of files in the section files.")] = 10_000,
    epochs: Annotated[int, typer.Option(help="Number of epochs in the section training.")] = 10,
    quick: Annotated[
        bool, typer.Option(help="Use small sizes, to check that everything runs.")
    ] = False,
    output: Annotated[
        Path, typer.Option(help="Folder for benchmark.json and benchmark.png.")
    ] = Path("benchmark"),
) -> None:
    """Measure speed, memory and growth side by side, in turns, on this machine."""
    with spoken_errors():
        from speech_rnn.benchmarking import SECTIONS, OnnxFile, Settings, run
        from speech_rnn.benchmarking.display import draw, print_machine, print_section

        settings = Settings(
            sections=tuple(sections or SECTIONS),
            model=str(model) if model else None,
            onnx=tuple(OnnxFile.at(str(file)) for file in onnx or ()),
            audio=str(audio) if audio else None,
            data=str(data) if data else None,
            n_rounds=rounds,
            n_files=files,
            n_epochs=epochs,
            quick=quick,
        )
        arguments = sys.argv[2:] if sys.argv[1:2] == ["benchmark"] else sys.argv[1:]  # the verb
        command = shlex.join(["python", "-m", "speech_rnn.benchmark", *arguments])
        found = run(settings, command, tell=print_section)
        print_machine(found)
        print(f"benchmark: {found.write(output)}")
        try:
            print(f"picture: {draw(found, output / 'benchmark.png')}")
        except MissingExtraError as error:
            print(f"no picture: {error}")


def main() -> None:
    """Measure speed."""
    typer.run(benchmark)


if __name__ == "__main__":
    main()
