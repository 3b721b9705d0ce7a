"""Speech Commands, versions 1 and 2: all words, or the 12-class task (Warden, arXiv:1804.03209)."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

from speech_rnn.audio import load_audio
from speech_rnn.audio.containers import AUDIO_SUFFIXES
from speech_rnn.audio.finding import sounds_below
from speech_rnn.data.corpus import PINK, SPLITS, Composition, Corpus, Utterance
from speech_rnn.data.download import fetch
from speech_rnn.data.oddities import NEARLY_SILENT_DB, nearly_silent
from speech_rnn.data.rng import choose, shuffled
from speech_rnn.data.splits import require_every_class
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage.text import read_lines
from speech_rnn.vocabulary import SILENCE, UNKNOWN

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
_ONLY_V2 = ("backward", "follow", "forward", "learn", "visual")
_V1 = (
    *COMMANDS,
    *("bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow"),
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
)
WORDS = {1: tuple(sorted(_V1)), 2: tuple(sorted((*_V1, *_ONLY_V2)))}

LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
NOISE = "_background_noise_"
# Held out of training, so that validation silence contains unknown noise (as in TFDS).
HELD_OUT_NOISE = "running_tap"
SAMPLE_RATE = 16000
# Without digital silence in training, the model never recognises it as _silence_. The share is our
# choice; the gain of the other crops, uniform in [0, 1), follows TensorFlow's own recipe.
ZEROS_SHARE = 0.2

log = logging.getLogger(__name__)


class _Archive(NamedTuple):
    sha256: str | None
    size: int | None


URL = "https://storage.googleapis.com/download.tensorflow.org/data/{}.tar.gz"
ARCHIVES = {
    "speech_commands_v0.01": _Archive(
        "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d", None
    ),
    "speech_commands_v0.02": _Archive(
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", 2428923189
    ),
    # The hash of this archive is not known to us, so that any file is accepted.
    "speech_commands_test_set_v0.01": _Archive(None, None),
    # From TFDS, url_checksums/speech_commands.txt.
    "speech_commands_test_set_v0.02": _Archive(
        "cc2a00c1147c2254e9be3fa0f779d8c17421dc349b86366567a8edfa9acd51df", 112563277
    ),
}


@dataclass(frozen=True)
class SpeechCommands:
    """The Speech Commands corpus, found in `root` or downloaded to it.

    Training, validation and test follow the lists of the corpus, or `which_set` if a tree has no
    lists; no speaker is in two of them. Clips may be WAV, FLAC or any format that `load_audio`
    reads. `Corpus.noise` holds the background recordings except for ``running_tap``, which is held
    out of training.

    A part of the corpus is enough: without `words`, the words that have training clips are used.
    A split without clips stays empty.

    The 12 classes are ten commands, ``_unknown_`` (a seeded choice of all other words; in training
    and validation equally many clips of each, as far as there are enough) and ``_silence_``: crops
    of the noise recordings at a random gain (of pink noise if there are none), and digital silence.
    The figures depend on the test set:

    ========  ==========================================================================
    test set  clips
    ========  ==========================================================================
    B         the official test archive (4,890 clips in V2): reproducible to the byte
    A         the test split, ``_unknown_`` chosen as for training, and all-zero clips
              for ``_silence_`` (408 in V2), as in kws_streaming and KWT
    ========  ==========================================================================

    Parameters
    ----------
    root : the unpacked corpus, or the folder that holds it as ``speech_commands_v0.02``.
    version : 1 (30 words) or 2 (35 words).
    task : ``all`` for all words, or ``12`` for the task of ten commands, unknown word and silence.
    words : the classes of task ``all``, in order; None takes all words of the version that have
        training clips.
    others_unknown : whether the clips of all words but `words` are ``_unknown_``, in task ``all``.
        In training, all of these words come equally often: clips of rare words are repeated.
    test_set : test set of the 12-class task, ``B`` or ``A``.
    silence_percentage : number of clips of ``_silence_`` in each split, in per cent of the number
        of clips of commands.
    unknown_percentage : number of clips of ``_unknown_`` in each split, in per cent of the number
        of clips of commands.
    drop_silent : whether to leave out of training and validation the clips whose peak is -50 dB of
        full scale or less, in which no word is audible. This reads all clips.
    seed : seed of the choice of unknown words, and of the crops and gains of silence.
    download : whether to download what is missing.
    url : URL of the archive; None uses the official one.
    sha256 : hash of the archive; None uses the official one.
    test_url : URL of the archive of test set B; None uses the official one.
    test_sha256 : hash of the archive of test set B; None uses the official one.

    Raises
    ------
    ConfigurationError
        if a value is not among these.
    """

    root: str
    version: int = 2
    task: str | int = "all"
    words: tuple[str, ...] | None = None
    others_unknown: bool = False
    test_set: str = "B"
    silence_percentage: float = 10.0
    unknown_percentage: float = 10.0
    drop_silent: bool = False
    seed: int = 0
    download: bool = True
    url: str | None = None
    sha256: str | None = None
    test_url: str | None = None
    test_sha256: str | None = None

    def __post_init__(self) -> None:
        rules = {"version": tuple(WORDS), "task": ("all", "12", 12), "test_set": ("A", "B")}
        for name, allowed in rules.items():
            if (value := getattr(self, name)) not in allowed:
                choice = " or ".join(repr(one) for one in allowed)
                raise ConfigurationError(f"{name}={value!r} must be {choice}")
        for name in ("silence_percentage", "unknown_percentage"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise ConfigurationError(f"{name}={value!r} must be 0 or more")
        if strange := [word for word in self.words or () if word not in WORDS[self.version]]:
            raise ConfigurationError(
                f"words={strange} are not in version={self.version}: "
                f"choose from {', '.join(WORDS[self.version])}"
            )
        if self.words is not None and (self._is_12 or not self.words):
            raise ConfigurationError(
                f"words={list(self.words)} must name at least one word and needs task='all'"
            )
        if self.others_unknown and self.words is None:
            raise ConfigurationError(
                "others_unknown=True needs the words that are known: words=[…]"
            )

    @property
    def _is_12(self) -> bool:
        return str(self.task) == "12"

    def prepare(self) -> Corpus:
        """Find or download the corpus, and list its clips.

        Raises
        ------
        DataError
            if the corpus is missing and `download` is false or fails, if a command or one of
            `words` has no training clip, and if the corpus is of another version.
        """
        tree = self._tree()
        noise = sounds_below(tree / NOISE)
        training = tuple(file for file in noise if file.stem != HELD_OUT_NOISE)
        clips = self._clips(tree)
        if self._is_12:
            held_out = tuple(file for file in noise if file not in training)
            words: tuple[str, ...] = (SILENCE, UNKNOWN, *COMMANDS)
            rows = self._twelve(clips, training, held_out)
        else:
            words = tuple(self.words or self._present(clips, tree))
            rows = [row for row in clips if row.text in words]
            if self.others_unknown:
                others = [row for row in clips if row.text not in words]
                rows += [replace(row, text=UNKNOWN) for row in _evenly(others)]
        shares = {SILENCE: self.silence_percentage, UNKNOWN: self.unknown_percentage}
        wanted = [word for word in words if shares.get(word, 1)]
        require_every_class(rows, wanted, ["train"], str(tree))
        return Corpus(tuple(rows), words, training)

    def _clips(self, tree: Path) -> list[Utterance]:
        """List the clips of the words; of all words if the others are unknown."""
        listed = None if self.others_unknown else self.words
        clips = list(_clips(tree, listed or WORDS[self.version]))
        if not self.drop_silent:
            return clips
        silent = set(nearly_silent([row for row in clips if row.split != "test"]))
        log.warning("left out %d of %d clips, which never rise above %g dB of full scale",
                    len(silent), len(clips), NEARLY_SILENT_DB)  # fmt: skip
        return [row for row in clips if row not in silent]

    def _present(self, clips: Iterable[Utterance], tree: Path) -> list[str]:
        """Return the words that have training clips, and log the others."""
        present = {row.text for row in clips if row.split == "train"}
        words = [word for word in WORDS[self.version] if word in present]
        if absent := [word for word in WORDS[self.version] if word not in present]:
            log.warning("root=%s has no training clip of %d of %d words, which are left out: %s",
                        tree, len(absent), len(WORDS[self.version]), ", ".join(absent))  # fmt: skip
        return words

    def _twelve(
        self, clips: list[Utterance], training: tuple[Path, ...], held_out: tuple[Path, ...]
    ) -> list[Utterance]:
        """Compose the 12 classes of each split."""
        official = self._test_tree() if self.test_set == "B" else None
        rows = []
        for split in SPLITS:
            if split == "test" and official:
                rows += (test := list(_official_test(official)))
                log.info("test split: the official test set, %d clips in %s", len(test), official)
                continue
            known = [row for row in clips if row.split == split and row.text in COMMANDS]
            other = [row for row in clips if row.split == split and row.text not in COMMANDS]
            rows += known
            count = min(share_of(self.unknown_percentage, known), len(other))
            other = shuffled(other, self._random(split, UNKNOWN))
            chosen = other if split == "test" else _by_turns(other)
            rows += [replace(row, text=UNKNOWN) for row in chosen[:count]]
            files = training if split == "train" else held_out
            zeros_share = 1.0 if split == "test" else ZEROS_SHARE
            count = share_of(self.silence_percentage, known)
            rows += _silence(files, split, count, zeros_share, self._random(split, SILENCE))
        return rows

    def _random(self, split: str, text: str) -> random.Random:
        # A string gives the same seed in every process, and a different one for each purpose.
        return random.Random(f"{self.seed}/{split}/{text}")

    def _tree(self) -> Path:
        """Return the folder that holds the words."""
        name = f"speech_commands_v0.0{self.version}"
        tree = self._folder(Path(self.root), WORDS[self.version], name, self.url, self.sha256)
        newer = [word for word in _ONLY_V2 if self.version == 1 and (tree / word).is_dir()]
        if newer:
            raise DataError(
                f"root={str(tree)!r} is not version=1: it holds {', '.join(newer)}; set version=2"
            )
        return tree

    def _test_tree(self) -> Path:
        """Return the folder of the official test clips, which may also lie beside the tree."""
        name = f"speech_commands_test_set_v0.0{self.version}"
        root = Path(self.root)
        beside = root.parent / name
        if not (root / name).is_dir() and beside.is_dir():
            root = beside
        return self._folder(root, (SILENCE, UNKNOWN), name, self.test_url, self.test_sha256)

    def _folder(
        self, root: Path, marks: Iterable[str], name: str, url: str | None, sha256: str | None
    ) -> Path:
        """Return `root` or ``root/name``, whichever has one of `marks`; download if necessary."""
        tree = root / name
        known = ARCHIVES[name]
        url = url or URL.format(name)
        archive = root / f"{name}.tar.gz"
        if any((root / mark).is_dir() for mark in marks):
            return root
        if not tree.exists():
            if not (self.download or archive.exists()):
                way_out = f"set download=true, or place {url} at {archive}"
                if name.startswith("speech_commands_test"):
                    way_out += ", or set test_set=A"
                raise DataError(
                    f"root={str(root)!r} does not hold Speech Commands, neither in itself nor as "
                    f"{name}: {way_out}"
                )
            size = known.size if sha256 is None else None
            fetch(url, tree, sha256=sha256 or known.sha256, size=size, archive=archive)
        if not any((tree / mark).is_dir() for mark in marks):
            raise DataError(
                f"root={str(tree)!r} holds none of the folders {', '.join(marks)}: remove it to "
                f"download it again, or name the folder that holds them"
            )
        return tree


def which_set(filename: str) -> str:
    """Return the split of a file name by the hash rule of the corpus.

    Only the name up to ``_nohash_`` (the speaker) counts: its SHA-1 as an integer, modulo 2^27, in
    per cent of 2^27 - 1. Below 10 is validation, below 20 is test. The result agrees with the
    lists of the corpus.

    Parameters
    ----------
    filename : name of a clip, with or without folders.

    Returns
    -------
    ``train``, ``validation`` or ``test``.
    """
    speaker = re.sub(r"_nohash_.*$", "", Path(filename).name)
    number = int(hashlib.sha1(speaker.encode(errors="surrogateescape")).hexdigest(), 16) % 2**27
    percentage = number * 100.0 / (2**27 - 1)
    return "validation" if percentage < 10 else "test" if percentage < 20 else "train"


def _clips(tree: Path, words: Iterable[str]) -> Iterable[Utterance]:
    """List the clips of some words with their splits, in the order of words and names."""
    listed = _read_lists(tree)
    splits: dict[str, str] = {}
    for word in words:
        for clip, name in _clip_names(tree / word):
            speaker, found, _ = name.partition("_nohash_")
            if listed is not None:
                split = listed.pop(f"{word}/{clip}", "train")
            else:
                key = speaker if found else name
                split = splits[key] if key in splits else splits.setdefault(key, which_set(name))
            yield Utterance(
                f"{tree}{os.sep}{word}{os.sep}{name}", word, speaker if found else "", split
            )
    words = set(words)
    gone = [name for name in listed or () if name.partition("/")[0] in words]
    if gone:
        log.warning("root=%s lacks %d clips of its lists, such as %s", tree, len(gone), gone[0])


def _read_lists(tree: Path) -> dict[str, str] | None:
    """Return the split of each listed clip, without file ending; None if a list is missing."""
    if not all((tree / file).is_file() for file in LISTS.values()):
        return None
    return {
        _without_ending(name.strip()): split
        for split, file in LISTS.items()
        for name in read_lines(tree / file, "list")
    }


def _official_test(tree: Path) -> Iterable[Utterance]:
    """List test set B; names of ``_unknown_`` start with the word, ``_silence_`` has no speaker."""
    for word in (SILENCE, UNKNOWN, *COMMANDS):
        for _, name in _clip_names(tree / word):
            speaker, found, _ = name.partition("_nohash_")
            speaker = speaker.rpartition("_")[2] if found else ""
            yield Utterance(f"{tree}{os.sep}{word}{os.sep}{name}", word, speaker, "test")


def _evenly(rows: Sequence[Utterance]) -> list[Utterance]:
    """Return about as many rows, in which the words of training come equally often."""
    by_word: dict[str, list[Utterance]] = defaultdict(list)
    for row in rows:
        if row.split == "train":
            by_word[row.text].append(row)
    each = sum(map(len, by_word.values())) // max(1, len(by_word))
    training = [row for own in by_word.values() for row in islice(cycle(own), each)]
    return [*training, *(row for row in rows if row.split != "train")]


def _by_turns(rows: list[Utterance]) -> list[Utterance]:
    """Return rows in an order in which the words take turns: each first has as many as any other.

    Of a part of the corpus a plain choice would mostly hold the few words that have many clips.
    """
    taken: Counter[str] = Counter()
    turns = []
    for row in rows:
        turns.append(taken[row.text])
        taken[row.text] += 1
    return [rows[place] for place in sorted(range(len(rows)), key=turns.__getitem__)]


def _silence(
    files: tuple[Path, ...], split: str, count: int, zeros_share: float, rng: random.Random
) -> list[Utterance]:
    """Cut one-second crops from noise, at gains in [0, 1), and add a share of digital silence.

    Without recordings the noise is pink.
    """
    zeros = round(count * zeros_share)
    gains = [0.0] * zeros + [rng.random() for _ in range(count - zeros)]
    n_samples = {file: len(load_audio(file, SAMPLE_RATE, check=False)) for file in files if count}
    if short := [file.name for file, n in n_samples.items() if n < SAMPLE_RATE]:
        raise DataError(f"noise={short} must last at least one second, to make _silence_ from it")
    rows = []
    pink = None if files else Composition((), PINK, noise_snr_db=0.0)
    for index, gain in enumerate(gains):
        if pink:
            name = f"silence-{split}-{index}"
            rows.append(Utterance(name, SILENCE, "", split, 0.0, 1.0, gain, pink))
            continue
        file = choose(files, rng)
        start = int(rng.random() * (n_samples[file] - SAMPLE_RATE + 1)) / SAMPLE_RATE
        rows.append(Utterance(str(file), SILENCE, "", split, start, 1.0, gain))
    return rows


def share_of(percentage: float, rows: list[Utterance]) -> int:
    """Return a percentage of the number of rows, rounded up."""
    return math.ceil(len(rows) * percentage / 100)


def _clip_names(folder: Path) -> list[tuple[str, str]]:
    """Return the sorted names of a folder's clips, without ending, and their files: WAV first."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    files: dict[str, str] = {}
    for name in names:
        clip = _without_ending(name)
        if clip != name and (name.endswith(".wav") or clip not in files):
            files[clip] = name
    return list(files.items())


def _without_ending(name: str) -> str:
    """Return the name of a clip without ending; some corpora store ``….wav.flac``."""
    stem, dot, ending = name.rpartition(".")
    return _without_ending(stem) if dot + ending.lower() in AUDIO_SUFFIXES else name
