"""Detect words as they are spoken: run a source through a stream, and act on the events."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from speech_rnn.errors import AudioError, ConfigurationError, Stopped
from speech_rnn.listening.actions import Action, Command, SavedTriggers, Tell
from speech_rnn.listening.events import Event
from speech_rnn.listening.feed import Feed
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.microphone import Microphone
from speech_rnn.listening.piped import piped_source
from speech_rnn.listening.sources import FileSource, Source
from speech_rnn.samples.limits import check_rate
from speech_rnn.streaming.stream import EventStream


def choose_source(
    given: str | None,
    *,
    microphone: str | None = None,
    is_fast: bool = False,
    preferred_rate: int = 16_000,
    stdin: BinaryIO | None = None,
    rate: int | None = None,
    dtype: str = "int16",
    n_channels: int = 1,
    channel: int | None = None,
    tell: Tell,
    stop: Stop | None = None,
) -> Source:
    """Return the source: the microphone, standard input for ``-``, or a file.

    Parameters
    ----------
    given : None, ``-`` or a path.
    microphone, rate, n_channels : settings of the microphone; see `Microphone`.
    is_fast : whether a file is read without waiting.
    preferred_rate : sample rate in Hz if `rate` is None.
    stdin, rate, dtype, n_channels : the stream of raw PCM and its format; see `piped_source`.
    channel : index of the channel to take, from 0; None takes the mean.
    tell : called with a message if standard input is not raw PCM.
    stop : checked while nothing arrives.

    Raises
    ------
    ConfigurationError
        if settings do not apply to the source, or are out of range.
    AudioError, MissingExtraError
        if the file or the microphone cannot be used.
    """
    if given is not None and microphone is not None:
        raise ConfigurationError(f"input={given!r} and microphone={microphone!r}: give one")
    if is_fast and given in (None, "-"):
        raise ConfigurationError("--fast needs --input FILE: other sound arrives in real time")
    if rate is not None:
        check_rate(rate)
    if given is None:
        return Microphone(
            microphone,
            rate,
            preferred_rate=preferred_rate,
            n_channels=n_channels,
            channel=channel,
        )
    if given == "-":
        return piped_source(
            stdin or sys.stdin.buffer,
            rate=rate,
            preferred_rate=preferred_rate,
            dtype=dtype,
            n_channels=n_channels,
            channel=channel,
            tell=tell,
            stop=stop or Stop(),
        )
    if rate is not None:
        raise ConfigurationError(
            f"rate={rate} is for raw PCM: {given} states its own; leave --rate out"
        )
    return FileSource(given, given, is_fast=is_fast, channel=channel)


def choose_actions(
    stream: EventStream,
    source: Source,
    *,
    command: str | None,
    save_triggers: Path | None,
    around_seconds: tuple[float, float],
    model: Path,
    tell: Tell,
) -> list[Action]:
    """Return the actions on events; see `Command` and `SavedTriggers`.

    Saved clips of a file are named after it, so that another run replaces them; clips of other
    sources are named after the start time (UTC).
    """
    actions: list[Action] = []
    if command is not None:
        actions.append(Command(command, stream.words, tell))
    if save_triggers is not None:
        began = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
        saved = SavedTriggers(
            save_triggers,
            stream.words,
            source.sample_rate,
            prefix=Path(source.name).stem if isinstance(source, FileSource) else began,
            model=model,
            tell=tell,
            before_seconds=around_seconds[0],
            after_seconds=around_seconds[1],
        )
        actions.append(saved)
    return actions


def events_of(
    stream: EventStream,
    source: Source,
    actions: Sequence[Action] = (),
    *,
    tell: Tell,
    stop: Stop | None = None,
) -> Iterator[Event]:
    """Yield the events of a source as they are detected, until it ends.

    Parameters
    ----------
    stream : stream of a recogniser at the source's sample rate.
    actions : actions on events.
    tell : called with each problem of the sound. For a source without a known end, it is called
        after some seconds with what is known by then, and at the end with the rest.
    stop : checked between two chunks.

    Raises
    ------
    AudioError
        if the source ends early, after the words that are still open.
    Stopped
        if `stop` was requested, also after these words.
    """
    feed = Feed(stream, source.sample_rate)
    ended: AudioError | Stopped | None = None
    reported: set[str] = set()

    def tell_once(problems: list[str]) -> None:
        for problem in problems:
            if problem not in reported:
                reported.add(problem)
                tell(f"{source.name}: {problem}")

    try:
        for samples, words in feed.words(source.chunks(stop or Stop())):
            if source.is_live:
                tell_once([*feed.early_notes(), *source.mix.problems()])
            events = [Event.of(source.name, word) for word in words]
            yield from events
            for action in actions:
                action.hear(samples, events)
    except (AudioError, Stopped) as error:
        ended = error
    for action in actions:
        action.finish()
    tell_once([*feed.problems(), *feed.notes(), *source.problems()])
    if ended is not None:
        raise ended
