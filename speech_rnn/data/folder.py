"""A user's own recordings, one folder per word, split by hash, by speaker or by lists."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from speech_rnn.audio.containers import AUDIO_SUFFIXES
from speech_rnn.audio.finding import (
    left_alone_line,
    look_below,
    sound_files,
    sounds_below,
)
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.splits import speaker_of, speaker_regex, split_by_rank
from speech_rnn.data.word_folders import NOISE, word_folders, word_of
from speech_rnn.data.words import texts_of
from speech_rnn.errors import ConfigurationError, DataError, did_you_mean, listed
from speech_rnn.storage.text import read_lines

log = logging.getLogger(__name__)

LISTS = {
    "train": ("train.txt",),
    "validation": ("validation.txt", "validation_list.txt"),
    "test": ("test.txt", "testing_list.txt"),
}
WAYS = ("hash", "speaker", "lists")
SHOWN = 5  # number of files that a message names


@dataclass(frozen=True)
class Folder:
    """Recordings as ``<root>/<word>/*.wav``, ``.flac`` and so on, also in subfolders.

    ``_`` in the name of a folder stands for a space in the word, and ``__`` for an underscore,
    unless the name starts with it: ``_silence_`` and ``_unknown_`` are classes of these names, and
    ``_background_noise_`` holds noise that training may mix in; see `word_of`. Folders and files
    whose names start with a dot are ignored.

    With ``split=hash``, a clip is a test clip if the `hash_percentage` of its path below `root` is
    below `test_percentage`, and a validation clip if it is in the `validation_percentage` above
    that. The split is therefore the same on every machine, whatever other clips there are. A word
    with so few clips that one of its splits would be empty is split by the rank of the hash, see
    `split_by_rank`. With a `speaker_pattern`, speakers are split in place of clips, so that no
    speaker is in two splits.

    Parameters
    ----------
    root : the folder with one folder per word.
    words : the classes in their order; None takes all folders, sorted.
    split : ``hash``; ``speaker``, which splits by hash and requires a `speaker_pattern`; or
        ``lists``: ``train.txt``, ``validation.txt`` (or ``validation_list.txt``) and ``test.txt``
        (or ``testing_list.txt``) in `root`, with one path relative to `root` per line. Clips in no
        list are used for training if there is no ``train.txt``, and left out otherwise.
    test_percentage : share of all clips that are for the test, in per cent; 0 leaves the split
        empty.
    validation_percentage : share of all clips that are for validation, in per cent; 0 leaves the
        split empty.
    speaker_pattern : a regular expression that is searched for in the path below `root`; its group
        ``speaker``, or its only group, is the speaker.
    noise : sound files, or folders of them, that training may mix in; None takes those of
        ``_background_noise_``.
    seed : seed of the hash.

    Raises
    ------
    ConfigurationError
        if the split is unknown, words are wrong, percentages are out of range, or the
        `speaker_pattern` is missing or not a regular expression with a group.
    """

    root: str
    words: Sequence[str] | None = None
    split: str = "hash"
    test_percentage: float = 20.0
    validation_percentage: float = 10.0
    speaker_pattern: str | None = None
    noise: Sequence[str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.split not in WAYS:
            raise ConfigurationError(f"split={self.split!r} must be one of {', '.join(WAYS)}")
        if self.words is not None:
            _no_twins(self.words)
        test, validation = self.test_percentage, self.validation_percentage
        if test < 0 or validation < 0 or test + validation > 100:
            raise ConfigurationError(
                f"test_percentage={test!r} and validation_percentage={validation!r} must be 0 or "
                "more, and 100 at most together"
            )
        if self.speaker_pattern is not None:
            speaker_regex(self.speaker_pattern)
        elif self.split == "speaker":
            raise ConfigurationError(
                "split='speaker' needs speaker_pattern: a regular expression such as "
                r"'/(\w+)_\d+\.' for files like go/anna_3.wav, or split='hash'"
            )

    def prepare(self) -> Corpus:
        """List the clips, without opening any sound file.

        Raises
        ------
        DataError
            if the root holds folders of words one level further down, if words have no folder or
            no clip, if files do not match `speaker_pattern`, or if lists are missing, name missing
            files, or name a clip twice. The error lists all problems of a kind at once.
        """
        root = Path(self.root).expanduser()
        folders = word_folders(root)
        words = self._words(folders)
        clips = _clips(folders, words)
        if silent := [word for word in words if not clips[word]]:
            raise DataError(
                f"root={self.root!r} has no sound file for {listed(silent)}; "
                f"known endings are {', '.join(sorted(AUDIO_SUFFIXES))}"
            )
        names = {_name(clip, root): (clip, word) for word, files in clips.items() for clip in files}
        speakers = self._speakers(names)
        if self.split == "lists":
            splits = _listed(root, self._lists(root), names)
        else:
            splits = self._hashed(names, speakers)
        rows = [
            Utterance(str(clip), word, speakers[name], splits[name])
            for name, (clip, word) in names.items()
            if name in splits
        ]
        return Corpus(tuple(rows), tuple(words), self._noise(root))

    def _words(self, folders: dict[str, list[Path]]) -> list[str]:
        if self.words is None:
            return sorted(folders)
        texts = texts_of(self.words)
        words = [word if word in folders else word_of(word) for word in texts]
        if wrong := [word for word in words if word not in folders]:
            raise DataError(
                f"root={self.root!r} has no folder for {', '.join(map(repr, wrong))}"
                + did_you_mean(wrong, folders)
            )
        return words

    def _speakers(self, names: Iterable[str]) -> dict[str, str]:
        """Return the speaker of each clip; empty without a pattern."""
        if self.speaker_pattern is None:
            return dict.fromkeys(names, "")
        speakers = {name: speaker_of(name, self.speaker_pattern) for name in names}
        if wrong := [name for name, speaker in speakers.items() if not speaker]:
            raise DataError(
                f"speaker_pattern={self.speaker_pattern!r} finds no speaker in {_some(wrong)}; "
                "the pattern is searched for in paths as they are written here"
            )
        return speakers

    def _hashed(
        self, names: Mapping[str, tuple[Path, str]], speakers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the split of each clip, by its own hash or its speaker's, ranked within a word."""
        is_by_speaker = self.speaker_pattern is not None
        splits = split_by_rank(
            [speakers[name] if is_by_speaker else name for name in names],
            ["" if is_by_speaker else word for _, word in names.values()],
            self.test_percentage,
            self.validation_percentage,
            self.seed,
        )
        return dict(zip(names, splits, strict=True))

    def _lists(self, root: Path) -> dict[str, Path]:
        """Return the list file of each split that has one."""
        lists = {}
        for split, names in LISTS.items():
            found = [name for name in names if (root / name).is_file()]
            if len(found) > 1:
                raise DataError(f"root={self.root!r} has {' and '.join(found)}; keep one of them")
            if found:
                lists[split] = root / found[0]
        if not lists:
            every = ", ".join(name for names in LISTS.values() for name in names)
            raise DataError(
                f"root={self.root!r} holds none of the lists {every}; write them or set split=hash"
            )
        return lists

    def _noise(self, root: Path) -> tuple[Path, ...]:
        if self.noise is None:
            return tuple(sounds_below(root / NOISE))
        return tuple(sound_files(self.noise, "noise"))


def _no_twins(words: Sequence[str]) -> None:
    """Raise for words that are not texts, or that share a folder."""
    texts = texts_of(words)
    if len({word_of(word) for word in texts}) < len(texts):
        raise ConfigurationError(f"words={texts!r} must name at least one word, and none twice")


def _clips(folders: Mapping[str, Sequence[Path]], words: Sequence[str]) -> dict[str, list[Path]]:
    """Return the clips of each word, and log the number of files that cannot be read here."""
    below = {word: [look_below(folder) for folder in folders[word]] for word in words}
    left_alone = [file for found in below.values() for one in found for file in one.left_alone]
    if left_alone:
        log.warning("%s", left_alone_line(left_alone))
    return {word: [clip for one in found for clip in one.sounds] for word, found in below.items()}


def _name(clip: Path, root: Path) -> str:
    return normalize("NFC", clip.relative_to(root).as_posix())


def _listed(root: Path, lists: dict[str, Path], names: Iterable[str]) -> dict[str, str]:
    """Return the split of each clip that is in a list."""
    splits: dict[str, str] = {}
    missing, twice = [], []
    for split, file in lists.items():
        for name in _read(file):
            if not (root / name).is_file():
                missing.append(f"{name} ({file.name})")
            elif splits.setdefault(name, split) != split:
                twice.append(name)
    if missing:
        raise DataError(f"root={str(root)!r}: its lists name missing files: {_some(missing)}")
    if twice:
        raise DataError(f"root={str(root)!r}: two lists name the same clips: {_some(twice)}")
    if "train" not in lists:
        splits = {**dict.fromkeys(names, "train"), **splits}
    return splits


def _read(file: Path) -> list[str]:
    lines = read_lines(file, "list")
    names = (line.strip().replace("\\", "/").removeprefix("./") for line in lines)
    return [normalize("NFC", name) for name in names if name]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
