"""Find doubtful labels with recognisers that were not trained on the clips."""

from __future__ import annotations

import csv
import io
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from speech_rnn.data.combining import exclude as excluded
from speech_rnn.data.corpus import Corpus, Source, Utterance
from speech_rnn.data.rng import choose
from speech_rnn.data.splits import hash_percentage
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.decoding.decoder import Decoder
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.results import Row
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.metrics import Accuracy
from speech_rnn.recognizer import Recognizer
from speech_rnn.storage import atomic

log = logging.getLogger(__name__)

Train = Callable[[Source, Path], Path]
"""A function that trains on a corpus, in a folder, and returns the Recognizer's file."""
FOUND_SHARE = 0.08
"""Share of the ranking in which planted label errors are counted as found."""
FIGURES = ("rank", "given", "likely", "margin", "fold", "is_planted")


@dataclass(frozen=True)
class Doubt:
    """A clip and how doubtful its label is.

    Parameters
    ----------
    rank : 1 is the most doubtful.
    utterance : the clip, with its label in the audit.
    given : the label; ``_unknown_`` if the text belongs to that class.
    likely : the most probable label, according to a recogniser that was not trained on the clip.
    margin : probability of the given label minus that of the most probable other one; below 0 the
        recogniser disagrees (Northcutt et al., "Confident learning", 2021: normalized margin).
    fold : the fold of the clip.
    is_planted : whether the label was made wrong to test the audit.
    """

    rank: int
    utterance: Utterance
    given: str
    likely: str
    margin: float
    fold: int
    is_planted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a table, with the clip as `exclude` names it."""
        clip = {
            "audio": self.utterance.audio,
            "start_seconds": self.utterance.start_seconds,
            "text": self.utterance.text,
        }
        return clip | {name: getattr(self, name) for name in FIGURES}


@dataclass(frozen=True)
class Audit:
    """All readable clips, the most doubtful first, and the clips that cannot be read."""

    doubts: tuple[Doubt, ...]
    failures: tuple[Row, ...] = ()

    @property
    def is_trial(self) -> bool:
        """Whether labels were made wrong on purpose: then disputed labels are not the corpus's."""
        return any(doubt.is_planted for doubt in self.doubts)

    @property
    def disputed(self) -> tuple[Doubt, ...]:
        """The clips with whose label the recogniser disagrees."""
        return tuple(doubt for doubt in self.doubts if doubt.margin < 0)

    @property
    def recall(self) -> Accuracy | None:
        """Share of planted errors in the first 8 % of the ranking; None without any."""
        planted = [doubt for doubt in self.doubts if doubt.is_planted]
        first = round(FOUND_SHARE * len(self.doubts))
        if not planted:
            return None
        return Accuracy(sum(doubt.rank <= first for doubt in planted), len(planted))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "n_clips": len(self.doubts),
            "n_disputed": len(self.disputed),
            "failures": [row.to_dict() for row in self.failures],
            "planted_recall": self.recall and self.recall.to_dict(),
        }

    def write(self, folder: str | Path) -> None:
        """Write ``audit.json``, ``ranking.csv`` and, as input of `exclude`, ``disputed.csv``.

        With planted errors there is no ``disputed.csv``, because it would list those.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        atomic.write_json(folder / "audit.json", self.to_dict())
        tables = {"ranking": self.doubts}
        if not self.is_trial:
            tables["disputed"] = self.disputed
        for name, doubts in tables.items():
            table = io.StringIO(newline="")
            writer = csv.DictWriter(table, ["audio", "start_seconds", "text", *FIGURES])
            writer.writeheader()
            writer.writerows(doubt.to_dict() for doubt in doubts)
            atomic.write(folder / f"{name}.csv", table.getvalue())


@dataclass(frozen=True)
class _Fold:
    """A corpus whose test split is one fold."""

    corpus: Corpus

    def prepare(self) -> Corpus:
        return self.corpus


def audit(
    source: Source,
    train: Train,
    output_dir: str | Path,
    *,
    folds: int = 5,
    planted_share: float = 0.0,
    exclude: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Audit:
    """Rank the clips of a corpus by how doubtful their labels are.

    All splits are joined and cut into folds, stratified by label. A speaker may be in several
    folds, because labels of known speakers are judged best. For each fold, a recogniser is trained
    on all other folds and recognises the clips of this one.

    Parameters
    ----------
    train : function that trains on a source, in a folder, with one answer per clip.
    planted_share : share of the clips that get a wrong label, to see how many of them are found.
    exclude : a CSV file of clips to leave out, see `data.combining.exclude`.
    seed : seed of the folds and of the planted errors.
    device : device of the recognisers.

    Raises
    ------
    ConfigurationError
        if there are fewer than 2 folds, or the share is outside [0, 1).
    DataError
        if the corpus has fewer than two words, or a label has fewer clips than folds.
    """
    if folds < 2:
        raise ConfigurationError(f"folds={folds} must be 2 or more")
    if not 0 <= planted_share < 1:
        raise ConfigurationError(f"planted_share={planted_share} must lie in [0, 1)")
    corpus = source.prepare()
    if exclude is not None:
        corpus = excluded(corpus, exclude)
    if len(corpus.words) < 2:
        raise DataError(
            f"words={list(corpus.words)} leave no other label; audit a corpus of at least two words"
        )
    rows = list(corpus.utterances)
    places = _folds(rows, folds, seed)
    labels = _planted(rows, corpus.words, planted_share, seed)
    relabelled = [replace(row, text=label) for row, label in zip(rows, labels, strict=True)]
    doubts: list[Doubt] = []
    failures: list[Row] = []
    for fold in range(folds):
        log.info("fold %d of %d", fold + 1, folds)
        tested = [index for index, place in enumerate(places) if place == fold]
        part = replace(corpus, utterances=_split(relabelled, places, fold, folds))
        model = train(_Fold(part), Path(output_dir) / f"fold-{fold}")
        recognizer = Recognizer.load(model, device=device)
        recognizer.decoder = Decoder(n_best=len(recognizer.vocabulary))
        # Without thresholds, every clip gets an answer.
        recognizer.calibration = Calibration(recognizer.calibration.temperature)
        found = evaluate(recognizer, [relabelled[index] for index in tested]).rows
        for index, row in zip(tested, found, strict=True):
            if row.hypothesis is None:
                failures.append(row)
            else:
                is_planted = labels[index] != rows[index].text
                doubts.append(_doubt(row, fold, is_planted))
    ranked = sorted(doubts, key=lambda doubt: (doubt.margin, doubt.utterance.audio))
    numbered = (replace(doubt, rank=rank) for rank, doubt in enumerate(ranked, start=1))
    return Audit(tuple(numbered), tuple(failures))


def _folds(rows: Sequence[Utterance], folds: int, seed: int) -> list[int]:
    """Return the fold of each clip by the hash of its name; each label is spread evenly."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        members[row.text].append(index)
    if few := [text for text, clips in members.items() if len(clips) < folds]:
        raise DataError(
            f"folds={folds} are more folds than there are clips of {', '.join(few)}; record "
            "more, or take fewer"
        )
    places = [0] * len(rows)
    for clips in members.values():
        clips.sort(key=lambda index: hash_percentage(_name(rows[index]), seed))
        for place, index in enumerate(clips):
            places[index] = place % folds
    return places


