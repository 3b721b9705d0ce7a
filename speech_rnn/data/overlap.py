"""Find clips that are in two splits, which would make the figures of the second too good."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import combinations

from speech_rnn.data.cache import AudioCache


def overlaps(caches: Mapping[str, AudioCache]) -> list[str]:
    """Describe the clips that are in two splits, with one line for each pair of splits.

    Clips are equal if all their samples are, whatever their files are called. Composed utterances
    and digital silence are left out.

    Parameters
    ----------
    caches : the clips of each split, in the order of the splits.
    """
    clips = {split: list(_sounds(cache)) for split, cache in caches.items()}
    files = {split: dict(found) for split, found in clips.items()}
    lines = []
    for first, second in combinations(clips, 2):
        both = [sound for sound, _ in clips[second] if sound in files[first]]
        if both:
            one, other = files[second][both[0]], files[first][both[0]]
            example = one if one == other else f"{one}, the same sound as {other}"
            lines.append(
                f"{len(both)} of {len(caches[second])} clips of the {second} split are in the "
                f"{first} split, too, such as {example}: figures measured on them do not hold "
                "for new recordings"
            )
    return lines


def _sounds(cache: AudioCache) -> Iterator[tuple[bytes, str]]:
    """Yield a hash of the samples of each clip, and the name of its file."""
    for row, clip in zip(cache.utterances, map(cache.__getitem__, range(len(cache))), strict=True):
        if row.composition is None and clip.any():
            yield hashlib.blake2b(clip.tobytes(), digest_size=16).digest(), row.audio
