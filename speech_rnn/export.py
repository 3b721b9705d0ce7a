"""Write a recogniser as ONNX: ``python -m speech_rnn.export --model FILE --output FILE.onnx``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import spoken_errors


def export(
    model: Annotated[Path, typer.Option(help="A recognizer.safetensors that training wrote.")],
    output: Annotated[Path, typer.Option(help="The .onnx file.")],
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
    """Write a recogniser as one ONNX file, which runs without PyTorch."""
    with spoken_errors():
        from speech_rnn.exporting import read_clips, write_onnx
        from speech_rnn.recognizer import Recognizer

        found = write_onnx(
            Recognizer.load(model),
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


main = partial(typer.run, export)

if __name__ == "__main__":
    main()
