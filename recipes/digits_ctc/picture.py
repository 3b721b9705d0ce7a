"""Draw a clip's log mels, and below them the posteriors of a CTC recogniser.

python recipes/digits_ctc/picture.py MODEL OUTPUT.png CLIP…
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import torch

from speech_rnn import LogMel, Recognizer, load_audio

model, output, *clips = sys.argv[1:]
recognizer = Recognizer.load(model)
pictures = [load_audio(clip) for clip in clips]
figure, axes = plt.subplots(
    2, len(clips), figsize=(2.6 * len(clips), 3.6), sharex="col", layout="constrained"
)
for waveform, (above, below) in zip(pictures, axes.T, strict=True):
    batch, lengths = torch.from_numpy(waveform)[None], torch.tensor([len(waveform)])
    seconds = len(waveform) / recognizer.sample_rate
    frames = LogMel(fmax=4000, n_mels=40)(batch, lengths)[0][0].T  # (D, T)
    above.imshow(
        frames, origin="lower", aspect="auto", extent=(0, seconds, 0, 4), vmin=frames.max() - 10
    )
    posteriors = np.exp(recognizer.log_probs(batch, lengths)[0][0])  # (T, C)
    time = (np.arange(len(posteriors)) + 0.5) * recognizer.step_seconds
    below.fill_between(time, posteriors[:, 0], color="0.9", label="blank")
    for token in range(1, posteriors.shape[1]):
        below.plot(time, posteriors[:, token], lw=1.5)
    hypothesis = recognizer.transcribe(waveform)
    above.set_title(f"“{hypothesis.text}”  {100 * hypothesis.confidence:.0f} %", fontsize=10)
    below.set(xlabel="seconds", ylim=(0, 1.02), xlim=(0, seconds))
axes[0, 0].set_ylabel("kHz")
axes[1, 0].set_ylabel("posterior of each word")
figure.savefig(output, dpi=80)
