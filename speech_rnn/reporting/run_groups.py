"""Groups of trainings that differ only in the seed, with mean and deviation."""

from __future__ import annotations

import json
import shlex
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.storage.atomic import write_json

FIGURES = {
    "accuracy": ("accuracy", "accuracy"),
    "word error rate": ("word_error_rate", "rate"),
    "calibration error": ("calibration_error",),
}
"""Location of the figures of a test split in its evaluation."""

OF_EACH_RUN = ("seed", "output_dir", "resume", "device")
"""Keys of a command line that do not affect the comparison."""

WITHOUT_EFFECT = ("seed", "report", "test", "trainer.progress")
"""Keys of a configuration that may differ within a group."""


@dataclass(frozen=True)
class Spread:
    """Mean, sample standard deviation (None for a single value) and range of values."""

    mean: float
    deviation: float | None
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Describe one or more values."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, min(values), max(values), len(values))

    def percent(self) -> str:
        """Return mean and deviation as text."""
        deviation = "" if self.deviation is None else f" ± {100 * self.deviation:.2f}"
        return f"{100 * self.mean:.2f}{deviation} %"

    def to_dict(self) -> dict[str, float | None]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Run:
    """Results of a training on its test split.

    Parameters
    ----------
    config : configuration of the run, by dotted key.
    figures : shares, by the names of `FIGURES`.
    speakers : accuracy by speaker.
    stress : accuracy by condition, if `speech_rnn.stress` wrote ``stress.json`` into the folder.
    """

    path: Path
    seed: int
    command: str
    corpus: str
    commit: str
    config: dict[str, Any]
    n_clips: int
    n_parameters: int
    training_seconds: float
    figures: dict[str, float]
    speakers: dict[str, float] = field(default_factory=dict)
    stress: dict[str, float] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read a folder that training wrote.

        Raises
        ------
        DataError
            if it has no figures of a test split, or its files are malformed.
        """
        try:
            metrics = _json(path / "metrics.json")
            evaluation = metrics.get("test")
            if (path / "evaluation.json").is_file():
                evaluation = _json(path / "evaluation.json")
            if not evaluation or not isinstance(evaluation.get("accuracy"), dict):
                raise DataError("no figures of a test split")
            if not metrics.get("config"):
                raise DataError("no configuration")
            stress = path / "stress.json"
            stressed = _json(stress)["rows"] if stress.is_file() else ()
            return cls(
                path=path,
                seed=metrics["seed"],
                command=metrics.get("command") or "",
                corpus=metrics["corpus_sha256"],
                commit=str(metrics.get("commit")),
                config=dict(_flat(yaml.safe_load(metrics["config"]))),
                n_clips=evaluation["accuracy"]["total"],
                n_parameters=metrics["n_parameters"],
                training_seconds=metrics["training_seconds"],
                figures={name: _at(evaluation, place) for name, place in FIGURES.items()},
                speakers={
                    who: group["accuracy"] for who, group in evaluation["per_speaker"].items()
                },
                stress=dict(map(_condition, stressed)),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise DataError(f"not read: {type(error).__name__} {error}") from error


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _at(values: Any, place: Sequence[str]) -> float:
    for name in place:
        values = values[name]
    return float(values)


def _condition(row: Mapping[str, Any]) -> tuple[str, float]:
    named = (row["condition"], row.get("kind"), row["value"])
    name = " ".join(str(part) for part in named if part not in (None, ""))
    return name, float(row["accuracy"]["accuracy"])


def _flat(node: Any, place: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _flat(value, f"{place}.{key}" if place else str(key))
    else:
        yield place, node


@dataclass(frozen=True)
class RunGroup:
    """Runs of one configuration on one corpus, with different seeds."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each run."""
        return tuple(run.seed for run in self.runs)

    @property
    def command(self) -> str:
        """Command that trains any of the runs, without the seed."""
        return shlex.join(_settings(self.runs[0].command))

    @property
    def commits(self) -> tuple[str, ...]:
        """All commits that trained one of the runs."""
        return tuple(sorted({run.commit for run in self.runs}))

    def spread(self, of: str) -> dict[str, Spread]:
        """Describe ``figures``, ``speakers`` or ``stress``: the values that all runs have."""
        first, *others = (getattr(run, of) for run in self.runs)
        shared = [name for name in first if all(name in values for values in others)]
        return {name: Spread.of([getattr(run, of)[name] for run in self.runs]) for name in shared}

    @property
    def figures(self) -> dict[str, Spread]:
        """Figures of the test split."""
        return self.spread("figures")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        seconds = Spread.of([run.training_seconds for run in self.runs])
        return {
            "name": self.name,
            "command": self.command,
            "commits": list(self.commits),
            "seeds": list(self.seeds),
            "runs": [str(run.path) for run in self.runs],
            "n_clips": [run.n_clips for run in self.runs],
            "n_parameters": [run.n_parameters for run in self.runs],
            "training_seconds": seconds.to_dict(),
            "test": _plain(self.figures),
            "speakers": _plain(self.spread("speakers")),
            "stress": _plain(self.spread("stress")),
        }


