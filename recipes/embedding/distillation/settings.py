"""All settings of the recipe, each with its default, and how a command line changes them."""

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
"""Settings that say where things are, how long a training goes on, and what is printed."""


@dataclass(frozen=True)
class Settings:
    """All settings of the recipe.

    Parameters
    ----------
    output_dir : folder of all that is derived, and of the result; its default also puts the
        result into the package.
    words : folders of recorded words beside Speech Commands, `<speaker>/<word>_<number>.flac`.
    speech, noise : further folders of people talking, and of noise.
    kokoro : folder of Kokoro's model, as for `speech_rnn.synthesis.kokoro.NeuralVoices`; empty
        leaves its voices out.
    unlabelled : words of people's clips whose labels are never used.
    limit : most clips of each source; 0 takes all.
    seed : of all draws.
    processes : number of processes that share each batch.
    threads : number of threads of each process; with another, sums differ in their last bits.
    resume : go on from the last checkpoint of the same settings.

    frequent_words, frequent_clips : number of most frequent English words that espeak-ng speaks,
        and clips of each.
    rare_words : number of words after these, one clip each.
    corpus_clips : clips by espeak-ng of each word of Speech Commands.
    phrases : clips by espeak-ng of two or three words.
    flite_clips, kokoro_clips : clips of these synthesizers.
    talk_hop : samples from one window of talk to the next.
    trimmed : share of people's clips that are cut to the word.

    talk_clips : most single words of talk by which the naming of people's clips learns a word.
    naming_epochs : epochs of the classifier that names clips.

    epochs, batch, learning_rate, weight_decay, warm_up : of AdamW; `warm_up` is in steps.
    restart : the epoch after which the learning rate rises once more; the encoder is the mean of
        those before it and at the end (Izmailov et al., arXiv:1803.05407). 0: it falls only once.
    average : share of the mean weights that a step keeps.
    distill, word, soft, future : weights of the losses.
    directions : of the teacher's states that are asked for, those by which words differ most; 0
        asks for the states themselves.
    dropout, smoothing : of the classifier of words.
    future_frames : frames ahead that the states predict, where `future` is above 0.
    measure_every : epochs between two measurements; 0 measures at the end alone.

    channels, projection, size, layers, delay : of `RecurrentEncoder`.

    warm : share of batches that come after other sound; the others begin with their clips.
    augmented : share of augmented batches.
    stretched, warped : share of clips that get another speed, another length of the vocal tract.
    noisy, snr_db : share of clips in noise, and its lowest and highest signal-to-noise ratio.
    banded : share of clips that lose what is above a telephone's band.
    louder : share of clips at another gain.
    gated : share of clips with nothing at all around them.
    close : share of these that are cut close, where they become loud.
    echoing : share of clips in rooms.
    masked : chance of each of two masks over time, and of each of two over frequency.
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
        """Return all settings that tell one training from another."""
        return {name: value for name, value in asdict(self).items() if name not in ASIDE}

    @property
    def encoder(self) -> dict[str, Any]:
        """Arguments of `RecurrentEncoder`."""
        sizes = self.values("channels", "projection", "size", "delay")
        return {"n_mels": 40, **sizes, "channels": list(self.channels), "n_layers": self.layers}


def parse(arguments: Sequence[str]) -> Settings:
    """Read `key=value` arguments; lists are written `[one,two]`.

    Raises
    ------
    ConfigurationError
        for keys that do not exist and values of the wrong type, all of them at once.
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
    """Read a value of the type of a default."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, tuple):
        kind = type(default[0]) if default else str
        return tuple(kind(part.strip()) for part in text.strip("[]").split(",") if part.strip())
    return type(default)(text)


def digest(*values: Any) -> str:
    """Name a result by what it was made from: twelve hexadecimal digits."""
    text = json.dumps(values, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
