"""Build the objects that a configuration describes, and use them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from speech_rnn.errors import ConfigurationError, DataError, did_you_mean

if TYPE_CHECKING:
    from speech_rnn.data.corpus import Corpus, Source, Utterance
    from speech_rnn.detection.det_curve import Scene
    from speech_rnn.recognizer import Recognizer
    from speech_rnn.training import Recipe, Run, TrainingResult

OF_THIS_RUN = ("resume", "device", "output_dir", "test", "cache", "workers")
"""Keys that may change when a run is resumed."""
OF_THESE_PROCESSES = ("devices", "num_nodes")
"""Keys of the trainer that may change as well."""
ALL = "all"
"""Name of a split that stands for the clips of all splits."""


def kept_config(cfg: DictConfig, *passing: str) -> str:
    """Return the part of a configuration that must not change on a resume: not `passing` keys."""
    kept = [str(key) for key in cfg if key not in (*OF_THIS_RUN, *passing)]
    config = OmegaConf.masked_copy(cfg, kept)
    if "trainer" in config:
        config.trainer = {
            key: value for key, value in config.trainer.items() if key not in OF_THESE_PROCESSES
        }
    return OmegaConf.to_yaml(config)


def run_of(cfg: DictConfig, output_dir: str | Path, config: str) -> Run:
    """Return optimizer, epochs, seed and device from `cfg`."""
    from speech_rnn.data.placing import Placing
    from speech_rnn.training import Run

    return Run(
        instantiate(cfg.optim),
        instantiate(cfg.trainer),
        seed=cfg.seed,
        device=cfg.device,
        output_dir=Path(output_dir),
        resume=cfg.resume,
        config=config,
        placing=Placing(cfg.cache, cfg.workers, Path(cfg.paths.data) / "cache"),
    )


def train_on(source: Source, cfg: DictConfig, run: Run, *, command: str = "") -> TrainingResult:
    """Train on a source with the settings of `cfg`."""
    from speech_rnn.training import train

    return train(recipe_of(source, cfg), run, test=cfg.test, command=command)


def recipe_of(source: Source, cfg: DictConfig) -> Recipe:
    """Return the parts of a recogniser from `cfg`, to be trained on a source."""
    from speech_rnn.training import Recipe

    return Recipe(
        source,
        instantiate(cfg.features),
        instantiate(cfg.model, _partial_=True),
        front_weights=cfg.front_weights,
        extra=instantiate(cfg.extra),
        exclude=cfg.exclude,
        negatives=instantiate(cfg.negatives) or None,
        connected=instantiate(cfg.connected) or None,
        augment=instantiate(cfg.augment),
        unit=cfg.vocabulary,
        token_bonus=cfg.token_bonus,
        keep=cfg.keep,
        false_accepts=cfg.false_accepts,
        spotting=instantiate(cfg.spotting) or None,
    )


def corpus_of(cfg: DictConfig) -> Corpus:
    """Return the corpus of `cfg` with isolated words; with ``split=all``, all clips are test.

    Raises
    ------
    ConfigurationError
        if the split is unknown.
    """
    from speech_rnn.data.combining import exclude, to_test
    from speech_rnn.data.corpus import SPLITS

    split = cfg.get("split", "test")  # a training has no key split: it uses all of them
    if split not in (*SPLITS, ALL):
        hint = did_you_mean(str(split), (*SPLITS, ALL))
        raise ConfigurationError(f"split={split!r} does not exist{hint}")
    corpus: Corpus = instantiate(cfg.data).prepare()
    if cfg.exclude:
        corpus = exclude(corpus, cfg.exclude)
    if split == ALL:
        corpus = to_test(corpus)
    if negatives := instantiate(cfg.negatives):
        corpus = negatives.join(corpus)
    return corpus


def split_of(cfg: DictConfig) -> Sequence[Utterance]:
    """Return the utterances that `cfg` selects."""
    corpus = corpus_of(cfg)
    if connected := instantiate(cfg.connected):
        corpus = connected.join(corpus)
    rows = corpus.split(_name(cfg.split))
    if not rows:
        raise DataError(f"split={cfg.split!r} has no clips; split={ALL} takes those of all splits")
    return rows


def _name(split: str) -> str:
    return "test" if split == ALL else split


def scenes_of(cfg: DictConfig, recognizer: Recognizer) -> list[Scene]:
    """Return the scenes for a recogniser: recordings, or a stream with the words of a split."""
    from speech_rnn.evaluation.foreign import check_texts

    if cfg.audio:
        from speech_rnn.detection.recordings import read_recordings

        words = recognizer.vocabulary.words
        return [*read_recordings(cfg.audio, cfg.labels, words)]
    if cfg.labels:
        raise ConfigurationError(
            f"labels={list(cfg.labels)} need the recordings that they describe: audio=[DIR]"
        )
    streams, corpus = instantiate(cfg.streams), corpus_of(cfg)
    spoken = [row for row in corpus.split(_name(cfg.split)) if row.text in corpus.words]
    check_texts(spoken, recognizer.vocabulary)
    return [streams.compose(corpus, _name(cfg.split), recognizer.sample_rate)]
