"""Transcribe sound files: ``python -m speech_rnn.transcribe [--model FILE] PATH…``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speech_rnn.errors import printable, printed_errors
from speech_rnn.listening.options import AnyModel, Channel, Grammar, Jobs, Parts, RayAddress, Reject
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import counted, own_stdout, tell, tracked
from speech_rnn.starter import STARTER

if TYPE_CHECKING:
    from speech_rnn.listening.transcribing import FileResult

EXAMPLES = (
    "speech-rnn transcribe clip.wav",
    "speech-rnn transcribe --model FILE --json recordings/",
    "speech-rnn transcribe --jobs 4 --parts answers recordings/",
)


def transcribe(
    paths: Annotated[
        list[str], typer.Argument(help="Sound files, folders of them, or - for standard input.")
    ],
    model: AnyModel = STARTER,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each file.")
    ] = False,
    recursive: Annotated[bool, typer.Option(help="Search subfolders as well.")] = False,
    device: Annotated[
        str, typer.Option(help="Device that computes: auto, cpu, cuda, cuda:N or mps.")
    ] = "cpu",
    beam: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Width of the beam search: number of candidates kept at each step. "
            "The default is 50 with --lm or --hot-word, and greedy decoding "
            "otherwise.",
        ),
    ] = None,
    n_best: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of answers for each file. A recogniser of sequences gives "
            "several only with --beam or --grammar.",
        ),
    ] = 1,
    grammar: Grammar = None,
    reject: Reject = 0.0,
    lm: Annotated[
        Path | None,
        typer.Option(
            help="File of a language model: ARPA, KenLM, or a model trained by "
            "+recipe=language_model."
        ),
    ] = None,
    lm_weight: Annotated[float, typer.Option(help="Weight of the language model's scores.")] = 0.5,
    token_bonus: Annotated[
        float | None,
        typer.Option(
            help="Value added to the score for each word. Below 0, fewer words are recognised."
        ),
    ] = None,
    hot_word: Annotated[
        list[str] | None,
        typer.Option(help="WORD=BONUS: add BONUS to the score of a word or phrase. Repeatable."),
    ] = None,
    channel: Channel = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Number of files that are recognised at once.")
    ] = 32,
    jobs: Jobs = None,
    ray: RayAddress = None,
    parts: Parts = None,
) -> None:
    """Transcribe sound files: print the words that are spoken in each file."""
    with printed_errors(), own_stdout():
        from speech_rnn.audio import find_audio
        from speech_rnn.listening.file_jobs import TranscribeFiles
        from speech_rnn.listening.many_files import fill, rows_of
        from speech_rnn.parallel.crews import Spread

        decoding = {
            "beam": beam,
            "n_best": n_best,
            "grammar": grammar,
            "reject_below": reject,
            "lm": lm,
            "lm_weight": lm_weight,
            "token_bonus": token_bonus,
            "hot_words": hot_word,
        }
        job = TranscribeFiles(model, device, decoding, batch_size, channel)
        spread = Spread(jobs, ray)
        spread.check()
        files = find_audio(paths, recursive=recursive, stdin=sys.stdin.buffer, tell=tell)
        failed = False
        if parts is not None:
            with counted(len(files)) as advance:
                kept = fill(parts, job, files, spread, tell=tell, advance=advance)
            print(kept.summary())
            failed = kept.n_failed > 0
        else:
            results = job.start()(files) if spread.is_alone else rows_of(job, files, spread)
            for result in tracked(results, len(files)):
                failed |= job.has_failed(result)
                _print_result(result, as_json=as_json, with_name=len(files) > 1)
        if failed:
            sys.exit(1)


def _print_result(result: FileResult, *, as_json: bool, with_name: bool) -> None:
    """Print the answer for a file: its text, or several answers with their confidence."""
    if as_json:
        print(result.line(), flush=True)
    elif result.hypothesis is None:
        print(f"error: {printable(result.error or '')}", file=sys.stderr)
    else:
        answers = (result.hypothesis, *result.hypothesis.alternatives)
        name = f"{result.file}: " if with_name else ""
        for answer in answers:
            score = f"{answer.confidence:.4f} " if len(answers) > 1 else ""
            print(printable(f"{name}{score}{answer.text}"), flush=True)


main = partial(run_alone, transcribe, EXAMPLES)

if __name__ == "__main__":
    main()
