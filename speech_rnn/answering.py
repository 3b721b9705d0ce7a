"""What a person sees of a file's answers; what tables take is not loaded for it."""

from __future__ import annotations

import json
import sys

from speech_rnn.recognizer import FileResult

__all__ = ["print_result"]


def print_result(result: FileResult, *, as_json: bool, with_name: bool) -> None:
    """Print what was heard in a file: its text, each of several answers with its confidence."""
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False), flush=True)
    elif result.hypothesis is None:
        print(f"error: {result.error}", file=sys.stderr)
    else:
        answers = (result.hypothesis, *result.hypothesis.alternatives)
        name = f"{result.file}: " if with_name else ""
        for answer in answers:
            score = f"{answer.confidence:.4f} " if len(answers) > 1 else ""
            print(f"{name}{score}{answer.text}", flush=True)
