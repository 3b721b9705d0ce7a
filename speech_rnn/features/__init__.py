"""Log-mel energies, MFCCs and embeddings as torch modules, for batches and streams.

``frames`` are (B, T, D), the input shape of recurrent networks; librosa and torchaudio put D before
T. This folder can be used alone: it imports neither Hydra, nor Lightning, nor plotting.
"""

from speech_rnn.features.embedding import Embedding
from speech_rnn.features.log_mel import LogMel
from speech_rnn.features.mfcc import MFCC
from speech_rnn.features.stream import FeatureStream

__all__ = ["MFCC", "Embedding", "FeatureStream", "LogMel"]
