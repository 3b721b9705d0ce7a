"""The command-line options that several verbs share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from speech_rnn.errors import ConfigurationError

if TYPE_CHECKING:
    from speech_rnn.streaming.gate import Gating
    from speech_rnn.streaming.spotter import Spotting

DEFAULT_MODEL = "the recogniser of the package"
Model = Annotated[
    Path, typer.Option(help="A recogniser that can stream.", show_default=DEFAULT_MODEL)
]
AnyModel = Annotated[
    Path,
    typer.Option(
        help="The recogniser: a file that `train` or `export` wrote.", show_default=DEFAULT_MODEL
    ),
]
ChangedModel = Annotated[
    Path,
    typer.Option(
        help="The recogniser to change. Without --output, its file is overwritten.",
        show_default=DEFAULT_MODEL,
    ),
]
ChangedFile = Annotated[
    Path | None,
    typer.Option(help="File for the changed recogniser. The file of --model is then not changed."),
]
Grammar = Annotated[
    Path | None, typer.Option(help="A grammar (JSGF). Only its sentences are recognised.")
]
Reject = Annotated[
    float,
    typer.Option(
        help="Smallest probability of a sentence of the grammar, divided by that of the best "
        "answer without the grammar: 0 to 1. Below it, the answer is empty."
    ),
]
Channel = Annotated[
    int | None,
    typer.Option(
        min=0, help="Channel to use, counted from 0. The default is the mean of all channels."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of processes that recognise files, each with one thread. The default is 1, or "
        "one for each CPU of the cluster of --ray.",
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Use a Ray cluster: HOST:PORT, auto for the one that runs on this machine, or local "
        "for a new one.",
    ),
]
Parts = Annotated[
    Path | None,
    typer.Option(
        help="Folder to write to: JSON Lines in parts. The same command continues a run that was "
        "stopped."
    ),
]
Number = float | None


@dataclass(frozen=True)
class StreamOptions:
    """When a word is reported, and when the gate is open; see `Spotting` and `Gating`.

    A value of None stands for the value that the recogniser was tuned to, or the default.
    """

    threshold: Annotated[
        Number,
        typer.Option(
            help="Score above which a word is reported, from 0 to 1. The default of this and the "
            "following options is the value in the file of the recogniser, if it has one."
        ),
    ] = None
    word_threshold: Annotated[
        list[str] | None,
        typer.Option(help="WORD=THRESHOLD: the threshold of one word. Repeatable."),
    ] = None
    release: Annotated[
        Number,
        typer.Option(help="A word ends when its score falls below this share of the threshold."),
    ] = None
    smoothing: Annotated[str | None, typer.Option(help="Smoothing of the scores: mean or max.")] = (
        None
    )
    smoothing_seconds: Annotated[
        Number, typer.Option(help="Seconds over which scores are smoothed.")
    ] = None
    settle_seconds: Annotated[
        Number, typer.Option(help="Report a word once its score has not risen for this long.")
    ] = None
    min_seconds: Annotated[Number, typer.Option(help="Ignore detections shorter than this.")] = None
    refractory_seconds: Annotated[
        Number, typer.Option(help="Minimum gap between two detections of the same word.")
    ] = None
    gate: Annotated[
        bool,
        typer.Option(
            "--gate", help="Use a gate: process sound only while it is louder than the noise floor."
        ),
    ] = False
    gate_margin_db: Annotated[
        Number, typer.Option(help="Level above the noise floor that opens the gate, in dB.")
    ] = None
    gate_hangover_seconds: Annotated[
        Number,
        typer.Option(help="Seconds for which the gate stays open after the sound is quiet again."),
    ] = None
    gate_preroll_seconds: Annotated[
        Number,
        typer.Option(help="Seconds of sound before the gate opened that are processed as well."),
    ] = None
    gate_floor_seconds: Annotated[
        Number,
        typer.Option(help="Seconds after which steady louder sound becomes the new noise floor."),
    ] = None
    gate_least_db: Annotated[
        Number,
        typer.Option(help="Level below which all sound counts as silence, in dB of full scale."),
    ] = None

    def spotting(self, tuned: Spotting | None, head: str) -> Spotting:
        """Return the spotting of a recogniser, changed by these options.

        A threshold for all words replaces those that the tuning chose for each.

        Parameters
        ----------
        tuned : the spotting that the recogniser was tuned to; None uses the defaults of its head.
        head : ``classification`` or ``ctc``.

        Raises
        ------
        ConfigurationError
            if a value is out of its range, or a `word_threshold` is not ``WORD=THRESHOLD``.
        """
        from speech_rnn.decoding.choosing import word_values
        from speech_rnn.streaming.spotter import Spotting

        form = "WORD=THRESHOLD, such as stop=0.8"
        own = word_values(self.word_threshold or (), "word_threshold", form)
        base = tuned or Spotting.of(head)
        kept = base.thresholds if self.threshold is None else {}
        return replace(base, thresholds={**kept, **own}, **self._given(Spotting))

    def gating(self) -> Gating | None:
        """Return the gate, or None without one.

        Raises
        ------
        ConfigurationError
            if a value is out of its range, or given without a gate.
        """
        from speech_rnn.streaming.gate import Gating

        given = self._given(Gating, prefix="gate_")
        if given and not self.gate:
            name, value = next(iter(given.items()))
            raise ConfigurationError(f"gate_{name}={value!r} needs a gate: give --gate, too")
        return Gating(**given) if self.gate else None

    def _given(self, settings: Any, prefix: str = "") -> dict[str, Any]:
        """Return the fields of a dataclass for which an option was given."""
        values = {
            field.name: getattr(self, prefix + field.name, None) for field in fields(settings)
        }
        return {name: value for name, value in values.items() if value is not None}


def with_stream_options(door: Callable[..., None]) -> Callable[..., None]:
    """Add an option per field of `StreamOptions` to a command, which gets them as `options`."""
    signature = inspect.signature(door, eval_str=True)
    hints = get_type_hints(StreamOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(StreamOptions)
    ]

    @wraps(door)
    def command(**given: Any) -> None:
        options = StreamOptions(**{field.name: given.pop(field.name) for field in shared})
        door(options=options, **given)

    own = [parameter for parameter in signature.parameters.values() if parameter.name != "options"]
    # typer reads the options from these two attributes.
    command.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {
        parameter.name: parameter.annotation for parameter in [*own, *shared]
    }
    return command
