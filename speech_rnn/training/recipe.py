"""The data and the parts from which a Recognizer is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from speech_rnn.augment import Augment
from speech_rnn.data.combining import exclude, joined, to_train
from speech_rnn.data.connected import Connected
from speech_rnn.data.corpus import Corpus, PartedRows, Source
from speech_rnn.data.negatives import Negatives
from speech_rnn.errors import ConfigurationError
from speech_rnn.features import LogMel
from speech_rnn.model import AcousticModel
from speech_rnn.streaming.spotter import Spotting


@dataclass(frozen=True)
class Recipe:
    """The data and the parts from which a Recognizer is trained.

    Parameters
    ----------
    source : source of the corpus.
    features : feature extractor, waveform to frames.
    model : function that returns the untrained model; it is called with ``n_features``,
        ``n_outputs`` and ``head``.
    front_weights : file of a front's weights, see `model.pretrained.pretrained`; None takes them
        from an installed package.
    extra : another source of the same words, whose training clips are added; its other words become
        ``_unknown_`` if that is a class.
    exclude : CSV file of clips of `source` to leave out, see `data.combining.exclude`.
    negatives : sounds that are none of the words; None adds nothing.
    connected : how isolated words are joined into utterances; None keeps them isolated.
    augment : augmentation of the training clips; None changes nothing.
    unit : ``classes`` for one answer per clip; ``words`` or ``characters`` for CTC.
    token_bonus : added to the score of a decoded sequence for each of its tokens.
    keep : share of the correct validation answers that a classifier's thresholds keep, in (0, 1];
        None sets no thresholds: every clip is answered.
    false_accepts : share of the validation clips of other words that may be answered with a word,
        in [0, 1). It replaces `keep` for a classifier, and sets the threshold of clips for spotted
        words.
    spotting : settings with which words of a stream are detected, unless `speech_rnn.tune` finds
        better ones; None uses the defaults of the head.
    """

    source: Source
    features: LogMel
    model: Callable[..., AcousticModel]
    front_weights: str | Path | None = None
    extra: Source | None = None
    exclude: str | Path | None = None
    negatives: Negatives | None = None
    connected: Connected | None = None
    augment: Augment | None = None
    unit: str = "classes"
    token_bonus: float = 0.0
    keep: float | None = None
    false_accepts: float | None = None
    spotting: Spotting | None = None

    def corpus(self) -> Corpus:
        """Prepare the corpus, with added and without excluded clips."""
        return self.connect(self.isolated())

    def connect(self, corpus: Corpus) -> Corpus:
        """Put utterances in the place of isolated words, if they are to be joined."""
        return corpus if self.connected is None else self.connected.join(corpus)

    def isolated(self) -> Corpus:
        """Prepare the corpus before its words are joined into utterances."""
        corpus = self.source.prepare()
        if isinstance(corpus.utterances, PartedRows):
            self._check_shards()
        if self.exclude is not None:
            corpus = exclude(corpus, self.exclude)
        if self.extra is not None:
            corpus = joined(corpus, to_train(self.extra.prepare()))
        if self.negatives is not None:
            corpus = self.negatives.join(corpus, to_train=True)
        return corpus

    def _check_shards(self) -> None:
        """Raise for clips that would join those of shards, or leave them."""
        for name, no in (("exclude", "null"), ("extra", "null"), ("negatives", "none")):
            if getattr(self, name) is not None:
                raise ConfigurationError(
                    f"{name} changes the clips of a corpus, and shards are read as they are: write "
                    f"shards with it (speech-rnn shard), and train with {name}={no}"
                )
