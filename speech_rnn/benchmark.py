"""Compare with other libraries and engines: ``python -m speech_rnn.benchmark [wake]``."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from speech_rnn.errors import MissingExtraError, printed_errors
from speech_rnn.reporting.examples import epilog


class _SpeedByDefault(TyperGroup):
    """Reads a command line that names no command as one of ``speed``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else ["speed", *args])


EXAMPLES = (
    "speech-rnn benchmark",
    "speech-rnn benchmark features clip",
    "speech-rnn benchmark wake --keywords DIR --speech DIR",
)
SPEED_EXAMPLES = (
    "speech-rnn benchmark",
    "speech-rnn benchmark features clip --rounds 21",
    "speech-rnn benchmark model stream --model FILE --audio clip.wav",
)
WAKE_EXAMPLES = (
    "speech-rnn benchmark wake --keywords DIR --speech DIR",
    "speech-rnn benchmark wake --keywords DIR --model FILE --noise DIR --hours 2 --jobs 2",
)

app = typer.Typer(
    cls=_SpeedByDefault,
    help="Compare speed, or the detection of wake words, with other programs.",
    epilog=epilog(EXAMPLES),
    add_completion=False,
)


@app.command(epilog=epilog(SPEED_EXAMPLES))
def speed(
    sections: Annotated[
        list[str] | None,
        typer.Argument(
            help="Sections to measure: features, clip, model, stages, stream, peers, decoding, "
            "growth, start, files, training. The default is all but training."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="A recogniser. The default is a model with random weights."),
    ] = None,
    onnx: Annotated[
        list[Path] | None,
        typer.Option(
            help="The same model as an ONNX file. Repeatable. By default, the model is exported."
        ),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="A sound file; its first second is used. The default is noise."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the Free Spoken Digit Dataset, for the section training."),
    ] = None,
    rounds: Annotated[
        int, typer.Option(help="Number of times that each program is measured, in turns.")
    ] = 15,
    files: Annotated[int, typer.Option(help="Number of files in the section files.")] = 10_000,
    epochs: Annotated[int, typer.Option(help="Number of epochs in the section training.")] = 10,
    quick: Annotated[
        bool, typer.Option(help="Use small sizes, to check that everything runs.")
    ] = False,
    output: Annotated[
        Path, typer.Option(help="Folder for benchmark.json and benchmark.png.")
    ] = Path("benchmark"),
) -> None:
    """Compare speed and memory with other libraries on this machine."""
    with printed_errors():
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
        found = run(settings, _command(), tell=print_section)
        print_machine(found)
        print(f"benchmark: {found.write(output)}")
        try:
            print(f"picture: {draw(found, output / 'benchmark.png')}")
        except MissingExtraError as error:
            print(f"no picture: {error}")


@app.command(epilog=epilog(WAKE_EXAMPLES))
def wake(
    keywords: Annotated[
        Path,
        typer.Option(
            help="Folder with one folder of recordings for each word. The test split is used."
        ),
    ],
    model: Annotated[
        list[Path] | None, typer.Option(help="A recogniser that can stream. Repeatable.")
    ] = None,
    word: Annotated[
        list[str] | None,
        typer.Option(
            help="A word to detect. Repeatable. The defaults are alexa, computer and jarvis."
        ),
    ] = None,
    speech: Annotated[
        list[str] | None,
        typer.Option(help="File or folder of speech without the words. Repeatable."),
    ] = None,
    noise: Annotated[
        list[str] | None,
        typer.Option(help="File or folder of noise. Repeatable. The default is pink noise."),
    ] = None,
    room: Annotated[
        list[str] | None,
        typer.Option(
            help="File or folder of room impulse responses. Repeatable. Each "
            "response is one more test condition."
        ),
    ] = None,
    snr_db: Annotated[
        list[float] | None,
        typer.Option(
            help="SNR in dB. Repeatable. Each SNR is one test condition. The "
            "defaults are 10, 5 and 0."
        ),
    ] = None,
    hours: Annotated[float, typer.Option(help="Hours of sound in each condition.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the composed sound.")] = 0,
    jobs: Annotated[int, typer.Option(help="Number of processes that run at a time.")] = 1,
    rounds: Annotated[
        int, typer.Option(help="Number of times that each engine is timed, in turns.")
    ] = 15,
    output: Annotated[
        Path,
        typer.Option(
            help="Folder for wake.json, wake.csv, wake.png and the events of each engine."
        ),
    ] = Path("benchmark"),
) -> None:
    """Compare the detection of wake words with openWakeWord, microWakeWord and wakeforge."""
    with printed_errors():
        from speech_rnn.benchmarking.wake import Kept, WakeStreams, named_models, run_wake
        from speech_rnn.benchmarking.wake.display import draw_wake, print_wake

        given = {"words": word, "speech": speech, "noise": noise, "rooms": room, "snr_db": snr_db}
        chosen: dict[str, Any] = {name: tuple(each) for name, each in given.items() if each}
        streams = WakeStreams(str(keywords), hours=hours, seed=seed, **chosen)
        models = named_models(model or (), streams.words)
        found = run_wake(
            streams,
            models,
            kept=Kept(output),
            jobs=jobs,
            n_rounds=rounds,
            command=_command(),
            tell=partial(print, flush=True),
        )
        print_wake(found)
        for file in found.write(output):
            print(f"benchmark: {file}")
        try:
            print(f"picture: {draw_wake(found, output / 'wake.png')}")
        except MissingExtraError as error:
            print(f"no picture: {error}")


def _command() -> str:
    arguments = sys.argv[2:] if sys.argv[1:2] == ["benchmark"] else sys.argv[1:]  # the verb
    return shlex.join(["python", "-m", "speech_rnn.benchmark", *arguments])


def main() -> None:
    """Compare with other programs."""
    app(prog_name="speech_rnn.benchmark")


if __name__ == "__main__":
    main()
