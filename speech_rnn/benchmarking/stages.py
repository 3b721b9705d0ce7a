"""Time per stage of an exported file: features, front and network."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.benchmarking.results import Row, Section, Times
from speech_rnn.benchmarking.settings import OnnxFile, Settings
from speech_rnn.benchmarking.subjects import loaded, measured, one_second, transcribing
from speech_rnn.benchmarking.timing import Candidates, Contender
from speech_rnn.engines.onnx_engine import OnnxEngine
from speech_rnn.engines.onnx_session import open_session

STAGES = {"features/": "features", "model/front/": "front", "model/": "network"}
"""Prefixes of node names; nodes that ONNX Runtime adds have other names."""
OTHER = "nodes that ONNX Runtime has added"
WARM_UP = 5


def of_a_clip(settings: Settings) -> Section:
    """Time each ONNX file on a one-second clip, as a whole and by stage, node by node.

    Profiling takes some time itself, so the stages add up to more than the graph takes without
    profiling.
    """
    clip = one_second(settings.audio, measured(settings).sample_rate)
    rows = [row for file in settings.onnx for row in _rows(file, clip, settings.n_rounds)]
    return Section("stages", "a one-second clip, stage by stage", tuple(rows))


def _rows(file: OnnxFile, clip: NDArray[np.float32], n_rounds: int) -> list[Row]:
    found = Candidates()
    found.add(f"{file.name}, samples to word", partial(transcribing, partial(loaded, file), clip))
    found.add(f"{file.name}, the graph", partial(_computing, file, clip))
    whole, graph = found.rows(n_rounds)
    return [whole, graph, *(_stages(file, clip, n_rounds) if graph.seconds else [])]


def _computing(file: OnnxFile, clip: NDArray[np.float32]) -> Contender:
    return partial(open_session(file.path).run, None, _inputs(file, clip))


def _inputs(file: OnnxFile, clip: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    engine = loaded(file).engine
    assert isinstance(engine, OnnxEngine)
    return engine.inputs(clip)


def _stages(file: OnnxFile, clip: NDArray[np.float32], n_rounds: int) -> list[Row]:
    runs = profile(file.path, _inputs(file, clip), n_rounds)
    stages = [*STAGES.values(), OTHER]
    times = {stage: Times(tuple(run[stage] for run in runs)) for stage in stages}
    return [Row(f"{file.name}, {stage}", each) for stage, each in times.items() if each.median]


def profile(path: str | Path, inputs: dict[str, NDArray[Any]], n_runs: int) -> list[Counter[str]]:
    """Return the seconds of each stage in each run of a graph, from ONNX Runtime's profile."""
    with TemporaryDirectory() as folder:
        session = open_session(path, profile=f"{folder}/profile")
        for _ in range(WARM_UP + n_runs):
            session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    runs = [event for event in events if event["name"] == "model_run"][WARM_UP:]
    nodes = [event for event in events if event["name"].endswith("_kernel_time")]
    return [_of_run(run, nodes) for run in runs]


def _of_run(run: dict[str, Any], nodes: list[dict[str, Any]]) -> Counter[str]:
    seconds: Counter[str] = Counter()
    for node in nodes:
        if run["ts"] <= node["ts"] < run["ts"] + run["dur"]:
            seconds[stage_of(node["name"])] += node["dur"] / 1e6
    return seconds


def stage_of(node: str) -> str:
    """Return the stage to which a node belongs, from its name."""
    fits = (stage for beginning, stage in STAGES.items() if node.startswith(beginning))
    return next(fits, OTHER)
