"""Open the storage of a study: a journal file, or a database by its URL."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.storage.folders import make_folder, writing
from speech_rnn.training.claiming import differences

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

CONFIG = "config"
"""Attribute of a study with its configuration."""

RETRY_SECONDS = (0.5, 1.0)
"""Pauses between attempts to open a database: two processes may create its tables at once."""


@dataclass(frozen=True)
class StudyPlace:
    """A study and the place where it is kept.

    Parameters
    ----------
    storage : journal file, which is created if necessary; or URL of a database.
    name : name of the study in the storage.
    config : configuration of the study as YAML; all processes must have the same.
    patience : seconds without a sign of life after which a trial's process is taken for dead; 0 if
        no other process can work on the study.
    """

    storage: str
    name: str = "search"
    config: str = ""
    patience: float = 60.0

    @property
    def shown(self) -> str:
        """The storage without a password."""
        return _without_password(self.storage)


@contextmanager
def opened(place: StudyPlace) -> Iterator[Study]:
    """Open or create a study; a failure of its storage within the block becomes a `DataError`.

    Raises
    ------
    MissingExtraError
        if Optuna is not installed.
    DataError
        if the storage cannot be opened, or fails later.
    ConfigurationError
        if the study has another configuration.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("optuna", "search") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = _database(place) if "://" in place.storage else _journal(place)
    try:
        with writing(Path(place.storage).parent, "storage", "give the same command again"):
            study = optuna.create_study(storage=storage, study_name=place.name, load_if_exists=True)
            _check(study, place)
            yield study
    except optuna.exceptions.StorageInternalError as error:
        raise DataError(
            f"storage={place.shown!r} does not answer ({_reason(error)}); "
            "the same command continues when it does"
        ) from error


def _journal(place: StudyPlace) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(place.storage).absolute()  # its lock is a link to it
    make_folder(path.parent, "storage")
    try:
        if path.exists() and path.stat().st_size:
            _check_journal(path)
        return JournalStorage(JournalFileBackend(str(path)))
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise DataError(
            f"storage={place.storage!r} cannot be opened as the journal of a study "
            f"({_reason(error)}); choose another file, or write the URL of a database"
        ) from error


def _check_journal(path: Path) -> None:
    """Raise an error if a file is no journal; Optuna would append to any file of one line."""
    with path.open("rb") as file:
        json.loads(file.readline())["op_code"]


def _database(place: StudyPlace) -> BaseStorage:
    from optuna.storages import RDBStorage

    for seconds in (*RETRY_SECONDS, None):
        try:
            return RDBStorage(place.storage)
        except Exception as error:  # drivers of databases raise errors of any kind
            if seconds is None:
                raise DataError(
                    f"storage={place.shown!r} cannot be opened ({_reason(error)}); check the URL "
                    "and its driver, or choose a file"
                ) from error
            time.sleep(seconds)
    raise AssertionError


def _check(study: Study, place: StudyPlace) -> None:
    """Keep the configuration of a new study, or compare it with that of an existing one."""
    if CONFIG not in study.user_attrs:
        study.set_user_attr(CONFIG, place.config)
    if differing := differences(study.user_attrs[CONFIG], place.config):
        raise ConfigurationError(
            f"storage={place.shown!r} has a study {place.name!r} with another configuration: "
            f"{differing}; give the same overrides, or choose another name with study=NAME"
        )


def _reason(error: BaseException) -> str:
    """Return the first line of the error that is nearest to the cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip() or type(error).__name__
    return _without_password(text.splitlines()[0])


def _without_password(text: str) -> str:
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", text)
