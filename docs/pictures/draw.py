"""Draw the pictures of the explanation: python docs/pictures/draw.py (needs the extra [report]).

Both show the recogniser of the package on clips of ``tests/clips``, for light and for dark pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from speech_rnn import LogMel, Recognizer, load_audio
from speech_rnn.engines.onnx_format import (
    END,
    LOGITS,
    METADATA_KEY,
    NEXT,
    STATE,
    UNKNOWN_END,
    WAVEFORM,
    GraphDescription,
)
from speech_rnn.starter import STARTER
from speech_rnn.streaming.spotter import Spotting

FOLDER = Path(__file__).parent
CLIPS = FOLDER.parents[1] / "tests/clips"
RATE = 16_000
HIDDEN = "hidden_0"
"""The state of the GRU in the graph."""
STYLES = {
    "light": {"text": "#1a1a1a", "faint": "#b8b8b8", "map": "RdBu_r"},
    "dark": {"text": "#d8d8d8", "faint": "#5c5c5c", "map": "berlin"},
}


def steps_of(waveform: NDArray[np.float32]) -> Iterator[tuple[NDArray, NDArray]]:
    """Run the exported graph block by block: the GRU's state (H,) and the logits (C,) of each."""
    session = onnxruntime.InferenceSession(str(STARTER))
    metadata = session.get_modelmeta().custom_metadata_map[METADATA_KEY]
    stream = GraphDescription.from_dict(json.loads(metadata)["onnx"]).stream
    states = {state.name: np.zeros(state.shape, state.dtype) for state in stream.states}
    names = [output.name for output in session.get_outputs()]
    end = np.array([UNKNOWN_END])
    start, size = 0, stream.first_samples
    while start + size <= len(waveform):
        given = {f"{STATE}{name}": value for name, value in states.items()}
        piece = waveform[None, start : start + size]
        out = dict(zip(names, session.run(None, {WAVEFORM: piece, END: end, **given}), strict=True))
        states = {name: out[f"{NEXT}{name}"] for name in states}
        yield states[HIDDEN].ravel().copy(), out[LOGITS][0, -1]
        start, size = start + size, stream.block_samples


def reading(style: dict[str, str]) -> Figure:
    """Draw how the network reads a word: the sound, the state after each step, what it says."""
    recognizer = Recognizer.load()
    word = load_audio(CLIPS / "yes.flac", RATE)
    n_steps = recognizer.log_probs(word[None], [len(word)])[0].shape[1]
    silence = np.zeros(RATE, np.float32)  # the front end looks ahead
    read = [step for step, _ in zip(steps_of(np.concatenate([word, silence])), range(n_steps))]  # noqa: B905
    states = np.array([state for state, _ in read]).T  # (H, T)
    logits = np.array([logit for _, logit in read], np.float64)
    posteriors = np.exp(logits - logits.max(1, keepdims=True))
    posteriors /= posteriors.sum(1, keepdims=True)
    tokens = recognizer.vocabulary.tokens
    figure, (above, middle, below) = plt.subplots(
        3, 1, figsize=(7.2, 6.4), height_ratios=(1, 1.5, 1), sharex=True, layout="constrained"
    )
    seconds = len(word) / RATE
    extent = (0, seconds)
    frames = LogMel()(torch.from_numpy(word)[None])[0][0].T
    above.imshow(
        frames,
        origin="lower",
        aspect="auto",
        extent=(*extent, 0, frames.shape[0]),
        vmin=frames.max() - 12,
    )
    above.set(ylabel="x: mel band", title="one second of sound: a person says “yes”")
    order = np.argsort(np.abs(states).argmax(axis=1))  # units by the step of their peak
    edge = n_steps * recognizer.step_seconds
    middle.imshow(
        states[order],
        aspect="auto",
        extent=(0, edge, states.shape[0], 0),
        cmap=style["map"],
        vmin=-1,
        vmax=1,
        interpolation="nearest",
    )
    middle.set(ylabel="h: 192 units", title="the state after each step of 80 ms")
    times = (np.arange(n_steps) + 0.5) * recognizer.step_seconds
    for token in np.flatnonzero(posteriors.max(axis=0) > 0.05):
        is_blank = token == 0
        below.plot(
            times,
            posteriors[:, token],
            "o-",
            ms=3,
            label="no word (blank)" if is_blank else tokens[token],
            color=style["faint"] if is_blank else None,
        )
    below.legend(frameon=False, labelcolor=style["text"], fontsize=8, loc="center left")
    below.set(
        ylabel="probability",
        xlabel="seconds",
        ylim=(-0.03, 1.05),
        xlim=extent,
        title="what the output layer makes of the state",
    )
    return figure


def spotting(style: dict[str, str]) -> Figure:
    """Draw how posteriors become events: their mean, the threshold, and the events."""
    recognizer = Recognizer.load()
    pause = np.random.default_rng(0).normal(0, 1e-3, RATE // 2).astype(np.float32)
    said = ("go", "left", "stop")
    pieces = [piece for word in said for piece in (pause, load_audio(CLIPS / f"{word}.flac", RATE))]
    sound = np.concatenate([*pieces, pause, pause])
    stream = recognizer.stream(check=False)
    settings = recognizer.spotting or Spotting.of(recognizer.vocabulary.head)
    heard = recognizer.stream(check=False)
    events = [*heard.push(sound), *heard.finish()]
    posteriors = stream.posteriors
    values = np.concatenate(
        [piece.values for piece in [*posteriors.push(sound), *posteriors.finish()]]
    )
    n_smooth = max(1, round(settings.smoothing_seconds / recognizer.step_seconds))
    times = (np.arange(len(values)) + 0.5) * recognizer.step_seconds
    figure, axes = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
    for index, word in enumerate(said):
        evidence = values[:, recognizer.vocabulary.tokens.index(word)]
        padded = np.concatenate([np.zeros(n_smooth - 1), evidence])
        score = np.convolve(padded, np.full(n_smooth, 1 / n_smooth), "valid")
        axes.plot(times, evidence, color=f"C{index}", lw=0.8, alpha=0.6)
        axes.plot(times, score, color=f"C{index}", lw=2, label=word)
    for event in events:
        axes.axvspan(event.start, event.end, color=style["faint"], alpha=0.3, lw=0)
        axes.text((event.start + event.end) / 2, 1.06, event.word, ha="center", va="bottom")
    axes.axhline(settings.threshold, color=style["text"], ls="--", lw=1)
    axes.text(0.05, settings.threshold + 0.02, "threshold", fontsize=8)
    axes.set(ylim=(0, 1.18), xlim=(0, times[-1]), xlabel="seconds", ylabel="posterior, score")
    axes.legend(frameon=False, labelcolor=style["text"], fontsize=8, loc="upper right")
    return figure


def main() -> None:
    """Write each picture for light and for dark pages."""
    for name, style in STYLES.items():
        colours = dict.fromkeys(
            ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"),
            style["text"],
        )
        with plt.rc_context({**colours, "axes.titlesize": 10, "font.size": 9}):
            for draw in (reading, spotting):
                figure = draw(style)
                figure.savefig(FOLDER / f"{draw.__name__}_{name}.png", dpi=110, transparent=True)
                plt.close(figure)


if __name__ == "__main__":
    main()
