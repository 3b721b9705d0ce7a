"""AcousticModel: a network that is assembled from layers as the configuration says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, prod
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech_rnn.errors import ConfigurationError, did_you_mean
from speech_rnn.model.chunks import Chunks
from speech_rnn.model.embedding import SpeechEmbedding
from speech_rnn.model.front import Front
from speech_rnn.model.layers import (
    Attention,
    Convolution,
    MaskedBatchNorm,
    RecurrentLayer,
    ceil_div,
    initialize_recurrence,
    reading_backward,
    step_at,
)
from speech_rnn.model.recurrent_front import RecurrentFront
from speech_rnn.model.stream import (
    Each,
    Forwards,
    InChunks,
    ModelStream,
    Part,
    Sliding,
)
from speech_rnn.model.whisper import SIZES, WhisperEncoder
from speech_rnn.tensors.lengths import zero_beyond

CHOICES = {
    "head": ("classification", "ctc"),
    "front": ("embedding", "speech_embedding", *SIZES, None),
    "cell": ("gru", "lstm", "rnn_tanh", "rnn_relu"),
    "pooling": ("last", "mean", "attention", None),
    "query": ("learned", "middle"),
}
COUNTS = ("n_features", "n_outputs", "hidden_size", "n_layers", "stack", "n_heads")
MOST_LAYERS, MOST = 2**10, 2**20
"""Largest number of layers, and largest value of all other sizes."""
NOT_GIVEN = ("self", "__class__")


class AcousticModel(nn.Module):
    """A recurrent network that scores the classes of a clip, or the tokens of every step.

    The frames (B, T, D) pass in this order through batch normalisation of the features, or a
    pre-trained front; convolutions; stacking; the recurrent layers; for classification, pooling
    over time; dense layers with ReLU; and the output layer.
    ``AcousticModel(**model.hyperparameters)`` is the same model, untrained.

    Parameters
    ----------
    n_features : width D of the frames.
    n_outputs : number C of outputs: the classes, or for CTC the tokens with the blank, which is
        token 0.
    head : ``classification`` for one answer per clip, ``ctc`` for one per step.
    front : a pre-trained network that turns frames into embeddings; training starts from its
        weights. ``embedding``: the package's own, `recurrent_front.RecurrentFront`;
        ``speech_embedding``: Google's, `embedding.SpeechEmbedding`; ``whisper_tiny`` and larger
        ones: OpenAI's, for whole clips, `whisper.WhisperEncoder`.
    n_frozen : number of the front's first layers that are not trained.
    levels_clips : whether a third-party front normalises the level of each clip, for which it needs
        the whole clip.
    cell : ``gru``, ``lstm``, or the Elman network ``rnn_tanh`` or ``rnn_relu``.
    hidden_size : number of units of a layer in one direction.
    n_layers : number of recurrent layers.
    bidirectional : whether each layer reads the clip in both directions.
    chunk : number of steps per chunk. The backward direction starts anew `look_ahead` steps after
        the end of each chunk, which bounds the latency (`chunks.Chunks`). None starts it at the end
        of the clip.
    look_ahead : number of steps after a chunk with which the backward direction begins.
    dropout : probability of dropout after the front, between recurrent layers and before the head.
    stack : number of neighbouring frames that form one step; the last step is padded with zeros.
    input_normalization : batch normalisation of the features, over frames that are not padding; a
        front replaces it.
    convolutions : mappings of ``channels``, ``kernel`` (in steps) and ``stride`` (1). Convolutions
        are over time only; each is followed by ReLU and batch normalisation, as in MHAtt-RNN.
    causal : whether the convolutions see no later frames.
    pooling : pooling of a classification: the ``last`` state of each direction (with a `chunk`,
        both at the last step), the ``mean`` over time, or ``attention``. CTC scores every step and
        ignores `pooling`, `n_heads` and `query`.
    n_heads : number of attention heads; each weighs whole hidden vectors, so any number works.
    query : query of the heads: ``learned`` vectors, or projections of the clip's ``middle`` step
        (MHAtt-RNN: Rybakov et al., "Streaming keyword spotting on mobile devices", 2020).
    dense : units of the hidden layers before the output: a number, a list, or None.
    blank_bias : initial bias of the CTC blank. A network first learns to emit blanks nearly always;
        with this bias it starts there and learns words sooner (three spoken digits in a row, 7
        epochs, two seeds: 29 % of the clips wrong with 4, 94 % with 0, 69 % with -2).

    Attributes
    ----------
    subsampling : number of frames per step of the logits.
    latency_frames : maximum number of later frames that a step depends on; None for the whole
        clip.

    Raises
    ------
    ConfigurationError
        if a value is out of its range or a name is unknown (the error gives the nearest one), a
        classification has no pooling, causal convolutions precede layers that read backwards over
        the whole clip, or there are chunks without a backward direction.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        *,
        head: str = "classification",
        front: str | None = None,
        n_frozen: int = 0,
        levels_clips: bool = True,
        cell: str = "gru",
        hidden_size: int = 128,
        n_layers: int = 2,
        bidirectional: bool = True,
        chunk: int | None = None,
        look_ahead: int = 0,
        dropout: float = 0.2,
        stack: int = 1,
        input_normalization: bool = True,
        convolutions: Sequence[Mapping[str, int]] | None = None,
        causal: bool = False,
        pooling: str | None = "attention",
        n_heads: int = 4,
        query: str = "learned",
        dense: int | Sequence[int] | None = 64,
        blank_bias: float = 4.0,
    ) -> None:
        super().__init__()
        convolutions = [_checked_convolution(given) for given in convolutions or ()]
        dense = [dense] if isinstance(dense, int) else list(dense or ())
        given = dict(locals())
        self._hyperparameters = {name: given[name] for name in given if name not in NOT_GIVEN}
        _check(self._hyperparameters)

        self.n_features, self.n_outputs, self.head = n_features, n_outputs, head
        self.stack, self.bidirectional = stack, bidirectional
        self.chunk, self.look_ahead = chunk, look_ahead
        self.front = _front(self._hyperparameters)
        self.subsampling: int = stack * prod(spec["stride"] for spec in convolutions)
        if self.front is not None:
            self.subsampling *= self.front.subsampling
            n_features = self.front.n_outputs
        self.latency_frames = _latency(self._hyperparameters, self.front, self.subsampling)

        normalizes = input_normalization and not front  # a front has its own normalisation
        self.normalization = MaskedBatchNorm(n_features) if normalizes else None
        self.convolutions = nn.ModuleList()
        channels = 1
        for spec in convolutions:
            self.convolutions.append(Convolution(channels, **spec, causal=causal))
            channels = spec["channels"]
        width = stack * channels * n_features
        self.layers = nn.ModuleList()
        for _ in range(n_layers):
            self.layers.append(RecurrentLayer(cell, width, hidden_size, bidirectional))
            width = hidden_size * (2 if bidirectional else 1)
        self.dropout = nn.Dropout(dropout)

        self.pooling = pooling if head == "classification" else None
        self.attend: Attention | None = None
        if self.pooling == "attention":
            self.attend = Attention(width, n_heads, query)
            width *= n_heads
        hidden_layers: list[nn.Module] = []
        for size in dense:
            hidden_layers += [nn.Linear(width, size), nn.ReLU()]
            width = size
        self.dense = nn.Sequential(*hidden_layers)
        self.output = nn.Linear(width, n_outputs)
        self._initialize()
        if head == "ctc":
            nn.init.constant_(self.output.bias[:1], blank_bias)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The constructor's arguments, as plain values for JSON."""
        return dict(self._hyperparameters)

    @property
    def n_parameters(self) -> int:
        """Number of weights, including those of a front that are not trained."""
        return sum(weight.numel() for weight in self.parameters())

    def forward(
        self, frames: Tensor, lengths: Tensor, *, embedded: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Score a batch of clips.

        Parameters
        ----------
        frames : (B, T, D); beyond a clip's length they may hold anything.
        lengths : frames of each clip, (B,) integers. An empty clip counts as one frame of zeros.
        embedded : whether the frames are results of `embed`, which the front has processed.

        Returns
        -------
        logits : (B, 1, C) for classification, (B, ⌈T / subsampling⌉, C) for CTC.
        lengths : number of valid steps of the logits, (B,): all 1 for classification.

        Raises
        ------
        ConfigurationError
            if the frames' last axis is not `n_features`.
        """
        hidden, lengths = self.encode(frames, lengths, embedded=embedded)  # (B, T, H)
        if self.pooling is not None:
            hidden = self._pool(hidden, lengths)[:, None]  # (B, 1, H)
            lengths = torch.ones_like(lengths)
        return self.score(hidden), lengths

    def step_logits(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Score every step as a stream does; return (B, ⌈T / subsampling⌉, C) and the lengths.

        A causal classifier that pools the ``last`` state scores the clip up to each step; with a
        `chunk`, it also includes the look-ahead of the step.

        Raises
        ------
        ConfigurationError
            if the pooling needs the whole clip.
        """
        if self.pooling not in (None, "last"):
            raise ConfigurationError(self._reason_of_pooling)
        hidden, lengths = self.encode(frames, lengths)  # (B, T, H)
        return self.score(hidden), lengths

    def score(self, hidden: Tensor) -> Tensor:
        """Map hidden states (..., H), or their pooled values, to logits (..., C)."""
        return self.output(self.dense(self.dropout(hidden)))

    @property
    def can_stream(self) -> bool:
        """Whether steps can be scored before the clip has ended."""
        return not self.reasons_against_streaming()

    def stream(self, batch_size: int = 1) -> ModelStream:
        """Return a stream over `batch_size` clips whose logits equal those of `step_logits`.

        Raises
        ------
        ConfigurationError
            if the model needs the whole clip, see `can_stream`, is in training mode, or
            `batch_size` is below 1.
        """
        if reasons := self.reasons_against_streaming():
            raise ConfigurationError("\n".join(reasons))
        if self.training:
            raise ConfigurationError(
                "a model in training mode cannot stream; call its eval() first"
            )
        if batch_size < 1:
            raise ConfigurationError(f"batch_size={batch_size} must be at least 1")
        no_frames = self.output.weight.new_zeros(batch_size, 0, self.n_features)
        no_logits = self.output.weight.new_zeros(batch_size, 0, self.n_outputs)
        return ModelStream(self._stream_parts, no_frames, no_logits)

    def _stream_parts(self) -> list[Part]:
        """Return the parts of a stream, in the order of `encode` and `score`."""
        parts: list[Part] = []
        if self.front is not None:
            parts += [self.front.stream(), Each(self.front.normalized)]
        if self.normalization is not None:
            parts.append(Each(self.normalization.of_steps))
        parts.append(Each(lambda frames: frames[:, None]))  # (B, 1, t, D)
        for each in cast(Iterable[Convolution], self.convolutions):
            kernel = each.convolution.kernel_size[0]
            parts.append(Sliding(each.convolved, kernel, each.stride, each.padding))
        parts += [
            Sliding(
                lambda maps: self._stacked(maps.transpose(1, 2).flatten(2)),  # (B, t, D')
                self.stack,
                self.stack,
                padding=(0, self.stack - 1),  # pad the last step
            ),
            Forwards(self.recurrence) if self.chunk is None else InChunks(self._in_chunks()),
            Each(self.score),
        ]
        return parts

    def _stacked(self, steps: Tensor) -> Tensor:
        """Map (B, T, D) to (B, T / stack, stack * D)."""
        return steps.reshape(steps.shape[0], -1, self.stack * steps.shape[2])

    def _in_chunks(self) -> Chunks:
        assert self.chunk is not None
        return Chunks(self.recurrence, self.chunk, self.look_ahead, self.dropout)

    def reasons_against_streaming(self) -> list[str]:
        """Return what requires the whole clip in this model, each with a way out."""
        reasons = []
        if self.front is not None:
            reasons += self.front.reasons_against_streaming()
        if self.bidirectional and self.chunk is None:
            reasons.append(
                "bidirectional=True reads each clip backwards from its end; train with "
                "bidirectional=False, or with a chunk and a look_ahead"
            )
        if self.pooling not in (None, "last"):
            reasons.append(self._reason_of_pooling)
        return reasons

    @property
    def _reason_of_pooling(self) -> str:
        return (
            f"pooling={self.pooling!r} weighs the steps of a whole clip; train with "
            "pooling='last', which answers at every step, or with head='ctc'"
        )

    def embed(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return the front's embeddings (B, S, D') before normalisation, and their lengths.

        Without a front, these are the frames.
        """
        if frames.shape[-1] != self.n_features:
            raise ConfigurationError(
                f"frames of n_features={frames.shape[-1]} do not fit a model of "
                f"n_features={self.n_features}; give it the features that it was trained on"
            )
        if frames.shape[1] == 0:
            frames = F.pad(frames, (0, 0, 0, 1))  # (B, 1, D)
        steps = zero_beyond(frames, lengths)  # (B, T, D)
        lengths = lengths.clamp(min=1)
        return (steps, lengths) if self.front is None else self.front.embed(steps, lengths)

    def encode(
        self, frames: Tensor, lengths: Tensor, *, embedded: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Return the hidden states (B, ⌈T / subsampling⌉, H) and their lengths (B,)."""
        steps, lengths = (frames, lengths) if embedded else self.embed(frames, lengths)
        if self.normalization is not None:
            steps = self.normalization.of_steps(steps, lengths)
        if self.front is not None:
            steps = self.dropout(self.front.normalized(steps, lengths))
        maps = steps[:, None]  # (B, 1, T, D)
        for convolution in self.convolutions:
            maps, lengths = convolution(maps, lengths)
        steps = maps.transpose(1, 2).flatten(2)  # (B, T, channels * D)
        if self.stack > 1:
            steps = zero_beyond(steps, lengths)
            steps = self._stacked(F.pad(steps, (0, 0, 0, -steps.shape[1] % self.stack)))
            lengths = ceil_div(lengths, self.stack)
        if self.chunk is not None:
            n_steps = steps.shape[1]
            steps, _ = self._in_chunks().encode(steps, lengths, n_chunks=ceil(n_steps / self.chunk))
            return steps[:, :n_steps], lengths  # (B, T, H)
        backward = reading_backward(steps.shape[1], lengths)
        for number, layer in enumerate(self.layers):
            steps = layer(self.dropout(steps) if number else steps, backward)  # (B, T, H)
        return steps, lengths

    @property
    def recurrence(self) -> list[RecurrentLayer]:
        """The recurrent layers, in order."""
        return list(cast(Iterable[RecurrentLayer], self.layers))

    def attention(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the attention weights of each head, (B, n_heads, T); each row sums to 1.

        Raises
        ------
        ConfigurationError
            if the model does not pool by attention.
        """
        if self.attend is None:
            raise ConfigurationError(
                f"head={self.head!r} with pooling={self.pooling!r} weighs no steps; train "
                "head='classification' with pooling='attention'"
            )
        return self.attend.weights(*self.encode(frames, lengths))

    def _pool(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Map (B, T, H) to (B, H), or to (B, n_heads * H)."""
        if self.attend is not None:
            return self.attend(hidden, lengths)
        if self.pooling == "mean":
            return zero_beyond(hidden, lengths).sum(dim=1) / lengths[:, None]
        last = step_at(hidden, lengths - 1)
        if not self.bidirectional or self.chunk is not None:
            return last
        size = hidden.shape[2] // 2  # the backward direction ends at step 0
        return torch.cat([last[:, :size], hidden[:, 0, size:]], dim=1)

    def _initialize(self) -> None:
        """Initialise the weights: torch's defaults do not consider recurrence or the next layer."""
        for module in self.modules():
            if isinstance(module, nn.RNNBase):
                initialize_recurrence(module)
            elif isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None:
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.output.weight)
        if self.attend is not None and self.attend.project is not None:
            nn.init.xavier_uniform_(self.attend.project.weight)


def _front(given: Mapping[str, Any]) -> Front | None:
    if given["front"] is None:
        return None
    if given["front"] == "embedding":
        return RecurrentFront(given["n_features"], given["n_frozen"])
    settings = given["n_frozen"], given["levels_clips"]
    if given["front"] in SIZES:
        return WhisperEncoder(given["n_features"], given["front"], *settings)
    return SpeechEmbedding(given["n_features"], *settings)


def _latency(given: Mapping[str, Any], front: Front | None, subsampling: int) -> int | None:
    """Return the number of frames after its own that the first step of a chunk needs."""
    whole = front is not None and front.reasons_against_streaming()
    if whole or (given["bidirectional"] and given["chunk"] is None):
        return None
    last = given["chunk"] - 1 + given["look_ahead"] if given["chunk"] else 0
    last = (last + 1) * given["stack"] - 1
    for spec in reversed(given["convolutions"]):
        last = last * spec["stride"] + (0 if given["causal"] else spec["kernel"] // 2)
    if front is not None:
        last = last * front.subsampling + front.subsampling - 1 + front.look_ahead
    return max(0, last - (subsampling - 1))


def _checked_convolution(given: Mapping[str, int]) -> dict[str, int]:
    known = ("channels", "kernel", "stride")
    for name in given:
        _check_name("convolutions: key", name, known)
    if "channels" not in given or "kernel" not in given:
        raise ConfigurationError(f"convolutions={dict(given)}: each needs channels and kernel")
    spec = {"stride": 1, **given}
    for name, value in spec.items():
        _check_count(f"convolutions: {name}", value)
    return spec


def _check(given: Mapping[str, Any]) -> None:
    for name, known in CHOICES.items():
        _check_name(name, given[name], known)
    for name in COUNTS:
        _check_count(name, given[name])
    for size in given["dense"]:
        _check_count("dense", size)
    if given["n_frozen"] and not given["front"]:
        raise ConfigurationError(f"n_frozen={given['n_frozen']} needs a front; give front, too")
    if not 0 <= given["dropout"] < 1:
        raise ConfigurationError(f"dropout={given['dropout']} must lie in [0, 1)")
    if given["head"] == "classification" and given["pooling"] is None:
        raise ConfigurationError(
            "head='classification' needs a pooling, not pooling=None; give last, mean or attention"
        )
    chunk, look_ahead = given["chunk"], given["look_ahead"]
    if given["causal"] and given["bidirectional"] and chunk is None:
        raise ConfigurationError(
            "causal=True needs bidirectional=False, or a chunk: otherwise layers look far ahead"
        )
    if chunk is not None:
        _check_count("chunk", chunk)
        if not given["bidirectional"]:
            raise ConfigurationError(
                f"chunk={chunk} bounds how layers read backwards; it needs bidirectional=True"
            )
    if not isinstance(look_ahead, int) or look_ahead < 0:
        raise ConfigurationError(f"look_ahead={look_ahead!r} must be a whole number, 0 or more")
    if look_ahead and chunk is None:
        raise ConfigurationError(f"look_ahead={look_ahead} needs a chunk; give chunk, too")


def _check_name(parameter: str, value: str | None, known: Sequence[str | None]) -> None:
    if value not in known:
        hint = did_you_mean(str(value), filter(None, known))
        raise ConfigurationError(f"{parameter}={value!r} is unknown{hint}")


def _check_count(parameter: str, value: int) -> None:
    if not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{parameter}={value!r} must be a whole number, 1 or more")
    most = MOST_LAYERS if parameter == "n_layers" else MOST
    if value > most:
        raise ConfigurationError(f"{parameter}={value:.3g} must be {most} at most")
