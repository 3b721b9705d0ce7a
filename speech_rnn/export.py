"""Write a recogniser as ONNX, or a word of it as a head of openWakeWord: ``speech-rnn export``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import ConfigurationError, spoken_errors


def export(
    output: Annotated[
        Path, typer.Option(help="The .onnx file; a head of openWakeWord may be .tflite.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="A recognizer.safetensors that training wrote.")
    ] = None,
    embedding: Annotated[
        bool, typer.Option(help="Export the package's Embedding alone, for your own programs.")
    ] = False,
    openwakeword: Annotated[
        str | None,
        typer.Option(
            metavar="WORD",
            help="Export one word as a head of openWakeWord; needs a frozen speech_embedding.",
        ),
    ] = None,
    streaming: Annotated[
        bool, typer.Option(help="Export a graph for streams, if the recogniser can stream.")
    ] = False,
    int8: Annotated[
        bool, typer.Option(help="Round weights to 8 bits: a third of the size; needs --clips.")
    ] = False,
    clips: Annotated[
        Path | None,
        typer.Option(
            help="Clips on which its accuracy is checked: a folder a word, or a manifest."
        ),
    ] = None,
    limit: Annotated[
        float, typer.Option(help="Accuracy on the clips that it may lose, in percentage points.")
    ] = 0.3,
) -> None:
    """Write a recogniser, or the package's embedding, as one ONNX file: it runs without PyTorch."""
    with spoken_errors():
        if embedding == (model is not None):
            raise ConfigurationError("give either --model FILE or --embedding")
        if openwakeword is not None:
            if embedding or streaming or int8 or clips:
                raise ConfigurationError(
                    "--openwakeword takes none of --embedding, --streaming, --int8 and --clips"
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


main = partial(typer.run, export)

if __name__ == "__main__":
    main()
