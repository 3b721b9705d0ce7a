"""A recurrent language model: P(token | all tokens before it) (Mikolov et al., 2010)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import save
from torch import Generator, Tensor, nn

from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.language.scoring import TokenScorer, check_model
from speech_rnn.language.text import SPACE, tokens_of
from speech_rnn.storage import atomic
from speech_rnn.storage.weights import check_sizes, check_weights
from speech_rnn.vocabulary import Vocabulary

BOUNDARY, UNKNOWN = 0, 1
"""Ids of a sentence's start and end, and of tokens that training has not seen."""
N_MARKS = 2
FORMAT_VERSION = 1
CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}

State = Any
"""State of the recurrent layers: (L, B, H), or two of them for an LSTM."""


class RecurrentLanguageModel(nn.Module):
    """Embedding, recurrent layers, and a softmax over the tokens.

    Parameters
    ----------
    tokens : the words or characters of the model.
    unit : ``words`` or ``characters``.
    cell : ``gru`` or ``lstm``.
    embedding_size, hidden_size, n_layers : sizes of the network.
    dropout : probability of dropout before, between and after the recurrent layers.

    Raises
    ------
    ConfigurationError
        if the cell or unit is unknown, or there are no tokens.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        unit: str = "words",
        *,
        cell: str = "gru",
        embedding_size: int = 64,
        hidden_size: int = 128,
        n_layers: int = 1,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ConfigurationError(f"cell={cell!r} must be one of {', '.join(CELLS)}")
        if unit not in ("words", "characters"):
            raise ConfigurationError(f"unit={unit!r} must be words or characters")
        if not tokens:
            raise ConfigurationError("tokens=[] has no tokens; name at least one")
        self.words, self.unit = tuple(tokens), unit
        self.name = "language model"
        self._sizes = {
            "cell": cell,
            "embedding_size": embedding_size,
            "hidden_size": hidden_size,
            "n_layers": n_layers,
            "dropout": dropout,
        }
        self.ids = {token: number for number, token in enumerate(self.words, start=N_MARKS)}
        self.embedding = nn.Embedding(len(self.words) + N_MARKS, embedding_size)
        self.layers = CELLS[cell](
            embedding_size,
            hidden_size,
            n_layers,
            batch_first=True,
            dropout=dropout if n_layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, len(self.words) + N_MARKS)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values for JSON."""
        return {"tokens": list(self.words), "unit": self.unit, **self._sizes}

    def forward(self, ids: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Return log-probabilities (B, L, V) of the next token at each of `ids` (B, L), and states.

        A sentence starts with the boundary token, and without a state.
        """
        hidden, state = self.layers(self.dropout(self.embedding(ids)), state)
        return self.output(self.dropout(hidden)).log_softmax(dim=-1), state

    def encode(self, sentence: str) -> list[int]:
        """Return the ids of a sentence, without its boundaries."""
        return [self.ids.get(token, UNKNOWN) for token in tokens_of(sentence, self.unit)]

    @torch.inference_mode()
    def score(self, sentence: str) -> tuple[float, int]:
        """Score a sentence; see `LanguageModel.score`."""
        ids = self.encode(sentence)
        log_probs, _ = self.eval()(torch.tensor([[BOUNDARY, *ids]]))
        following = torch.tensor([*ids, BOUNDARY])
        scores = log_probs[0].gather(1, following[:, None])[:, 0]
        known = following != UNKNOWN
        return float(scores[known].double().sum()), int(known.sum())

    def sentences(
        self, number: int, seed: int = 0, *, temperature: float = 1.0, longest: int = 100
    ) -> list[str]:
        """Sample sentences.

        Parameters
        ----------
        number : number of sentences.
        seed : seed of the random generator.
        temperature : divisor of the log-probabilities; near 0, only the most probable is sampled.
        longest : length in tokens at which a sentence is cut off.

        Raises
        ------
        ConfigurationError
            if the temperature is not above 0.
        """
        if not temperature > 0:
            raise ConfigurationError(f"temperature={temperature} must be above 0")
        generator = torch.Generator().manual_seed(seed)
        return [self._sentence(generator, temperature, longest) for _ in range(number)]

    @torch.inference_mode()
    def _sentence(self, generator: Generator, temperature: float, longest: int) -> str:
        self.eval()
        drawn: list[str] = []
        token, state = BOUNDARY, None
        while len(drawn) < longest:
            log_probs, state = self(torch.tensor([[token]]), state)
            log_probs[..., UNKNOWN] = -torch.inf
            weights = (log_probs[0, 0] / temperature).softmax(dim=0)
            token = int(torch.multinomial(weights, 1, generator=generator))
            if token == BOUNDARY:
                break
            drawn.append(self.words[token - N_MARKS])
        if self.unit == "words":
            return " ".join(drawn)
        return "".join(" " if token == SPACE else token for token in drawn)

    def scorer(self, vocabulary: Vocabulary) -> TokenScorer:
        """Return a scorer for a vocabulary's tokens; see `LanguageModel.scorer`."""
        return _RecurrentScorer(self, vocabulary)

    def save(self, path: str | Path, provenance: dict[str, Any] | None = None) -> None:
        """Write one safetensors file with JSON metadata."""
        description = {
            "version": FORMAT_VERSION,
            "language_model": self.hyperparameters,
            "provenance": provenance or {},
        }
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        atomic.write(path, save(tensors, {"speech_rnn": json.dumps(description)}))

    @classmethod
    def load(cls, path: str | Path) -> RecurrentLanguageModel:
        """Read a file of `save`. No code of the file is run.

        Raises
        ------
        ModelError
            if the file is missing, truncated, or not a language model.
        """
        try:
            with safe_open(str(path), framework="pt") as file:
                description = json.loads((file.metadata() or {})["speech_rnn"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            settings = description["language_model"]
            check_sizes(settings, len(tensors))
            check_weights(lambda: cls(**settings), tensors)
            model = cls(**settings)
            model.load_state_dict(tensors)
            model.score("")  # fail here rather than later if settings are wrong
        except Exception as error:  # an untrusted file may cause an error of any kind
            raise ModelError(
                f"lm={str(path)!r} cannot be read as a language model: {error!s:.200}; give the "
                "language_model.safetensors or ngram.arpa that +recipe=language_model wrote"
            ) from error
        model.name = str(path)
        return model.eval()


class _RecurrentScorer(TokenScorer):
    """A scorer whose states are the prefixes met so far."""

    def __init__(self, model: RecurrentLanguageModel, vocabulary: Vocabulary) -> None:
        super().__init__(len(vocabulary))
        check_model(model, vocabulary)
        self.model = model.eval()
        # A token of the vocabulary may be several words of the model.
        self.spelled = [
            [model.ids.get(word, UNKNOWN) for word in tokens_of(token, model.unit)]
            for token in vocabulary.tokens
        ]
        self.first = np.array([ids[0] for ids in self.spelled])
        self.compound = [token for token, ids in enumerate(self.spelled) if token and len(ids) > 1]
        self.hidden: list[Tensor] = []
        self._step([[BOUNDARY]], [None])

    def extend(self, states: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        spoken = [self.spelled[token] for token in tokens.tolist()]
        return self._step(spoken, [self.hidden[state] for state in states.tolist()])

    @torch.inference_mode()
    def _step(self, spoken: list[list[int]], before: list[Tensor | None]) -> NDArray[np.int64]:
        """Read the ids of one token after each state, in one batch for those of equal length."""
        numbers = np.empty(len(spoken), dtype=np.int64)
        sizes = np.array([len(ids) for ids in spoken])
        for size in np.unique(sizes):
            places = np.flatnonzero(sizes == size)
            ids = torch.tensor([spoken[place] for place in places])
            log_probs, state = self.model(ids, _stacked([before[place] for place in places]))
            rows = log_probs[:, -1].double().numpy()  # (n, V)
            hidden = _unstacked(state)
            scores = rows[:, self.first]
            scores[:, 0] = 0.0
            for token in self.compound:
                scores[:, token] = self._chain(rows, state, self.spelled[token])
            numbers[places] = self.add(scores, rows[:, BOUNDARY])
            self.hidden += hidden
        return numbers

    def _chain(
        self, rows: NDArray[np.float64], state: State, ids: list[int]
    ) -> NDArray[np.float64]:
        """Score the words of one token one after the other."""
        following = torch.tensor([ids[:-1]]).expand(len(rows), -1)
        log_probs, _ = self.model(following, state)
        rest = log_probs.double().numpy()[:, np.arange(len(ids) - 1), ids[1:]]
        return rows[:, ids[0]] + rest.sum(axis=1)


def _stacked(states: list[Tensor | None]) -> State:
    """Stack states (parts, L, H) to a batch for torch's layers: (L, B, H) each."""
    if states[0] is None:
        return None
    parts = torch.stack([state for state in states if state is not None], dim=2)  # (P, L, B, H)
    return parts[0].contiguous() if len(parts) == 1 else tuple(part.contiguous() for part in parts)


def _unstacked(state: State) -> list[Tensor]:
    parts = torch.stack(state if isinstance(state, tuple) else (state,))  # (P, L, B, H)
    return list(parts.unbind(dim=2))
