"""Recognise many files: in this process, in several, or into a folder that keeps their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from speech_rnn.errors import ConfigurationError
from speech_rnn.listening.file_jobs import File, FileJob
from speech_rnn.parallel.crews import Spread
from speech_rnn.parallel.part_files import Manifest, PartFiles, part_files
from speech_rnn.parallel.schedule import finished, in_order
from speech_rnn.storage.hashing import stamp_of

MOST_IN_PART = 256
"""Largest number of files in a part, unless a batch has more."""
PARTS = 256
"""Number of parts up to which a part has only the files of one batch."""


def rows_of(job: FileJob, files: Sequence[File], spread: Spread) -> Iterator[Any]:
    """Yield the rows of files in their order, as one process would.

    Raises
    ------
    SpeechRnnError
        if the job cannot start, or if its processes die one after the other.
    ConfigurationError
        if several processes would have to read standard input.
    """
    given = _shared(files)
    manifest = _manifest(job, [(name, "") for name, _ in files], {})
    parts = ((number, manifest.part(number, given)) for number in range(manifest.n_parts))
    with spread.crew(job, manifest.n_parts) as crew:
        for _, rows in in_order(crew, job, parts):
            yield from rows


def fill(
    folder: Path,
    job: FileJob,
    files: Sequence[File],
    spread: Spread,
    *,
    tell: Callable[[str], None],
    advance: Callable[[int], None],
) -> PartFiles:
    """Write the rows of files into a folder, and return it; parts that it holds are left out.

    Parameters
    ----------
    tell : called with problems of files, and with the number of files that were done before.
    advance : called with the number of files that have been done since the last call.

    Raises
    ------
    SpeechRnnError
        in the cases of `rows_of` and `part_files`.
    """
    given = _shared(files)
    stamped = [(name, stamp_of(path)) for name, path in given]
    manifest = _manifest(job, stamped, job.settings())
    with part_files(folder, manifest) as kept:
        if kept.done:
            tell(f"{folder}: {kept.n_done:,} of {len(files):,} files were done before")
            advance(kept.n_done)
        missing = kept.missing
        if not missing:
            return kept
        parts = ((number, manifest.part(number, given)) for number in missing)
        with spread.crew(job, len(missing)) as crew:
            for number, rows in finished(crew, job, parts):
                lines = [line for row in rows if (line := job.line(row)) is not None]
                kept.write(number, lines, sum(map(job.has_failed, rows)))
                for note in (note for row in rows for note in job.notes(row)):
                    tell(note)
                advance(kept.done[number].n_files)
    return kept


def _manifest(
    job: FileJob, stamped: Sequence[tuple[str, str]], settings: dict[str, Any]
) -> Manifest:
    wanted = min(MOST_IN_PART, max(1, len(stamped) // PARTS))
    files_in_part = -(-wanted // job.multiple) * job.multiple
    return Manifest.of(stamped, files_in_part, settings)


def _shared(files: Sequence[File]) -> list[tuple[str, str]]:
    """Return files with absolute paths, since another process may stand in another folder."""
    shared = []
    for name, sound in files:
        if not isinstance(sound, (str, Path)):
            raise ConfigurationError(
                f"path={name!r}: other processes cannot read standard input; write the sound to a "
                "file, or use one process and no --parts"
            )
        shared.append((name, str(Path(sound).absolute())))
    return shared
