"""Export a recogniser as ONNX, or a word of it for openWakeWord: ``speech-rnn export``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import ConfigurationError, printed_errors
from speech_rnn.reporting.examples import run_alone

EXAMPLES = (
    "speech-rnn export --model FILE --output words.onnx",
    "speech-rnn export --model FILE --output words.onnx --int8 --clips DIR",
    "speech-rnn export --model FILE --output alexa.tflite --openwakeword alexa",
)


def export(
    output: Annotated[
        Path, typer.Option(help="File to write: .onnx, or .tflite with --openwakeword.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="The recogniser: a recognizer.safetensors file.")
    ] = None,
    embedding: Annotated[
        bool, typer.Option(help="Export the front end of the package instead of a recogniser.")
    ] = False,
    openwakeword: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            help="Export one word as a model for openWakeWord. The recogniser must be trained with "
            "front=speech_embedding and n_frozen=20.",
        ),
    ] = None,
    streaming: Annotated[bool, typer.Option(help="Write a file that can follow a stream.")] = False,
    int8: Annotated[
        bool,
        typer.Option(help="Store weights in 8 bits: about a third of the size. Needs --clips."),
    ] = False,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="Clips on which --int8 measures the accuracy: a folder with one "
            "folder for each word, or a manifest."
        ),
    ] = None,
    limit: Annotated[
        float,
        typer.Option(
            help="Largest loss of accuracy on the clips that --int8 accepts, in percentage points."
        ),
    ] = 0.3,
) -> None:
    """Write a recogniser, or the front end of the package, as one ONNX file.

    The file runs without PyTorch.
    """
    with printed_errors():
        if embedding == (model is not None):
            raise ConfigurationError("give either --model FILE or --embedding")
        if openwakeword is not None:
            if embedding or streaming or int8 or clips:
                raise ConfigurationError(
                    "--openwakeword cannot be combined with --embedding, --streaming, --int8 "
                    "or --clips"
                )
            _export_head(str(model), openwakeword, output)
            return
        if embedding:
            _export_embedding(output, streaming=streaming, int8=int8, clips=clips)
            return
        from speech_rnn.exporting import read_clips, write_onnx
        from speech_rnn.recognizer import Recognizer

        found = write_onnx(
            Recognizer.load(str(model)),
            output,
            streaming=streaming,
            int8=int8,
            clips=read_clips(clips) if clips else (),
            limit=limit,
        )
        if fidelity := found.fidelity:
            before, after = fidelity.before, fidelity.after
            print(
                f"accuracy of {before.total} clips: {100 * before.value:.2f} % before, "
                f"{100 * after.value:.2f} % after ({found.precision}); "
                f"{fidelity.lost_points:.2f} points lost, limit {limit:g}"
            )
        size = f"{found.n_bytes / 1e6:.2f} MB"
        print(f"onnx: {found.path} ({found.kind}, {found.precision}, opset {found.opset}, {size})")


def _export_embedding(output: Path, *, streaming: bool, int8: bool, clips: Path | None) -> None:
    from speech_rnn.exporting import read_clips, samples_of, write_embedding
    from speech_rnn.features import Embedding

    given = Embedding()
    shown = samples_of(read_clips(clips), given.sample_rate) if clips and int8 else ()
    size = write_embedding(given, output, streaming=streaming, int8=int8, clips=shown)
    print(f"onnx: {output} ({size / 1e6:.2f} MB)")


def _export_head(model: str, word: str, output: Path) -> None:
    from speech_rnn.exporting import write_wake_head
    from speech_rnn.recognizer import Recognizer

    size = write_wake_head(Recognizer.load(model), word, output)
    print(f"head of openWakeWord: {output} ({word}, {size / 1e6:.2f} MB)")


main = partial(run_alone, export, EXAMPLES)

if __name__ == "__main__":
    main()
