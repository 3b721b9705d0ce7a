"""All sources of training sound, and their windows, which are made only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from distillation import people, voices
from distillation.guards import learnable, refuse_tested
from distillation.settings import Settings, digest
from distillation.transcripts import can_transcribe, clear, transcribed
from distillation.vocabulary import espeak_texts, few_texts
from distillation.windows import Part, Sound, is_written, read_part, write_part
from speech_rnn.data.rng import shuffled
from speech_rnn.errors import DataError

CORPUS = "speech_commands_v0.02"
FORMAT = 1
"""Increase it if the same settings produce different windows."""


@dataclass(frozen=True)
class Source:
    """A source: its name, a key of everything that affects its sounds, and a function for them."""

    name: str
    key: Any
    sounds: Callable[[], Iterable[Sound]]


def sources(data: Path, settings: Settings) -> Iterator[Source]:
    """Yield all available sources; print what is missing for the others.

    Raises
    ------
    DataError
        if there is neither Speech Commands nor talk.
    """
    for name in ("words", "speech", "noise"):
        refuse_tested(getattr(settings, name), name)
    recordings = [*_recordings(data, settings)]
    if not any(source.name in ("speech_commands", "talk") for source in recordings):
        raise DataError(f"DATA={str(data)!r} must hold {CORPUS}/ or speech/")
    yield from recordings
    yield from _synthetic(Path(settings.output_dir), settings)


def _recordings(data: Path, settings: Settings) -> Iterator[Source]:
    """Yield the sources of people."""
    seed = settings.values("seed", "trimmed")
    clips = _chosen(_corpus_files(data / CORPUS), settings)
    if clips:
        yield Source(
            "speech_commands",
            [seed, identity(clips)],
            lambda: people.corpus_words(clips, settings),
        )
    for folder in map(Path, settings.words):
        files = _chosen(learnable(folder), settings)
        yield Source(
            f"words-{folder.name}",
            [seed, identity(files)],
            lambda files=files: people.recorded_words(files, settings),  # type: ignore[misc]
        )
    talk = _chosen(learnable(data / "speech"), settings)
    further = [_chosen(learnable(Path(folder)), settings) for folder in settings.speech]
    names = ["talk", *(f"talk-{Path(folder).name}" for folder in settings.speech)]
    for name, files in zip(names, [talk, *further], strict=True):
        if files:
            yield Source(
                name,
                [settings.values("seed", "talk_hop"), identity(files)],
                lambda files=files: people.talk(files, settings),  # type: ignore[misc]
            )
    if talk and not can_transcribe():
        print("no single words of talk: faster-whisper is not installed", flush=True)
    elif talk:
        kept = Path(settings.output_dir) / "transcripts"
        yield Source(
            "talk_words",
            [identity(talk)],
            lambda: people.words_of_talk(clear(transcribed(talk, kept, settings.threads))),
        )


def _corpus_files(folder: Path) -> list[Path]:
    """List the clips of words; folders such as _background_noise_ are skipped."""
    return [file for file in learnable(folder) if not file.parent.name.startswith("_")]


def _synthetic(output: Path, settings: Settings) -> Iterator[Source]:
    """Yield the sources of synthetic voices."""
    seed = settings.values("seed")
    texts = espeak_texts(settings)
    if texts:
        yield Source("espeak", [seed, texts], lambda: voices.espeak(texts, settings))
    folder = output / "voices"
    if not voices.has_flite():
        print("no voices of flite: the program is not installed", flush=True)
    elif settings.flite_clips:
        said = few_texts(settings, "flite", settings.flite_clips)
        yield Source("flite", [seed, said], lambda: voices.flite(said, folder, settings))
    if not settings.kokoro:
        print("no voices of Kokoro: name the folder of its model, kokoro=DIR", flush=True)
    elif settings.kokoro_clips:
        spoken = few_texts(settings, "kokoro", settings.kokoro_clips)
        yield Source("kokoro", [seed, spoken], lambda: voices.kokoro(spoken, folder, settings))


def _chosen(files: Sequence[Path], settings: Settings) -> list[Path]:
    """Choose some of the files if there is a limit."""
    if not settings.limit or len(files) <= settings.limit:
        return list(files)
    return sorted(shuffled(files, Random(settings.seed))[: settings.limit])


def identity(files: Iterable[Path]) -> list[tuple[str, int]]:
    """Return what identifies files: the ends of their paths, and their sizes."""
    return [("/".join(file.parts[-2:]), file.stat().st_size) for file in files]


def windows(data: Path, settings: Settings) -> list[Part]:
    """Return the windows of all sources; missing ones are made."""
    parts = []
    for source in sources(data, settings):
        name = f"{source.name}-{digest(FORMAT, settings.limit, source.key)}"
        folder = Path(settings.output_dir) / "sounds" / name
        if is_written(folder):
            part = read_part(folder)
        else:
            sounds = islice(source.sounds(), settings.limit or None)
            part = write_part(folder, source.name, sounds, settings.seed)
        print(f"{name}: {len(part.clips):,} windows", flush=True)
        parts.append(part)
    return parts
