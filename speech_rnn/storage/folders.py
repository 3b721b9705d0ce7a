"""Output folders: created and tested before the work, and locked during it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech_rnn.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a full disk or quota; these errors often lack the name of a file."""
TRIED_BYTES = 4096
WAYS_OUT = {
    **dict.fromkeys(FULL, "make room"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), "move the file that is in its place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "check the rights"),
    errno.ENAMETOOLONG: "shorten the name",
}


def make_folder(path: str | os.PathLike[str], name: str) -> Path:
    """Create a folder if necessary, and test whether files can be written there.

    Parameters
    ----------
    path : the folder.
    name : the parameter that gave the path, for the error.

    Raises
    ------
    DataError
        if it cannot be created or written: a full or read-only disk, missing rights, a file in its
        place, a name that is too long.
    """
    path = Path(path)
    with writing(path, name):
        path.mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryFile(dir=path, buffering=0) as tried:
                tried.write(bytes(TRIED_BYTES))
        except OSError as error:  # it names the file of the test
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    return path


def cache_folder(name: str) -> Path:
    """Return a folder of downloaded files: below ``XDG_CACHE_HOME``, or below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"  # XDG's own rule
    return root / "speech_rnn" / name


@contextmanager
def writing(
    folder: str | os.PathLike[str], name: str, way_out: str | None = None
) -> Iterator[None]:
    """Turn disk errors while a folder is written into one `DataError`.

    Parameters
    ----------
    folder : the folder.
    name : the parameter that gave its path, for the error.
    way_out : advice for when the cause is removed; None suggests another folder.

    Raises
    ------
    DataError
        in place of an `OSError` of a full disk, or of one that names a path in the folder.
    """
    folder = Path(folder).absolute()
    try:
        yield
    except OSError as error:
        file = None if error.filename is None else Path(os.fsdecode(error.filename)).absolute()
        is_ours = file is not None and (file.is_relative_to(folder) or folder.is_relative_to(file))
        if error.errno not in FULL and not is_ours:
            raise
        reason = error.strerror or str(error)
        if file is not None and not folder.is_relative_to(file):
            named = file.relative_to(folder) if is_ours else file
            reason = f"{named}: {reason}"
        cause = WAYS_OUT.get(error.errno or 0, "check its disk")
        raise DataError(
            f"{name}={shown(folder)!r} cannot be written ({reason}); {cause}"
            + (f", or choose another {name}" if way_out is None else f" and {way_out}")
        ) from error


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as a user would type it: relative to the current directory if it is below."""
    path = Path(path).absolute()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file, which is created if necessary and not removed.

    The kernel frees the lock of a dead process. On file systems without locks, nothing is locked.

    Raises
    ------
    BlockingIOError
        if another process holds the lock and `wait` is False.
    """
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise
            except OSError:  # some network file systems have no locks
                pass
        yield
