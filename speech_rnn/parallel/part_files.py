"""A folder that holds the rows of a run in parts, so that a run that was stopped is continued."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import locked, make_folder, shown, writing
from speech_rnn.storage.text import read_text

RUN = "run.json"
LOCK = ".lock"
DIGITS = 5
"""Smallest number of digits in the name of a part."""


@dataclass(frozen=True)
class Manifest:
    """The inputs and settings that determine the rows of a run; `run.json` in the folder has them.

    Parameters
    ----------
    n_files : number of files.
    files_sha256 : hash of their names, in their order.
    stamps_sha256 : hash of their sizes and times of change.
    files_in_part : number of files in each part but the last.
    settings : plain values: ``verb``, its options, and hashes of the files that they name.
    """

    n_files: int
    files_sha256: str
    stamps_sha256: str
    files_in_part: int
    settings: Mapping[str, Any]

    @classmethod
    def of(
        cls, files: Iterable[tuple[str, str]], files_in_part: int, settings: Mapping[str, Any]
    ) -> Manifest:
        """Return the manifest of files: names, each with its stamp."""
        n_files, names, stamps = 0, hashlib.sha256(), hashlib.sha256()
        for name, stamp in files:
            n_files += 1
            names.update(name.encode(errors="surrogateescape") + b"\0")
            stamps.update(stamp.encode() + b"\0")
        return cls(n_files, names.hexdigest(), stamps.hexdigest(), files_in_part, settings)

    @property
    def n_parts(self) -> int:
        """The number of parts."""
        return -(-self.n_files // self.files_in_part)

    def part(self, number: int, files: Sequence[Any]) -> Sequence[Any]:
        """Return the files of a part."""
        return files[number * self.files_in_part : (number + 1) * self.files_in_part]


@dataclass(frozen=True)
class Done:
    """The marker of a part: its numbers of files and of failed ones, and the size of its rows."""

    n_files: int
    n_failed: int
    n_bytes: int


class PartFiles:
    """Rows in parts ``part-00000.jsonl``, … each with a marker ``part-00000.done``.

    A part without a marker, or of another size than its marker says, is not finished.

    Parameters
    ----------
    folder : an existing folder, which no other process writes; see `part_files`.
    manifest : description of the run, which decides its rows.

    Attributes
    ----------
    done : markers of the finished parts by their numbers.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self._folder, self._manifest = folder, manifest
        self._digits = max(DIGITS, len(str(manifest.n_parts - 1)))
        self._check()
        self.done = dict(self._finished())

    @property
    def missing(self) -> list[int]:
        """The numbers of the parts that are not finished."""
        return [number for number in range(self._manifest.n_parts) if number not in self.done]

    @property
    def n_failed(self) -> int:
        """The number of files of finished parts that failed."""
        return sum(done.n_failed for done in self.done.values())

    @property
    def n_done(self) -> int:
        """The number of files of finished parts."""
        return sum(done.n_files for done in self.done.values())

    def summary(self) -> str:
        """Return a line with the folder and the numbers of its files."""
        return f"{shown(self._folder)}: {self.n_done:,} files, {self.n_failed:,} of them failed"

    def write(self, number: int, lines: Sequence[str], n_failed: int) -> None:
        """Write a part, and then its marker; each is whole or absent.

        Parameters
        ----------
        lines : its rows, as JSON without line ends.
        n_failed : number of its files that failed.

        Raises
        ------
        DataError
            if it cannot be written.
        """
        content = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
        n_files = len(self._manifest.part(number, range(self._manifest.n_files)))
        done = Done(n_files, n_failed, len(content))
        with writing(self._folder, "parts", "give the same command again"):
            atomic.write(self._path(number, "jsonl"), content)
            atomic.write_json(self._path(number, "done"), asdict(done))
        self.done[number] = done

    def _path(self, number: int, ending: str) -> Path:
        return self._folder / f"part-{number:0{self._digits}}.{ending}"

    def _check(self) -> None:
        """Write the manifest, or compare it with the one that is there."""
        path = self._folder / RUN
        ours = asdict(self._manifest)
        if not path.exists():
            if any(self._folder.glob("part-*")):
                raise DataError(
                    f"parts={shown(self._folder)!r} holds parts, and no {RUN} that describes "
                    "their run; choose another folder"
                )
            with writing(self._folder, "parts"):
                atomic.write_json(path, ours)
            return
        try:
            theirs = json.loads(read_text(path, RUN))
            differing = _differing(ours, theirs)
        except (ValueError, TypeError, LookupError) as error:
            raise DataError(f"{path}: is damaged; choose another folder for --parts") from error
        if differing:
            raise ConfigurationError(
                f"parts={shown(self._folder)!r} belongs to a run with another "
                f"{', '.join(differing)}; choose another folder, or give the command of that run"
            )

    def _finished(self) -> Iterator[tuple[int, Done]]:
        for number in range(self._manifest.n_parts):
            try:
                content = self._path(number, "done").read_bytes()
                done = Done(**json.loads(content))
                if self._path(number, "jsonl").stat().st_size == done.n_bytes:
                    yield number, done
            except (OSError, ValueError, TypeError):  # not finished, or torn by a power failure
                continue


def _differing(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return what differs: the list of files, or one of the files, and names of settings."""
    own, other = json.loads(json.dumps(ours["settings"])), theirs["settings"]
    if own["verb"] != other["verb"]:
        return ["verb"]
    names = [name for name in {**own, **other} if own.get(name) != other.get(name)]
    if any(ours[name] != theirs[name] for name in ("n_files", "files_sha256")):
        return ["list of files", *names]
    if ours["stamps_sha256"] != theirs["stamps_sha256"]:
        return ["size or time of a file", *names]
    return names


@contextmanager
def part_files(folder: Path, manifest: Manifest) -> Iterator[PartFiles]:
    """Create or open a folder of parts, and lock it until the end of the block.

    Raises
    ------
    ConfigurationError
        if another process writes the folder, or if it belongs to another run.
    DataError
        if it cannot be written.
    """
    make_folder(folder, "parts")
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, wait=False))
        except BlockingIOError as error:
            raise ConfigurationError(
                f"parts={shown(folder)!r} is being written by another run; wait for it, or choose "
                "another folder"
            ) from error
        atomic.remove_partial(folder)
        yield PartFiles(folder, manifest)
