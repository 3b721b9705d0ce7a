"""All settings of the recipe with their defaults, and the parser of its command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from speech_rnn.data.free_spoken_digits import DIGITS
from speech_rnn.data.speech_commands import COMMANDS
from speech_rnn.errors import ConfigurationError, did_you_mean

ASIDE = ("output_dir", "words", "speech", "noise", "kokoro", "resume", "epochs", "measure_every")
"""Settings that do not affect the weights: locations, duration of a training, and output."""


@dataclass(frozen=True)
class Settings:
    """All settings of the recipe.

    Parameters
    ----------
    output_dir : folder of all intermediate files and of the result; with its default, the result
        is also written into the package.
    words : further folders of recorded words, `<speaker>/<word>_<number>.flac`.
    speech, noise : further folders of speech, and of noise.
    kokoro : folder of Kokoro's model, as for `speech_rnn.synthesis.kokoro.NeuralVoices`; if empty,
        its voices are left out.
    unlabelled : words of people's clips whose labels are never used.
    limit : maximum number of clips of each source; 0 takes all.
    seed : seed of all draws.
    processes : number of processes that share each batch.
    threads : number of threads of each process; another number changes the last bits of sums.
    resume : whether to continue from the last checkpoint of the same settings.

    frequent_words, frequent_clips : number of most frequent English words that espeak-ng speaks,
        and clips of each.
    rare_words : number of less frequent words, with one clip each.
    corpus_clips : number of clips by espeak-ng of each word of Speech Commands.
    phrases : number of clips by espeak-ng of two or three words.
    flite_clips, kokoro_clips : number of clips of these synthesizers.
    talk_hop : number of samples between two windows of talk.
    trimmed : share of people's clips that are trimmed to the word.

    talk_clips : maximum number of clips of a word of talk in the training of the naming classifier.
    naming_epochs : number of epochs of that classifier.

    epochs, batch, learning_rate, weight_decay, warm_up : settings of AdamW; `warm_up` is in steps.
    restart : epoch after which the learning rate rises again; the encoder is the mean of the
        weights before the restart and at the end (Izmailov et al., arXiv:1803.05407). 0: none.
    average : decay per step of the moving average of the weights.
    distill, word, soft, future : weights of the losses.
    directions : number of directions of the teacher's states that are targets, those in which words
        differ most; 0 uses the states themselves.
    dropout, smoothing : dropout and label smoothing of the classifier of words.
    future_frames : number of future frames to predict, if `future` is above 0.
    measure_every : number of epochs between two evaluations; 0 evaluates only at the end.

    channels, projection, size, layers, delay : arguments of `RecurrentEncoder`.

    warm : share of batches with other sound before their clips.
    augmented : share of augmented batches.
    stretched, warped : share of clips with a changed speed, and with a changed vocal tract length.
    noisy, snr_db : share of clips with noise, and its lowest and highest SNR.
    banded : share of clips that lose the band above a telephone's.
    louder : share of clips with a changed gain.
    gated : share of clips with digital silence around them.
    close : share of these that are cut closely, at high levels.
    echoing : share of clips with reverberation.
    masked : probability of each of two masks over time, and of each of two over frequency.
    """

    output_dir: str = "outputs/embedding"
    words: tuple[str, ...] = ()
    speech: tuple[str, ...] = ()
    noise: tuple[str, ...] = ()
    kokoro: str = ""
    unlabelled: tuple[str, ...] = COMMANDS + DIGITS
    limit: int = 0
    seed: int = 0
    processes: int = 2
    threads: int = 1
    resume: bool = False

    frequent_words: int = 2500
    frequent_clips: int = 5
    rare_words: int = 3000
    corpus_clips: int = 100
    phrases: int = 3500
    flite_clips: int = 2480
    kokoro_clips: int = 720
    talk_hop: int = 9600
    trimmed: float = 0.75

    talk_clips: int = 8
    naming_epochs: int = 6

    epochs: int = 22
    restart: int = 16
    batch: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.01
    warm_up: int = 150
    average: float = 0.998
    distill: float = 1.0
    word: float = 0.5
    soft: float = 0.5
    future: float = 0.0
    directions: int = 128
    dropout: float = 0.2
    smoothing: float = 0.1
    future_frames: int = 4
    measure_every: int = 0

    channels: tuple[int, ...] = (24, 48, 64)
    projection: int = 128
    size: int = 168
    layers: int = 2
    delay: int = 4

    warm: float = 0.5
    augmented: float = 0.8
    stretched: float = 0.5
    warped: float = 0.6
    noisy: float = 0.4
    snr_db: tuple[float, ...] = (5.0, 35.0)
    banded: float = 0.5
    louder: float = 0.4
    gated: float = 0.5
    close: float = 0.7
    echoing: float = 0.1
    masked: float = 0.05

    def values(self, *names: str) -> dict[str, Any]:
        """Return some of the settings as plain values."""
        known = asdict(self)
        return {name: known[name] for name in names}

    def fingerprint(self) -> dict[str, Any]:
        """Return all settings that affect the weights of a training."""
        return {name: value for name, value in asdict(self).items() if name not in ASIDE}

    @property
    def encoder(self) -> dict[str, Any]:
        """Arguments of `RecurrentEncoder`."""
        sizes = self.values("channels", "projection", "size", "delay")
        return {"n_mels": 40, **sizes, "channels": list(self.channels), "n_layers": self.layers}


def parse(arguments: Sequence[str]) -> Settings:
    """Parse `key=value` arguments; lists are written `[one,two]`.

    Raises
    ------
    ConfigurationError
        if keys do not exist or values have the wrong type; the error lists all of them.
    """
    known = {field.name: field.default for field in fields(Settings)}
    given: dict[str, Any] = {}
    wrong = []
    for argument in arguments:
        key, found, text = argument.partition("=")
        if not found or key not in known:
            wrong.append(f"{argument!r} sets none of the keys{did_you_mean(key, known)}")
            continue
        try:
            given[key] = _value(text, known[key])
        except ValueError:
            kind = type(known[key]).__name__
            wrong.append(f"{argument!r} must be of type {kind}, such as {known[key]!r}")
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return replace(Settings(), **given)


def _value(text: str, default: Any) -> Any:
    """Parse a value with the type of a default."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, tuple):
        kind = type(default[0]) if default else str
        return tuple(kind(part.strip()) for part in text.strip("[]").split(",") if part.strip())
    return type(default)(text)


def digest(*values: Any) -> str:
    """Return twelve hexadecimal digits that identify a result by its inputs."""
    text = json.dumps(values, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
