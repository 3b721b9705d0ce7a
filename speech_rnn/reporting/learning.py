"""Print the expected performance of a learnt or forgotten word."""

from __future__ import annotations

import json
from pathlib import Path

from speech_rnn.learning.results import FalseAccepts, Forgotten, Learnt, Share


def print_changed(result: Learnt | Forgotten, file: Path, *, as_json: bool) -> None:
    """Print what changed in a recogniser, and the file that now holds it."""
    if as_json:
        print(json.dumps({**result.to_dict(), "recognizer": str(file)}, ensure_ascii=False))
        return
    if isinstance(result, Learnt):
        print_learnt(result)
    else:
        print_forgotten(result)
    print(f"recognizer: {file}")


def print_learnt(learnt: Learnt) -> None:
    """Print how often the word is recognised, and which sounds are taken for it."""
    expected = learnt.expected
    print(f"added: {learnt.word}, from {_clips(learnt.n_clips)}")
    if expected.given is not None:
        print(f"correct of the given clips, each left out in turn: {_of(expected.given)}")
    if expected.voices is not None:
        print(f"correct of synthetic voices that were left out: {_of(expected.voices)}")
    if expected.of_words:
        taken = ", ".join(f"{word} {count}" for word, count in expected.taken.items())
        n_taken = sum(expected.taken.values())
        print(
            f"clips of the other words recognised as it: {n_taken} of {expected.of_words}"
            f"{f' ({taken})' if taken else ''}"
        )
    print(f"false accepts of other speech: {_of(expected.others)}")
    near = ", ".join(f"{word} ({100 * share:.0f} %)" for word, share in expected.nearest)
    print(f"most similar words, by their mean probability before: {near}")
    if expected.background is not None:
        print(f"false accepts in the background: {_rate(expected.background, learnt.word)}")
    for note in learnt.notes:
        print(f"note: {note}")


def print_forgotten(forgotten: Forgotten) -> None:
    """Print how the word is answered now, and the false accepts before and after."""
    print(f"forgotten: {forgotten.word}")
    if forgotten.answers is not None:
        total = sum(forgotten.answers.values())
        answers = ", ".join(
            f"{text or 'nothing'} {count}" for text, count in forgotten.answers.items()
        )
        print(f"{total} synthetic clips of it are recognised as: {answers}")
    if forgotten.before is not None and forgotten.after is not None:
        print(f"false accepts of all words in the background, before: {_rate(forgotten.before)}")
        print(f"and after: {_rate(forgotten.after)}")


def _clips(count: int) -> str:
    return "1 clip" if count == 1 else f"{count} clips"


def _of(share: Share) -> str:
    return f"{share.count} of {share.total}"


def _rate(found: FalseAccepts, word: str | None = None) -> str:
    count = sum(found.words.values()) if word is None else found.words.get(word, 0)
    rate, low, high = found.an_hour(word)
    return (
        f"{count} in {found.seconds / 60:.1f} minutes, {rate:.1f} an hour "
        f"(95 % interval {low:.1f} to {high:.1f})"
    )
