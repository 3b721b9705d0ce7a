"""Let every contender hear every condition, each in one thread, and time them in turns."""

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
from speech_rnn.data.cache import quantize
from speech_rnn.detection.det_curve import Scene
from speech_rnn.detection.matching import DetPoint, Quantiles
from speech_rnn.errors import ConfigurationError
from speech_rnn.evaluation.machine import n_cores, processor, versions

TOLERANCE_SECONDS = 1.0
"""Most by which an event may lie beside its word. Engines read windows that end after it, and the
streams hold no other speech within a second of a word."""
TIMED_CHUNKS = 25
"""Two seconds of sound make a call that is timed."""


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
    """Run the engines of others that are installed, and recognisers of ours.

    Parameters
    ----------
    streams : recipe of the streams that all of them process.
    models : recognisers of ours.
    kept : results of earlier runs, which are not made anew; new ones join them.
    jobs : processes that hear at the same time, each in one thread.
    n_rounds : turns in which each is timed.
    command : command line of the benchmark.
    tell : called with a line for each contender that is left out, and each condition heard.

    Raises
    ------
    ConfigurationError
        where nothing can listen, and for fewer than one job or round.
    DataError
        for words without clips, and sounds that cannot be found.
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
            raise ConfigurationError("nothing can listen: give --model FILE, or install an engine")
        tasks = [Task(one, name, scene) for one in contenders for name, scene in scenes.items()]
        listened = _heard(pool, tasks, kept, tell)
        sound = _first_seconds(scenes["clean"])
        costs = pool.submit(cost_of, contenders, sound, n_rounds).result()
    notes = dict.fromkeys(note for scene in scenes.values() for note in scene.notes)
    return WakeReport(
        tuple(listened), tuple(costs), missing, tuple(notes), _settings(streams, command)
    )


def _heard(
    pool: ProcessPoolExecutor,
    tasks: Sequence[Task],
    kept: Kept | None,
    tell: Callable[[str], None],
) -> list[Listened]:
    """Return what each task found, in their order; those that are not kept are worked on."""
    found = {place: kept.find(task) if kept else None for place, task in enumerate(tasks)}
    running = {
        pool.submit(hear, task): place for place, task in enumerate(tasks) if found[place] is None
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
    """Give a pool of processes in which libraries use one thread."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")  # libraries read these as they are loaded
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin) as pool:
            yield pool
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin() -> None:
    import torch

    torch.set_num_threads(1)


def hear(task: Task) -> Listened:
    """Let a contender hear a scene, and count."""
    contender, condition, scene = task
    heard = contender.hear(scene)
    counts, words = heard.count(TOLERANCE_SECONDS), contender.words
    return Listened(
        contender.name,
        condition,
        {word: counts[word] for word in words},
        tuple(
            DetPoint(point.threshold, {word: point.per_word[word] for word in words})
            for point in heard.points(TOLERANCE_SECONDS)
        ),
        Quantiles.of(heard.latencies(TOLERANCE_SECONDS)),
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
