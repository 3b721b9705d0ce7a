"""Transcribe sound files: ``python -m speech_rnn.transcribe [--model FILE] PATH…``."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speech_rnn.errors import printable, spoken_errors
from speech_rnn.listening.options import AnyModel, Channel, Grammar, Reject
from speech_rnn.reporting.examples import run_alone
from speech_rnn.reporting.progress import own_stdout, tell, tracked
from speech_rnn.starter import STARTER

if TYPE_CHECKING:
    from speech_rnn.listening.transcribing import FileResult

EXAMPLES = (
    "speech-rnn transcribe clip.wav",
    "speech-rnn transcribe --model FILE --json recordings/",
    "speech-rnn transcribe --grammar robot.jsgf --reject 0.01 clip.wav",
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
) -> None:
    """Transcribe sound files: print the words that are spoken in each file."""
    with spoken_errors(), own_stdout():
        from speech_rnn.audio import find_audio
        from speech_rnn.decoding.choosing import choose_decoder
        from speech_rnn.listening.transcribing import transcribe_files
        from speech_rnn.recognizer import Recognizer

        recognizer = Recognizer.load(model, device=device)
        recognizer.decoder = choose_decoder(
            recognizer.vocabulary,
            beam=beam,
            n_best=n_best,
            grammar=grammar,
            reject_below=reject,
            lm=lm,
            lm_weight=lm_weight,
            token_bonus=token_bonus,
            hot_words=hot_word,
        )
        files = find_audio(paths, recursive=recursive, stdin=sys.stdin.buffer, tell=tell)
        failed = False
        results = transcribe_files(recognizer, files, batch_size, channel=channel)
        for result in tracked(results, len(files)):
            failed |= result.error is not None
            _print_result(result, as_json=as_json, with_name=len(files) > 1)
        if failed:
            sys.exit(1)


def _print_result(result: FileResult, *, as_json: bool, with_name: bool) -> None:
    """Print what was heard in a file: its text, each of several answers with its confidence."""
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False), flush=True)
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
