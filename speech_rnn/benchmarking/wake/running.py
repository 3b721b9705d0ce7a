"""Run every contender under every condition, each in one thread, and time them in turns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.benchmarking.running import PACKAGES, THREAD_VARIABLES
from speech_rnn.benchmarking.timing import Contender as Timed
from speech_rnn.benchmarking.timing import interleaved
from speech_rnn.benchmarking.wake.conditions import WakeStreams
from speech_rnn.benchmarking.wake.contenders import Contender, Own, rivals
from speech_rnn.benchmarking.wake.kept import Kept, Task
from speech_rnn.benchmarking.wake.results import Cost, Listened, WakeReport
from speech_rnn.benchmarking.wake.rival import CHUNK, RATE, STEP_SECONDS
from speech_rnn.detection.det_curve import Scene
from speech_rnn.detection.matching import DetPoint, Quantiles
from speech_rnn.errors import ConfigurationError
from speech_rnn.evaluation.machine import n_cores, processor, versions
from speech_rnn.parallel.processes import end_with_parent
from speech_rnn.samples.integers import quantize

TOLERANCE_SECONDS = 1.0
"""Largest distance in seconds between an event and its word. Engines read windows that end after
the word, and the streams hold no other speech within a second of a word."""
TIMED_CHUNKS = 25
"""Number of seconds of sound in one timed call."""


def run_wake(
    streams: WakeStreams,
    models: Sequence[Own],
    *,
    kept: Kept | None = None,
    jobs: int = 1,
    n_rounds: int = 15,
    command: str = "",
    tell: Callable[[str], None] = lambda line: None,
) -> WakeReport:
    """Run the installed other engines, and recognisers of this package.

    Parameters
    ----------
    streams : settings of the streams that all of them process.
    models : recognisers of this package.
    kept : stored results of earlier runs, which are reused; new results are added to it.
    jobs : number of processes at the same time, each with one thread.
    n_rounds : turns in which each contender is timed.
    command : command line of the benchmark.
    tell : called with a line for each contender that is left out, and for each finished condition.

    Raises
    ------
    ConfigurationError
        if no contender is available, or `jobs` or `n_rounds` is below 1.
    DataError
        if a word has no clips, or sounds cannot be found.
    """
    if jobs < 1 or n_rounds < 1:
        raise ConfigurationError(f"jobs={jobs} and rounds={n_rounds} must be 1 or more")
    scenes = streams.scenes()
    with _one_thread(jobs) as pool:
        others, missing = pool.submit(rivals, streams.words).result()
        for name, reason in missing.items():
            tell(f"{name} is left out: {reason}")
        contenders: list[Contender] = [*models, *others]
        if not contenders:
            raise ConfigurationError(
                "there is nothing to compare: give --model FILE, or install an engine"
            )
        tasks = [Task(one, name, scene) for one in contenders for name, scene in scenes.items()]
        listened = _run_tasks(pool, tasks, kept, tell)
        sound = _first_seconds(scenes["clean"])
        costs = pool.submit(cost_of, contenders, sound, n_rounds).result()
    notes = dict.fromkeys(note for scene in scenes.values() for note in scene.notes)
    return WakeReport(
        tuple(listened), tuple(costs), missing, tuple(notes), _settings(streams, command)
    )


def _run_tasks(
    pool: ProcessPoolExecutor,
    tasks: Sequence[Task],
    kept: Kept | None,
    tell: Callable[[str], None],
) -> list[Listened]:
    """Return the result of each task in order; stored results are not computed again."""
    found = {place: kept.find(task) if kept else None for place, task in enumerate(tasks)}
    running = {
        pool.submit(run_task, task): place
        for place, task in enumerate(tasks)
        if found[place] is None
    }
    for future in as_completed(running):
        place = running[future]
        listened = found[place] = future.result()
        if kept:
            kept.keep(tasks[place], listened)
        total = ", ".join(
            f"{word} {one.n_hits} of {one.n_labels} and {one.n_false} false"
            for word, one in listened.own.items()
        )
        tell(f"{listened.contender}, {listened.condition}, own thresholds: {total}")
    return [listened for listened in found.values() if listened is not None]


def _settings(streams: WakeStreams, command: str) -> dict[str, Any]:
    packages = (*PACKAGES, "pymicro-wakeword", "ovos-ww-plugin-wakeforge")
    return {
        "command": command,
        "streams": streams.to_dict(),
        "tolerance_seconds": TOLERANCE_SECONDS,
        "processor": processor(),
        "n_cores": n_cores(),
        "versions": versions(packages),
    }


@contextmanager
def _one_thread(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes in which libraries use one thread."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")  # libraries read these on import
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin() -> None:
    import torch

    torch.set_num_threads(1)
    end_with_parent()


def run_task(task: Task) -> Listened:
    """Run a contender over a scene, and count its detections."""
    contender, condition, scene = task
    detections = contender.detect(scene)
    counts, words = detections.count(TOLERANCE_SECONDS), contender.words
    return Listened(
        contender.name,
        condition,
        {word: counts[word] for word in words},
        tuple(
            DetPoint(point.threshold, {word: point.per_word[word] for word in words})
            for point in detections.points(TOLERANCE_SECONDS)
        ),
        Quantiles.of(detections.latencies(TOLERANCE_SECONDS)),
    )


def _first_seconds(scene: Scene) -> list[NDArray[np.int16]]:
    blocks = islice(scene.blocks(STEP_SECONDS), TIMED_CHUNKS)
    return [quantize(block) for block in blocks if len(block) == CHUNK]


def cost_of(
    contenders: Sequence[Contender], sound: Sequence[NDArray[np.int16]], n_rounds: int
) -> list[Cost]:
    """Time contenders in turns on the same chunks, (1280,) each."""

    def pushing(contender: Contender) -> Timed:
        push = contender.listening()
        return lambda: [push(chunk) for chunk in sound]

    apart = {
        f"{one.name}, {', '.join(one.words)}": one
        for one in chain.from_iterable(contender.apart() for contender in contenders)
    }
    runs = {name: pushing(one) for name, one in apart.items()}
    took = interleaved(runs, n_rounds)
    seconds = len(sound) * CHUNK / RATE
    return [
        Cost(one.name, one.words, took[name].per(seconds), one.n_bytes)
        for name, one in apart.items()
    ]