def _name(row: Utterance) -> str:
    path = Path(row.audio)
    return f"{path.parent.name}/{path.name}/{row.start_seconds}"


def _planted(rows: Sequence[Utterance], words: Sequence[str], share: float, seed: int) -> list[str]:
    """Return the labels, with a share of them wrong."""
    order = sorted(
        range(len(rows)), key=lambda index: hash_percentage(_name(rows[index]), seed + 1)
    )
    wrong = set(order[: round(share * len(rows))])
    return [
        choose([word for word in words if word != row.text], Random(f"{seed}/{_name(row)}"))
        if index in wrong
        else row.text
        for index, row in enumerate(rows)
    ]


def _split(
    rows: Sequence[Utterance], places: Sequence[int], fold: int, folds: int
) -> tuple[Utterance, ...]:
    """Use a fold as test, a tenth of the next as validation, and the rest for training."""
    following = [index for index, place in enumerate(places) if place == (fold + 1) % folds]
    validation = set(following[:: max(1, len(following) // max(1, len(rows) // 10))])
    splits = (
        "test" if place == fold else "validation" if index in validation else "train"
        for index, place in enumerate(places)
    )
    return tuple(replace(row, split=split) for row, split in zip(rows, splits, strict=True))


def _doubt(row: Row, fold: int, is_planted: bool) -> Doubt:
    """Compare the probability of a clip's label with that of the best other one."""
    assert row.hypothesis is not None
    answers = (row.hypothesis, *row.hypothesis.alternatives)
    shares = {answer.label: answer.confidence for answer in answers}
    given = row.reference
    share = shares.pop(given, 0.0)
    other = max(shares, key=lambda label: shares[label])
    likely = other if shares[other] > share else given
    margin = round(share - shares[other], 6)
    return Doubt(0, row.utterance, given, likely, margin, fold, is_planted)
