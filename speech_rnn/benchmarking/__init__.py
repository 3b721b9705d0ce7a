"""Speed, memory and growth beside other libraries and engines, on the same audio, in one run.

Each section runs in a process of its own, whose threads are set before any library starts; its
contenders take turns, so that other work on the machine slows all alike.
"""

from speech_rnn.benchmarking.results import Benchmark, Row, Section
from speech_rnn.benchmarking.running import run
from speech_rnn.benchmarking.settings import SECTIONS, OnnxFile, Settings

__all__ = ["SECTIONS", "Benchmark", "OnnxFile", "Row", "Section", "Settings", "run"]
