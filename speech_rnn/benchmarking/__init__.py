"""Speed, memory and scaling, compared with other libraries on the same audio in one run.

Each section runs in its own process, whose thread count is set before any library is imported. Its
contenders take turns, so that other load on the machine slows all of them alike.
"""

from speech_rnn.benchmarking.results import Benchmark, Row, Section
from speech_rnn.benchmarking.running import run
from speech_rnn.benchmarking.settings import SECTIONS, OnnxFile, Settings

__all__ = ["SECTIONS", "Benchmark", "OnnxFile", "Row", "Section", "Settings", "run"]
