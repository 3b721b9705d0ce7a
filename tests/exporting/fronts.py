"""Models, draws of clips and streams, and the error of eight bits, for fronts that are exported."""

import numpy as np
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from speech_rnn.config.app import CONF
from speech_rnn.exporting import export_onnx
from tests.listeners import scene
from tests.onnx_runs import Runs

STREAMED = {
    "carried": {},
    "last": {"head": "classification", "pooling": "last", "cell": "lstm"},
    "stacked": {"stack": 2, "convolutions": [{"channels": 2, "kernel": 3, "stride": 2}]},
    "chunks": {"bidirectional": True, "chunk": 2, "look_ahead": 3, "n_layers": 2},
}
"""Models on a front that streams, by what is special about them."""
SAID = ["low", "high", "high", "middle", "low"]


def features(name):
    """Return the features of a configuration."""
    return instantiate(OmegaConf.load(CONF / "features" / f"{name}.yaml"))


def exported(recognizer, streaming, int8):
    """Return a recogniser and its graph, which in eight bits has seen four scenes."""
    shown = [scene(SAID[:2], seed=seed)[0] for seed in range(4)] if int8 else ()
    model = export_onnx(recognizer, streaming=streaming, int8=int8, clips=shown)
    return recognizer, Runs(model)


def draws_of_clips(test):
    """Give a test lengths of clips, padding after the longest, and a seed."""
    drawn = given(
        lengths=st.lists(st.integers(1, 24_000), min_size=1, max_size=3),
        extra=st.integers(0, 3000),
        seed=st.integers(0, 100),
    )
    return settings(max_examples=6)(drawn(test))


def draws_of_streams(test):
    """Give a test the length of a stream, the sizes of its pieces, and a seed."""
    drawn = given(
        n_samples=st.integers(1, 40_000),
        sizes=st.lists(st.integers(100, 12_000), min_size=1, max_size=4),
        seed=st.integers(0, 100),
    )
    return settings(max_examples=10)(drawn(test))


def decibels_of_rounding(large, small, streaming):
    """Return by how much logits vary more than those of eight bits differ from them, in dB."""
    sound = scene(SAID[:2], seed=9)[0]
    logits = [
        np.concatenate([runs.push(sound), runs.flush()])
        if streaming
        else runs.whole(sound[None], [len(sound)])[0][0]
        for runs in (large, small)
    ]
    error, spread = np.square(logits[0] - logits[1]).mean(), logits[0].var()
    return 10 * np.log10(spread / error)
