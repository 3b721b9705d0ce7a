"""What a person may say on the command lines of spotting and listening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speech_rnn.errors import ConfigurationError

if TYPE_CHECKING:
    from speech_rnn.streaming.gate import Gating
    from speech_rnn.streaming.spotter import Spotting

__all__ = ["choose_gating", "choose_spotting"]

Model = Annotated[Path, typer.Option(help="A recogniser that can stream, or an .onnx.")]
Threshold = Annotated[
    float | None, typer.Option(help="Score, above 0 and at most 1, from which a word is told.")
]
WordThreshold = Annotated[
    list[str] | None, typer.Option(help="WORD=THRESHOLD: of a word that has its own.")
]
Release = Annotated[
    float | None, typer.Option(help="Share of the threshold at which a word is over.")
]
Smoothing = Annotated[str | None, typer.Option(help="Of the scores: mean or max.")]
SmoothingSeconds = Annotated[float | None, typer.Option(help="Over which scores are smoothed.")]
SettleSeconds = Annotated[
    float | None, typer.Option(help="Without a rise, after which a word is told.")
]
MinSeconds = Annotated[float | None, typer.Option(help="What is shorter is no word.")]
RefractorySeconds = Annotated[
    float | None, typer.Option(help="After a word, for which the same is not told again.")
]
Gate = Annotated[bool, typer.Option("--gate", help="Listen only to what rises above the noise.")]
GateMarginDb = Annotated[float | None, typer.Option(help="Above the noise, that opens the gate.")]
GateHangoverSeconds = Annotated[float | None, typer.Option(help="For which the gate stays open.")]
GatePrerollSeconds = Annotated[
    float | None, typer.Option(help="From before the gate opened, that are heard, too.")
]
GateFloorSeconds = Annotated[
    float | None, typer.Option(help="After which louder noise is the noise.")
]
GateLeastDb = Annotated[float | None, typer.Option(help="Of full scale; what is below is silence.")]
Input = Annotated[
    str | None, typer.Option("--input", help="A sound file, or - for raw PCM on stdin.")
]
Exec = Annotated[
    str | None, typer.Option("--exec", help="Run for each event, such as 'notify {word}'.")
]
AroundSeconds = Annotated[
    tuple[float, float], typer.Option(help="Of that sound: before and after an event.")
]


def choose_spotting(
    tuned: Spotting | None,
    head: str,
    threshold: float | None = None,
    word_threshold: Sequence[str] | None = None,
    release: float | None = None,
    smoothing: str | None = None,
    smoothing_seconds: float | None = None,
    settle_seconds: float | None = None,
    min_seconds: float | None = None,
    refractory_seconds: float | None = None,
) -> Spotting:
    """Return how a recogniser was tuned, or else suits its head, but for what is said here.

    A threshold said for all words comes in place of those that the tuning chose for each.

    Raises
    ------
    ConfigurationError
        for a value out of its range, and a `word_threshold` that is not ``WORD=THRESHOLD``.
    """
    from speech_rnn.streaming.spotter import Spotting

    base = tuned or Spotting.of(head)
    kept = base.thresholds if threshold is None else {}
    said = {
        "threshold": threshold,
        "thresholds": {**kept, **dict(map(_word_threshold, word_threshold or ()))},
        "release": release,
        "smoothing": smoothing,
        "smoothing_seconds": smoothing_seconds,
        "settle_seconds": settle_seconds,
        "min_seconds": min_seconds,
        "refractory_seconds": refractory_seconds,
    }
    given = {name: value for name, value in said.items() if value is not None}
    return replace(base, **given)  # type: ignore[arg-type]


def choose_gating(
    gate: bool,
    margin_db: float | None = None,
    hangover_seconds: float | None = None,
    preroll_seconds: float | None = None,
    floor_seconds: float | None = None,
    least_db: float | None = None,
) -> Gating | None:
    """Return the gate, where one is wanted; see `Gating`.

    Raises
    ------
    ConfigurationError
        for a value out of its range, and one without a gate.
    """
    from speech_rnn.streaming.gate import Gating

    said = {
        "margin_db": margin_db,
        "hangover_seconds": hangover_seconds,
        "preroll_seconds": preroll_seconds,
        "floor_seconds": floor_seconds,
        "least_db": least_db,
    }
    given = {name: value for name, value in said.items() if value is not None}
    if given and not gate:
        name, value = next(iter(given.items()))
        raise ConfigurationError(f"gate_{name}={value!r} needs a gate: give --gate, too")
    return Gating(**given) if gate else None


def _word_threshold(said: str) -> tuple[str, float]:
    word, equals, value = said.rpartition("=")
    try:
        threshold = float(value)
    except ValueError:
        equals = ""
    if not equals or not word:
        raise ConfigurationError(
            f"word_threshold={said!r} must be WORD=THRESHOLD, such as stop=0.8"
        )
    return word, threshold
