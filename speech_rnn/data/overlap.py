"""Find clips that are in two splits, which would make the figures of the second too good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from speech_rnn.data.cache import KnownClips


def overlaps(caches: Mapping[str, KnownClips]) -> list[str]:
    """Describe the clips that are in two splits, with one line for each pair of splits.

    Clips are equal if all their samples are, whatever their files are called. Composed utterances
    and digital silence are left out.

    Parameters
    ----------
    caches : the clips of each split, in the order of the splits.
    """
    lines = []
    for first, second in combinations(caches, 2):
        later = list(_sounds(caches[second]))
        files = dict(later)
        # The first split may be too large to be kept.
        shared = {sound: file for sound, file in _sounds(caches[first]) if sound in files}
        both = [sound for sound, _ in later if sound in shared]
        if both:
            one, other = files[both[0]], shared[both[0]]
            example = one if one == other else f"{one}, the same sound as {other}"
            lines.append(
                f"{len(both)} of {len(caches[second])} clips of the {second} split are in the "
                f"{first} split, too, such as {example}: figures measured on them do not hold "
                "for new recordings"
            )
    return lines


def _sounds(cache: KnownClips) -> Iterator[tuple[bytes, str]]:
    """Yield a hash of the samples of each clip, and the name of its file."""
    for index, row in enumerate(cache.utterances):
        if row.composition is None and not cache.is_silent(index):
            yield cache.digest(index), row.audio
