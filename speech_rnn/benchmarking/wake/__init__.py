"""Wake-word engines and recognisers of this package, compared on the same hours of sound.

Each other engine has an adapter that takes 80 ms of samples and returns a score for each of its
words. The streams, the matching and the DET curves are those of `speech_rnn.detection`.
"""

from speech_rnn.benchmarking.wake.conditions import WakeStreams
from speech_rnn.benchmarking.wake.contenders import named_models
from speech_rnn.benchmarking.wake.kept import Kept
from speech_rnn.benchmarking.wake.results import WakeReport
from speech_rnn.benchmarking.wake.running import run_wake

__all__ = ["Kept", "WakeReport", "WakeStreams", "named_models", "run_wake"]
