"""What a recogniser knows: its words, who has taught them, and what its file takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from speech_rnn.recognizer import Recognizer
from speech_rnn.starter import CARD, STARTER

__all__ = ["about", "by_teacher", "told"]


def about(file: Path, recognizer: Recognizer) -> dict[str, Any]:
    """Return what a recogniser of a file knows, as plain values.

    Returns
    -------
    ``file``, ``bytes``, ``head``, ``streams``, ``sample_rate``, ``words``; ``synthetic_words``,
    those that it has heard from synthesizers alone, None where its file does not tell; ``commit``
    and ``seed`` of its training; ``card``, the path of a text about it, or None.
    """
    provenance = recognizer.provenance
    return {
        "file": str(file),
        "bytes": file.stat().st_size,
        "head": recognizer.vocabulary.head,
        "streams": recognizer.can_stream,
        "sample_rate": recognizer.sample_rate,
        "words": list(recognizer.vocabulary.words),
        "synthetic_words": provenance.get("synthetic_words"),
        "commit": provenance.get("commit"),
        "seed": provenance.get("seed"),
        "card": str(CARD) if file == STARTER else None,
    }


def by_teacher(words: Sequence[str], synthetic: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the words that people have taught, and those that synthesizers alone have."""
    alone = set(synthetic)
    return [word for word in words if word not in alone], [word for word in words if word in alone]


def told(found: dict[str, Any]) -> str:
    """Return lines for a person."""
    taught, alone = by_teacher(found["words"], found["synthetic_words"] or ())
    whom = "learnt from people" if found["synthetic_words"] is not None else "words"
    where = "clips and streams" if found["streams"] else "clips"
    lines = [
        found["file"],
        f"  {found['bytes'] / 1e6:.2f} MB, of {where} at {found['sample_rate']} Hz",
        *([f"  {whom}: {', '.join(taught)}"] if taught else []),
    ]
    if alone:
        lines.append(f"  learnt from synthetic voices alone: {', '.join(alone)}")
    if found["card"]:
        lines.append(f"  more: {found['card']}")
    return "\n".join(lines)
