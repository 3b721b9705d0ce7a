"""Splits by the hash of a name or a speaker."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from speech_rnn.data.corpus import SPLITS, Utterance
from speech_rnn.errors import ConfigurationError, DataError

TEST_PERCENTAGE, VALIDATION_PERCENTAGE = 20.0, 10.0


def hash_percentage(name: str, seed: int = 0) -> float:
    """Return a number in [0, 100) that depends on the name and the seed only.

    It is the SHA-1 of the name as a fraction of 2^160, in per cent; a seed other than 0 is put
    before the name, followed by a colon.
    """
    salted = f"{seed}:{name}" if seed else name
    # The bytes of a file name that is not UTF-8 are hashed.
    content = salted.encode(errors="surrogateescape")
    return int(hashlib.sha1(content).hexdigest(), 16) * 100 / 2**160


def split_by_hash(
    name: str,
    test_percentage: float = TEST_PERCENTAGE,
    validation_percentage: float = VALIDATION_PERCENTAGE,
    seed: int = 0,
) -> str:
    """Return the split of a name by its `hash_percentage`: test, then validation, then training."""
    percentage = hash_percentage(name, seed)
    if percentage < test_percentage:
        return "test"
    return "validation" if percentage < test_percentage + validation_percentage else "train"


def split_by_rank(
    names: Sequence[str],
    groups: Sequence[str],
    test_percentage: float = TEST_PERCENTAGE,
    validation_percentage: float = VALIDATION_PERCENTAGE,
    seed: int = 0,
) -> list[str]:
    """Return the split of each name: by its hash, and in small groups by the rank of its hash.

    In the order of `hash_percentage`, the first names of a group are test, the next ones
    validation, and the last ones training. The bounds are those of `split_by_hash`, moved only as
    far as needed to leave a name on each side. A large group is therefore split by the hash alone,
    whatever other names there are, and in a small one a new name moves few others.

    Parameters
    ----------
    names : the names of clips or speakers.
    groups : the group of each name, such as its word; each group gets a name in each split.
    test_percentage, validation_percentage : shares; a share of 0 leaves its split empty, and
        training is empty if their sum is 100. If a group has fewer names than splits, training
        comes first, then test, then validation.
    seed : seed of the hash.
    """
    shares = {name: hash_percentage(name, seed) for name in set(names)}
    bounds = (test_percentage, test_percentage + validation_percentage)
    is_wanted = (test_percentage > 0, validation_percentage > 0, bounds[1] < 100)
    members: dict[str, set[str]] = {}
    for name, group in zip(names, groups, strict=True):
        members.setdefault(group, set()).add(name)
    splits = {}
    for group, own in members.items():
        ordered = sorted(own, key=lambda name: (shares[name], name))
        natural = [sum(shares[name] < bound for name in ordered) for bound in bounds]
        n_test, n_held_out = _bounds(natural, is_wanted, len(ordered))
        for rank, name in enumerate(ordered):
            is_test, is_held_out = rank < n_test, rank < n_held_out
            splits[group, name] = "test" if is_test else "validation" if is_held_out else "train"
    return [splits[group, name] for name, group in zip(names, groups, strict=True)]


def _bounds(natural: Sequence[int], is_wanted: Sequence[bool], n_names: int) -> tuple[int, int]:
    """Adjust the number of test names, and of held-out names, so that no wanted split is empty."""
    n_test, n_held_out = natural
    train, test, validation = _least(is_wanted, n_names)
    n_test = min(max(n_test, test), n_names - validation - train)
    n_held_out = min(max(n_held_out, n_test + validation), n_names - train)
    return n_test, n_held_out


def _least(is_wanted: Sequence[bool], n_names: int) -> tuple[int, int, int]:
    """Return the minimum number of names for training, test and validation that can be met."""
    wants_test, wants_validation, wants_training = is_wanted
    train = int(wants_training and n_names > 0)
    test = int(wants_test and n_names > train)
    return train, test, int(wants_validation and n_names > train + test)


def require_every_class(
    rows: Iterable[Utterance], words: Sequence[str], splits: Iterable[str], root: str
) -> None:
    """Raise for all words that have no clip in a split.

    Raises
    ------
    DataError
        if there are any such words.
    """
    present = {(row.text, row.split) for row in rows}
    gaps = {
        split: [word for word in words if (word, split) not in present]
        for split in SPLITS
        if split in set(splits)
    }
    if lacking := [f"{split} split: {', '.join(gap)}" for split, gap in gaps.items() if gap]:
        raise DataError(
            f"root={root!r} has no clip for these words in the {'; in the '.join(lacking)}; "
            "get or record more of them, name other words, or choose another split"
        )


def speaker_regex(pattern: str) -> re.Pattern[str]:
    """Compile a `speaker_pattern`: its group ``speaker``, or its only group, is the speaker.

    Raises
    ------
    ConfigurationError
        if it is not a regular expression with such a group.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigurationError(
            f"speaker_pattern={pattern!r} is not a regular expression: {error}"
        ) from error
    if "speaker" not in compiled.groupindex and compiled.groups != 1:
        raise ConfigurationError(
            f"speaker_pattern={pattern!r} must have one group, or one named speaker, around "
            r"the speaker, such as '/(\w+)_\d+\.'"
        )
    return compiled


def speaker_of(path: str, pattern: str) -> str:
    """Return the speaker that a `speaker_pattern` finds in a path; empty if there is none."""
    compiled = speaker_regex(pattern)
    match = compiled.search(path)
    found = match and match["speaker" if "speaker" in compiled.groupindex else 1]
    return found or ""


def recordings_of(split: str, files: Sequence[Path], pattern: str | None = None) -> list[Path]:
    """Return the recordings of speech in a split, by the hash of their names or speakers.

    Parameters
    ----------
    split : ``train``, ``validation`` or ``test``.
    files : recordings of all splits.
    pattern : a `speaker_pattern` that is searched for in their paths.

    Raises
    ------
    DataError
        if a file has no speaker, or no file is in the split.
    """
    owners = {
        file: file.name if pattern is None else speaker_of(file.as_posix(), pattern)
        for file in files
    }
    if nobodys := [str(file) for file, owner in owners.items() if not owner]:
        raise DataError(f"speaker_pattern={pattern!r} finds no speaker in {nobodys[0]}")
    kept = [file for file in files if split_by_hash(owners[file]) == split]
    if files and not kept:
        raise DataError(
            f"speech={str(files[0])!r} … ({len(files)} files) has no file for the {split} split; "
            "give more recordings, or shorter ones"
        )
    return kept
