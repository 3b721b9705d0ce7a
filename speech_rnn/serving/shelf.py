"""The recognisers that a server has: files, and folders that are looked through again and again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from speech_rnn.engines.loading import RUN_FILE, name_of
from speech_rnn.errors import ConfigurationError, SpeechRnnError, did_you_mean
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.logs import log
from speech_rnn.serving.refusals import UNKNOWN_MODEL, RefusalError

SUFFIXES = (".onnx", ".safetensors")
Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Model:
    """A recogniser under its name.

    Parameters
    ----------
    name : name of the file without its ending, or of the folder of a run.
    path : path of the file.
    recognizer : the recogniser, loaded.
    stamp : a value that changes with the file; None if the file could not be read.
    """

    name: str
    path: Path
    recognizer: Recognizer
    stamp: Stamp | None


class Shelf:
    """Recognisers by name. A file that changes is loaded again; streams keep the one they have.

    A file that cannot be loaded is logged and left out; if it replaced one, that one stays.

    Parameters
    ----------
    files : recognisers that are served as long as the server runs; they have to load.
    folders : folders whose .onnx and .safetensors files come and go.
    prepare : is called with each recogniser that was loaded, and may refuse it.

    Raises
    ------
    ConfigurationError
        for two files of one name, a folder that is none, and if there is no recogniser at all.
    ModelError, MissingExtraError
        for one of the files that cannot be loaded.
    """

    def __init__(
        self,
        files: Sequence[Path],
        folders: Sequence[Path] = (),
        prepare: Callable[[Recognizer], None] = lambda recognizer: None,
    ) -> None:
        self._files, self._folders, self._prepare = list(files), list(folders), prepare
        self._models: dict[str, Model] = {}
        self._seen: dict[Path, Stamp | None] = {}
        self._failed: dict[Path, Stamp | None] = {}
        for path in self._files:
            name = name_of(path)
            if name in self._models:
                raise ConfigurationError(
                    f"model={str(path)!r}: another is named {name!r}; rename it"
                )
            self._models[name] = self._load(name, path, _stamp(path))
        for folder in self._folders:
            if not folder.is_dir():
                raise ConfigurationError(
                    f"models={str(folder)!r} is no folder; give one of recognisers"
                )
        self._seen = {path: _stamp(path) for path in self._in_folders()}  # loaded at once
        self.scan()
        if not self._models:
            raise ConfigurationError(
                f"models={', '.join(map(str, self._folders))!r} holds no recogniser that can be "
                "loaded"
            )

    @property
    def models(self) -> list[Model]:
        """The recognisers, the default one first."""
        return list(self._models.values())

    def find(self, name: str | None = None) -> Model:
        """Return a recogniser by its name; None is the first.

        Raises
        ------
        RefusalError
            for a name that there is not.
        """
        models = self._models
        if not models:
            raise RefusalError(UNKNOWN_MODEL, "the server has no recogniser now; add one")
        if name is None:
            return next(iter(models.values()))
        if name not in models:
            hint = did_you_mean(name, models)
            raise RefusalError(UNKNOWN_MODEL, f"model={name!r} is not there{hint}")
        return models[name]

    def has(self, path: Path) -> bool:
        """Return whether a file, as it is now, is loaded."""
        stamp = _stamp(path)
        return any(model.path == path and model.stamp == stamp for model in self._models.values())

    def scan(self) -> None:
        """Load what is new or has changed, and drop what is gone. One thread at a time may call it.

        A file is loaded once it has stayed the same from one call to the next, so that it is not
        read while it is being written.
        """
        found: dict[str, Model] = {}
        for path in (*self._files, *self._in_folders()):
            name = name_of(path)
            if name in found:
                self._fail(path, _stamp(path), f"another recogniser is named {name!r}")
                continue
            current = self._models.get(name)
            model = self._looked_at(name, path, current)
            if model is not None:
                found[name] = model
        for name in self._models.keys() - found.keys():
            log("model removed", model=name)
        self._models = found

    def _looked_at(self, name: str, path: Path, current: Model | None) -> Model | None:
        """Return the recogniser of a path now."""
        stamp = _stamp(path)
        if stamp is None:
            return current if path in self._files else None
        is_settled = self._seen.get(path) == stamp
        self._seen[path] = stamp
        if current is not None and current.path == path and current.stamp == stamp:
            return current
        if not is_settled or self._failed.get(path) == stamp:
            return current
        try:
            model = self._load(name, path, stamp)
        except (SpeechRnnError, OSError) as error:
            self._fail(path, stamp, str(error))
            return current
        log("model loaded", model=name, words=len(model.recognizer.vocabulary.words))
        return model

    def _load(self, name: str, path: Path, stamp: Stamp | None) -> Model:
        recognizer = Recognizer.load(path)
        self._prepare(recognizer)
        return Model(name, path, recognizer, stamp)

    def _fail(self, path: Path, stamp: Stamp | None, reason: str) -> None:
        if self._failed.get(path, (0,)) != stamp:
            self._failed[path] = stamp
            log("model refused", level=logging.WARNING, file=str(path), reason=reason)

    def _in_folders(self) -> list[Path]:
        found: list[Path] = []
        for folder in self._folders:
            with suppress(OSError):
                found += sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
        return found


def _stamp(path: Path) -> Stamp | None:
    try:
        status = (path / RUN_FILE if path.is_dir() else path).stat()
    except OSError:  # gone, or not ours to see
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