@dataclass(frozen=True)
class FoldMean:
    """Groups that are folds of a cross-validation, and the mean over folds for each seed.

    Parameters
    ----------
    name : key that is held out.
    folds : names of the groups.
    seeds : seeds that all folds have.
    n_clips : number of clips of all folds together.
    figures : figures over the seeds.
    """

    name: str
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    n_clips: int
    figures: dict[str, Spread]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "folds": list(self.folds),
            "seeds": list(self.seeds),
            "n_clips": self.n_clips,
            "test": _plain(self.figures),
        }


@dataclass(frozen=True)
class Compared:
    """Groups for a comparison, means over folds, and runs in no group with the reason."""

    groups: tuple[RunGroup, ...]
    folds: tuple[FoldMean, ...]
    alone: tuple[tuple[Path, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "groups": [group.to_dict() for group in self.groups],
            "folds": [mean.to_dict() for mean in self.folds],
            "alone": [{"run": str(path), "why": why} for path, why in self.alone],
        }

    def write(self, path: Path) -> Path:
        """Write the comparison as JSON, and return the path."""
        try:
            return write_json(path, self.to_dict())
        except OSError as error:
            raise DataError(f"output={str(path)!r} cannot be written: {error}") from error


def _plain(spreads: Mapping[str, Spread]) -> dict[str, Any]:
    return {name: spread.to_dict() for name, spread in spreads.items()}


def compared(folders: Sequence[Path]) -> Compared:
    """Group the runs in folders by everything except their seed.

    Runs of a group share configuration and corpus. Groups are folds if their configurations differ
    in a single key whose name begins with ``held_out``.

    Raises
    ------
    ConfigurationError
        if there is no run in a folder.
    """
    by_identity: dict[str, list[Run]] = defaultdict(list)
    alone: list[tuple[Path, str]] = []
    for path in _run_folders(folders):
        try:
            run = Run.load(path)
        except DataError as error:
            alone.append((path, str(error)))
            continue
        same = by_identity[_identity(run) + run.corpus]
        if twin := next((other for other in same if other.seed == run.seed), None):
            alone.append((path, f"seed {run.seed} again, as {twin.path}"))
        else:
            same.append(run)
    members = [tuple(sorted(runs, key=lambda run: run.seed)) for runs in by_identity.values()]
    groups = tuple(map(RunGroup, _names([runs[0] for runs in members]), members))
    return Compared(groups, tuple(_fold_means(groups)), tuple(alone))


def is_several(folders: Sequence[Path]) -> bool:
    """Return whether folders are anything other than the folder of one training."""
    return len(folders) > 1 or not (folders[0] / "metrics.json").is_file()


def _run_folders(folders: Sequence[Path]) -> list[Path]:
    """Return the folders that hold ``metrics.json``: the given ones, or those within them."""
    found: dict[Path, Path] = {}
    for folder in map(Path, folders):
        files = [folder / "metrics.json"]
        if not files[0].is_file():
            files = sorted(folder.rglob("metrics.json"))
        if not files:
            raise ConfigurationError(
                f"run={str(folder)!r} holds no metrics.json; give the output_dir of a training, "
                "or a folder of several"
            )
        found |= {file.parent.resolve(): file.parent for file in files}
    return list(found.values())


def _identity(run: Run, *without: str) -> str:
    kept = {key: run.config[key] for key in run.config if key not in (*WITHOUT_EFFECT, *without)}
    return json.dumps(kept, sort_keys=True, default=str)


def _settings(command: str) -> list[str]:
    """Return the words of a command, without those that differ for every run."""
    words = (word.removeprefix("++") for word in shlex.split(command))
    return [word for word in words if word.partition("=")[0] not in OF_EACH_RUN]


def _names(runs: Sequence[Run]) -> list[str]:
    """Name each run by the part of its command line that not all runs share."""
    settings = [_settings(run.command) for run in runs]
    shared = set(settings[0]).intersection(*settings[1:]) if settings else set()
    recipe = next((word for word in shared if word.startswith("+recipe=")), "trainings")
    names: list[str] = []
    for words in settings:
        name = " ".join(word for word in words if word not in shared) or recipe
        n_same = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({n_same + 1})" if n_same else name)
    return names


def _fold_means(groups: Sequence[RunGroup]) -> Iterable[FoldMean]:
    by_rest: dict[tuple[str, str], list[RunGroup]] = defaultdict(list)
    for group in groups:
        run = group.runs[0]
        for key, value in run.config.items():
            if value and key.rpartition(".")[2].startswith("held_out"):
                by_rest[key, _identity(run, key)].append(group)
    for (key, _), folds in by_rest.items():
        values = {json.dumps(fold.runs[0].config[key], default=str) for fold in folds}
        seeds = set(folds[0].seeds).intersection(*(fold.seeds for fold in folds))
        if len(values) == len(folds) > 1 and seeds:
            yield _fold_mean(key, folds, sorted(seeds))


def _fold_mean(key: str, folds: Sequence[RunGroup], seeds: Sequence[int]) -> FoldMean:
    by_seed = [{run.seed: run for run in fold.runs} for fold in folds]
    figures = {
        name: Spread.of(
            [statistics.fmean(runs[seed].figures[name] for runs in by_seed) for seed in seeds]
        )
        for name in FIGURES
    }
    n_clips = sum(fold.runs[0].n_clips for fold in folds)
    names = tuple(fold.name for fold in folds)
    return FoldMean(f"mean of {len(folds)} folds: {key}", names, tuple(seeds), n_clips, figures)
