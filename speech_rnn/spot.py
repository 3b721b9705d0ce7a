"""Find words in recordings of any length: ``python -m speech_rnn.spot [--model FILE] PATH…``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from speech_rnn.errors import printed_errors
from speech_rnn.listening.interrupts import stopping
from speech_rnn.listening.options import (
    Channel,
    Jobs,
    Model,
    Parts,
    RayAddress,
    StreamOptions,
    with_stream_options,
)
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import (
    counted,
    file_progress,
    own_stdout,
    problems_at_the_end,
    tell,
)
from speech_rnn.starter import STARTER

EXAMPLES = (
    "speech-rnn spot recording.wav",
    "speech-rnn spot --model FILE --format csv --output-dir found recordings/",
    "speech-rnn spot --threshold 0.8 --word-threshold stop=0.9 recording.wav",
)


@with_stream_options
def spot(
    paths: Annotated[
        list[str], typer.Argument(help="Sound files, folders of them, or - for standard input.")
    ],
    options: StreamOptions,
    model: Model = STARTER,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each detection.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the output instead of plain lines: csv, audacity, textgrid or webvtt.",
        ),
    ] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder to write to: one output file for each sound file.")
    ] = None,
    channel: Channel = None,
    recursive: Annotated[bool, typer.Option(help="Search subfolders as well.")] = False,
    device: Annotated[
        str, typer.Option(help="Device that computes: auto, cpu, cuda, cuda:N or mps.")
    ] = "cpu",
    jobs: Jobs = None,
    ray: RayAddress = None,
    parts: Parts = None,
) -> None:
    """Find words in recordings of any length. Print the start, end and confidence of each word."""
    with printed_errors(), own_stdout(), stopping() as stop:
        from speech_rnn.audio import find_audio
        from speech_rnn.listening.file_jobs import SpotFiles
        from speech_rnn.listening.files import FileEnd
        from speech_rnn.listening.many_files import fill, rows_of
        from speech_rnn.listening.writers import choose_writer, refuse_documents, write_item
        from speech_rnn.parallel.crews import Spread

        spread = Spread(jobs, ray)
        spread.check()
        files = find_audio(paths, recursive=recursive, stdin=sys.stdin.buffer, tell=tell)
        job = SpotFiles(model, device, options, channel)
        if parts is not None:
            refuse_documents(form, output_dir)
            with counted(len(files)) as advance, stop.at_once():
                kept = fill(parts, job, files, spread, tell=tell, advance=advance)
            print(kept.summary())
            failed = kept.n_failed > 0
        else:
            writer = choose_writer([name for name, _ in files], form, output_dir, as_json=as_json)
            with problems_at_the_end() as ends, file_progress(len(files)) as progress:
                for item in (
                    job.start()(files, progress=progress, stop=stop)
                    if spread.is_alone
                    else stop.during(rows_of(job, files, spread))
                ):
                    written = write_item(writer, item)
                    if isinstance(written, FileEnd):
                        ends.append(written)
                        progress(written.file, written.duration, written.duration)
            failed = any(end.error is not None for end in ends)
        if failed:
            sys.exit(1)


main = partial(run_alone, spot, EXAMPLES)

if __name__ == "__main__":
    main()
