"""Decide where the clips of a training are kept: in memory, in a file, or nowhere."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speech_rnn.audio import audio_duration
from speech_rnn.data.cache import AudioCache, KnownClips
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.kept_clips import BYTES, clips_on_demand, clips_on_disk
from speech_rnn.data.shards.clips import ShardClips
from speech_rnn.data.shards.rows import ShardRows
from speech_rnn.errors import ConfigurationError, SpeechRnnError, did_you_mean
from speech_rnn.tensors.processes import neighbours

log = logging.getLogger(__name__)

AUTO, MEMORY, DISK, NONE = "auto", "memory", "disk", "none"
WAYS = (AUTO, MEMORY, DISK, NONE)
MEMORY_SHARE = 0.5
"""Share of the free memory that clips may take."""
DISK_SHARE = 0.8
"""Share of the free space of a disk that clips may take."""
N_MEASURED = 200
"""Number of clips whose durations are read to estimate the size of a corpus."""
MOST_WORKERS = 8
"""Largest number of processes that read clips, unless another is chosen."""
UNBOUNDED = 1 << 60
"""Limits of control groups from here on mean that there is none."""


@dataclass(frozen=True)
class Placing:
    """Decides where clips are kept, and how many processes read those that are not in memory.

    Batches are the same wherever clips are kept, to the bit. With ``auto`` and ``none``, training
    clips of shards are read from these, in an order of their own.

    Parameters
    ----------
    cache : ``memory``; ``disk``, one memory-mapped file of 16-bit samples for each split, which is
        made once and used again; ``none``, which reads and decodes a clip whenever it is needed; or
        ``auto``, the first of them with room. Memory has room if the clips take at most half of
        what is free, a disk at most 80 %.
    workers : number of processes that read clips ahead of the step, unless clips are in memory.
        None takes one fewer than there are cores, from 1 to 8, for clips that are decoded, and none
        for those of ``disk``; processes that train together share the cores.
    folder : folder of the files.

    Raises
    ------
    ConfigurationError
        if `cache` is unknown, or `workers` is below 0.
    """

    cache: str = AUTO
    workers: int | None = None
    folder: str | Path = "data/cache"

    def __post_init__(self) -> None:
        if self.cache not in WAYS:
            raise ConfigurationError(
                f"cache={self.cache!r} does not exist{did_you_mean(str(self.cache), WAYS)}"
            )
        if self.workers is not None and self.workers < 0:
            raise ConfigurationError(f"workers={self.workers} must be 0 or more")

    def open(
        self, splits: Mapping[str, Sequence[Utterance]], sample_rate: int
    ) -> dict[str, KnownClips]:
        """Read the clips of each split, and log in one line where they are kept.

        Raises
        ------
        DataError
            if no clip of a split can be read, or the folder cannot be written.
        """
        opened: dict[str, KnownClips] = {}
        if self.cache in (AUTO, NONE) and isinstance(rows := splits.get("train"), ShardRows):
            opened["train"] = ShardClips(rows, sample_rate)
            workers = self.workers_of(is_decoded=True)
            log.info("%d shards are read in each epoch, by %d workers", len(rows.picked), workers)
        others = {split: rows for split, rows in splits.items() if split not in opened}
        way = self.cache
        if way == AUTO:
            way, reason = self._way(others, sample_rate)
            log.info("cache=%s: %s", way, reason)
        folder = Path(self.folder)
        for split, rows in others.items():
            opened[split] = _opened(way, rows, sample_rate, folder, split)
        return opened

    def workers_of(self, is_decoded: bool) -> int:
        """Return the number of processes that read clips, decoded in each epoch or stored."""
        if self.workers is not None:
            return self.workers
        own_cores = (os.cpu_count() or 1) // neighbours()
        return min(MOST_WORKERS, max(1, own_cores - 1)) if is_decoded else 0

    def _way(self, splits: Mapping[str, Sequence[Utterance]], sample_rate: int) -> tuple[str, str]:
        """Return where clips have room, and the reason."""
        needed = estimated_bytes([row for rows in splits.values() for row in rows], sample_rate)
        free, room = free_memory() // neighbours(), _free_space(Path(self.folder))
        size = f"clips take about {_gb(needed)}"
        if needed <= MEMORY_SHARE * free:
            return MEMORY, f"{size} of memory, of {_gb(free)} that are free"
        size += f", more than {MEMORY_SHARE:.0%} of the {_gb(free)} of memory that are free"
        if needed <= DISK_SHARE * room:
            return DISK, f"{size}; they are kept in {self.folder}"
        return NONE, f"{size}, and {self.folder} has {_gb(room)}; each epoch reads them again"


def _opened(
    way: str, rows: Sequence[Utterance], sample_rate: int, folder: Path, split: str
) -> KnownClips:
    if way == MEMORY:
        return AudioCache(rows, sample_rate)
    if way == DISK:
        return clips_on_disk(rows, sample_rate, folder, split)
    return clips_on_demand(rows, sample_rate, folder, split)


def estimated_bytes(utterances: Sequence[Utterance], sample_rate: int) -> int:
    """Estimate the memory of clips in bytes, from the durations of some of them."""
    measured = utterances[:: max(1, len(utterances) // N_MEASURED)]
    durations = [seconds for row in measured if (seconds := _duration(row)) is not None]
    mean = sum(durations) / max(1, len(durations))
    return round(mean * sample_rate * BYTES * len(utterances))


def _duration(row: Utterance) -> float | None:
    """Return the duration of a clip in seconds; None if it cannot be read."""
    if row.duration_seconds is not None:
        return row.duration_seconds
    try:
        return max(0.0, audio_duration(row.audio) - row.start_seconds)
    except SpeechRnnError:
        return None


def free_memory() -> int:
    """Return the memory that is free, in bytes: that of the machine, or of a control group."""
    return min(_free_of_machine(), _free_of_group())


def _free_of_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        values = dict(line.split(":") for line in lines)
        return int(values["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux
        return _half_of_memory()


def _half_of_memory() -> int:
    """Return half of the memory of a machine that does not tell how much is free."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return 4 * 2**30


def _free_of_group() -> int:
    """Return what a container may still take: its limit and use, in version 2 and 1 of groups."""
    root = Path("/sys/fs/cgroup")
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            most, now = (int((root / name).read_text(encoding="ascii")) for name in (limit, used))
        except (OSError, ValueError):  # no such group, or no limit ("max")
            continue
        if most < UNBOUNDED:
            return max(0, most - now + _cached(root / limit.rpartition("/")[0] / "memory.stat"))
    return UNBOUNDED


def _cached(statistics: Path) -> int:
    """Return the bytes of cached files in a control group's use, which make room when needed."""
    try:
        lines = dict(line.split() for line in statistics.read_text(encoding="ascii").splitlines())
        return int(lines["inactive_file"])
    except (OSError, KeyError, ValueError):
        return 0


def _free_space(folder: Path) -> int:
    """Return the free space of the disk on which a folder is, or will be."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.2g} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"
