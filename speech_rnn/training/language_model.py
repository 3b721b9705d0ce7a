"""Train a recurrent language model on a text, and an n-gram model to compare it with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speech_rnn.data.batching import bucketed
from speech_rnn.data.splits import hash_percentage
from speech_rnn.engines.device import check_precision, choose_device
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.language.ngram import NGram
from speech_rnn.language.recurrent import BOUNDARY, RecurrentLanguageModel
from speech_rnn.language.scoring import perplexity
from speech_rnn.language.text import read_sentences, tokens_of
from speech_rnn.storage.atomic import write_json
from speech_rnn.tensors.processes import process_of
from speech_rnn.training.claiming import claimed
from speech_rnn.training.fitting import fit
from speech_rnn.training.module import SeededModule
from speech_rnn.training.settings import Run

log = logging.getLogger(__name__)
PADDING = -100


@dataclass(frozen=True)
class LanguageModelResult:
    """The two models, and their scores on the test sentences.

    Parameters
    ----------
    recurrent, ngram : files of the models.
    perplexity, ngram_perplexity : perplexity per token, where the end of a sentence is a token.
    n_sentences : number of sentences of each split.
    samples : sentences sampled from the recurrent model.
    """

    recurrent: Path
    ngram: Path
    perplexity: float
    ngram_perplexity: float
    n_sentences: dict[str, int]
    samples: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self) | {"recurrent": self.recurrent.name, "ngram": self.ngram.name}


def train_language_model(
    text: str,
    run: Run,
    *,
    validation_text: str | None = None,
    test_text: str | None = None,
    unit: str = "words",
    order: int = 3,
    cell: str = "gru",
    embedding_size: int = 64,
    hidden_size: int = 128,
    n_layers: int = 1,
    dropout: float = 0.3,
) -> LanguageModelResult:
    """Train a recurrent language model and an n-gram model on the same sentences.

    Parameters
    ----------
    text, validation_text, test_text : files with one sentence per line. If the latter two are
        None, a tenth each of the distinct sentences of `text` are validation and test, by hash.
    run : optimizer, epochs, seed and folder, which receives ``language_model.safetensors``,
        ``ngram.arpa``, ``metrics.json``, ``config.yaml``, ``checkpoints/`` and ``logs/``. The
        device is the CPU.
    unit : ``words`` or ``characters``.
    order : length of the longest n-gram in tokens.
    cell, embedding_size, hidden_size, n_layers, dropout : architecture of the network.

    Raises
    ------
    ConfigurationError
        if `run.output_dir` holds another run, a number is out of range, or there are several
        processes.
    DataError
        if a text cannot be read, or a split has no sentences.
    """
    check_precision(choose_device(run.device), run.trainer.precision)
    if (run.trainer.processes or process_of()[1]) > 1 or run.trainer.accumulate > 1:
        raise ConfigurationError(
            "a language model trains in one process, with whole batches; leave out "
            "trainer.devices, trainer.num_nodes and trainer.accumulate"
        )
    with claimed(run.output_dir, run.config, run.resume):
        splits = _splits(text, validation_text, test_text)
        tokenized = [tokens_of(sentence, unit) for sentence in splits["train"]]
        torch.manual_seed(run.seed)
        model = RecurrentLanguageModel(
            sorted({token for tokens in tokenized for token in tokens}),
            unit,
            cell=cell,
            embedding_size=embedding_size,
            hidden_size=hidden_size,
            n_layers=n_layers,
            dropout=dropout,
        )
        training, validation = (_Sentences(model, splits[name]) for name in ("train", "validation"))
        fit(
            _LanguageModule(model, run),
            bucketed(training, training.collate, run.trainer.batch_size, seed=run.seed),
            bucketed(validation, validation.collate, run.trainer.batch_size),
            replace(run, device="cpu"),
        )
        grams = NGram.estimate(tokenized, order)
        recurrent, ngram = (
            run.output_dir / "language_model.safetensors",
            run.output_dir / "ngram.arpa",
        )
        model.save(recurrent, run.provenance())
        grams.save(ngram)
        result = LanguageModelResult(
            recurrent,
            ngram,
            perplexity(model, splits["test"]),
            perplexity(grams, splits["test"]),
            {name: len(sentences) for name, sentences in splits.items()},
            tuple(model.sentences(5, run.seed)),
        )
        write_json(run.output_dir / "metrics.json", result.to_dict() | run.provenance())
        return result


def _splits(text: str, validation: str | None, test: str | None) -> dict[str, list[str]]:
    """Return the sentences of each split."""
    sentences = read_sentences(text)
    splits = {"train": sentences, "validation": [], "test": []}
    if validation is None or test is None:
        shares = {sentence: hash_percentage(sentence) for sentence in set(sentences)}
        splits = {
            "train": [one for one in sentences if shares[one] >= 20],
            "validation": [one for one in sentences if 10 <= shares[one] < 20],
            "test": [one for one in sentences if shares[one] < 10],
        }
    for name, path in (("validation", validation), ("test", test)):
        if path is not None:
            splits[name] = read_sentences(path)
    for name, found in splits.items():
        if not found:
            raise DataError(
                f"text={text!r} leaves the {name} split without a sentence; give more, or "
                "validation_text and test_text"
            )
    log.info("sentences: %s", {name: len(found) for name, found in splits.items()})
    return splits


class _Sentences:
    """Token ids of sentences, for batches of similar length."""

    def __init__(self, model: RecurrentLanguageModel, sentences: Sequence[str]) -> None:
        self.ids = [torch.tensor(model.encode(sentence)) for sentence in sentences]
        self.n_samples = np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: the sentences are the same in every epoch."""

    def collate(self, indices: list[int]) -> tuple[Tensor, Tensor]:
        """Return input tokens and the tokens that follow them, (B, L) each."""
        boundary = torch.tensor([BOUNDARY])
        read = [torch.cat([boundary, self.ids[index]]) for index in indices]
        following = [torch.cat([self.ids[index], boundary]) for index in indices]
        return (
            pad_sequence(read, batch_first=True, padding_value=BOUNDARY),
            pad_sequence(following, batch_first=True, padding_value=PADDING),
        )


class _LanguageModule(SeededModule):
    def loss(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, int]:
        return self._loss(*batch), len(batch[0])

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        n_tokens = int((batch[1] != PADDING).sum())
        self.log("validation/loss", self._loss(*batch), batch_size=n_tokens, prog_bar=True)

    def _loss(self, read: Tensor, following: Tensor) -> Tensor:
        log_probs, _ = self.model(read)
        return F.nll_loss(log_probs.transpose(1, 2), following, ignore_index=PADDING)
