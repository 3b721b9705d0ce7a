"""The folder of a run: used by one run at a time, with one configuration."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from speech_rnn.errors import ConfigurationError, Stopped
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import locked, make_folder, shown, writing
from speech_rnn.training.checkpoints import CHECKPOINTS, LAST, read_checkpoint

MOST_NAMED = 5
"""Number of settings that a message names."""
ABSENT = "absent"


@contextmanager
def claimed(
    output_dir: str | os.PathLike[str], config: str, resume: bool, work: str = CHECKPOINTS
) -> Iterator[Path]:
    """Lock a folder for one run, keep its configuration in ``config.yaml``, and yield the folder.

    Disk errors within the block become one `DataError`, and an interruption is reported with the
    last epoch that was finished.

    Parameters
    ----------
    output_dir : the folder, which is created if necessary.
    config : the configuration as YAML.
    resume : whether to continue a run that the folder holds.
    work : the folder within `output_dir` that contains files once a run has begun.

    Raises
    ------
    ConfigurationError
        if another run uses the folder, if it holds a run and `resume` is False, or if that run has
        another configuration.
    DataError
        if the folder cannot be written.
    Stopped
        on a `KeyboardInterrupt`, which it replaces.
    """
    folder = make_folder(output_dir, "output_dir")
    with writing(folder, "output_dir", "go on with resume=true"), ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / ".lock", wait=False))
        except BlockingIOError as error:
            raise ConfigurationError(
                f"output_dir={shown(folder)!r}: another run is using it; wait until it ends, or "
                "choose another output_dir"
            ) from error
        _keep(folder, config, resume, work)
        try:
            yield folder
        except KeyboardInterrupt as error:
            signum = getattr(error, "signum", signal.SIGINT)
            where = getattr(error, "where", "") or _reached(folder / work / LAST, config)
            goes_on = where or (work != CHECKPOINTS and (folder / work).exists())
            raise Stopped(signum, where, shown(folder) if goes_on else "") from error


@contextmanager
def shared(output_dir: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder for several processes of a search; each of its trials has a folder of its own.

    Raises
    ------
    DataError
        if the folder cannot be written.
    Stopped
        on a `KeyboardInterrupt`, which it replaces.
    """
    folder = make_folder(output_dir, "output_dir")
    with writing(folder, "output_dir", "give the same command again"):
        try:
            yield folder
        except KeyboardInterrupt as error:
            where = f"{getattr(error, 'where', '')}; the same command continues".lstrip("; ")
            raise Stopped(getattr(error, "signum", signal.SIGINT), where) from error


def _keep(folder: Path, config: str, resume: bool, work: str) -> None:
    """Check that the configuration fits an existing run, and store it."""
    begun, kept = folder / work, folder / "config.yaml"
    if not resume and begun.exists() and any(begun.iterdir()):
        raise ConfigurationError(
            f"output_dir={shown(folder)!r} holds a run already; add resume=true to continue "
            "it, or choose another output_dir"
        )
    before = kept.read_text(encoding="utf-8") if kept.exists() else ""
    if resume and before and config:
        refuse_other_settings(before, config, kept)
    else:
        atomic.write(kept, config)
    for place in (folder, begun):
        atomic.remove_partial(place)


def refuse_other_settings(before: str, now: str, file: Path) -> None:
    """Raise a `ConfigurationError` that names the settings in which two configurations differ."""
    if differing := differences(before, now):
        raise ConfigurationError(
            f"resume=true, but the configuration differs from {shown(file)}: {differing}; give "
            "the same overrides, or start in another output_dir"
        )


def differences(before: str, now: str) -> str:
    """Return the settings in which two configurations differ, for a message; empty if in none.

    Two spellings of the same path do not count as different; comments, such as a hash, do.
    """
    there, here = settings_of(before), settings_of(now)
    names = [name for name in {**there, **here} if not _is_same(there.get(name), here.get(name))]
    comments = [
        [line for line in text.splitlines() if line.startswith("#")] for text in (before, now)
    ]
    if not names and comments[0] == comments[1]:
        return ""
    changed = [
        f"{name}={there.get(name, ABSENT)} there, {here.get(name, ABSENT)} here"
        + (" (the schedule of a run cannot be made longer)" if name == "trainer.max_epochs" else "")
        for name in names[:MOST_NAMED]
    ]
    changed += [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return "; ".join(changed) or "the clips differ"


def settings_of(text: str) -> dict[str, Any]:
    """Return the values of a configuration by dotted keys such as ``trainer.max_epochs``."""
    found: dict[str, Any] = {}

    def walk(node: Any, prefix: str) -> None:
        if isinstance(node, Mapping) and node:
            for key, value in node.items():
                walk(value, f"{prefix}.{key}" if prefix else str(key))
        else:
            found[prefix] = node

    walk(yaml.safe_load(text) or {}, "")
    return found


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str) and one != other:
        return Path(one).resolve() == Path(other).resolve()
    return bool(one == other)


def _reached(last: Path, config: str) -> str:
    """Return the epoch that an interrupted run reached as text; empty without a checkpoint."""
    if not last.exists():
        return ""
    n_epochs = settings_of(config).get("trainer.max_epochs")
    checkpoint = read_checkpoint(last)
    progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
    where = "after" if progress["processed"] > checkpoint["epoch"] else "in"
    return f"{where} epoch {checkpoint['epoch'] + 1}" + (f" of {n_epochs}" if n_epochs else "")
