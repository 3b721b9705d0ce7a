"""The gradient of each state: against the chain rule, differences, and a bound from the papers."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from speech_rnn.errors import ConfigurationError
from speech_rnn.gradients import (
    TONES_HZ,
    TRAINING,
    VALIDATION,
    Flow,
    GradientStudy,
    _Clips,
    _ToneModule,
    gradient_norms,
    study_gradients,
    write_picture,
)
from speech_rnn.training import AdamWCosine, Trainer

N_INPUTS, SIZE = 3, 4


def build(cell, seed=0):
    torch.manual_seed(seed)
    return cell(N_INPUTS, SIZE, batch_first=True).double()


def draw(n_clips, n_steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_clips, n_steps, N_INPUTS, generator=generator, dtype=torch.float64)


def squares(hidden):
    return hidden.square().sum()


def test_an_elman_networks_gradient_is_the_product_of_its_jacobians():
    recurrence, steps = build(nn.RNN), draw(2, 7)
    norms = gradient_norms(recurrence, steps, squares)["hidden"]
    hidden, _ = recurrence(steps)
    assert norms.shape == (2, 7)
    for row in range(2):
        gradient = 2 * hidden[row, -1]
        for step in reversed(range(7)):
            torch.testing.assert_close(norms[row, step], gradient.norm())
            slope = torch.diag(1 - hidden[row, step] ** 2)  # of tanh, into the step before
            gradient = recurrence.weight_hh_l0.T @ slope @ gradient


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
def test_it_is_how_the_loss_changes_with_a_state(cell):
    recurrence, steps = build(cell), draw(1, 5)
    norms = gradient_norms(recurrence, steps, squares)
    for part, name in enumerate(norms):
        for step in range(norms[name].shape[1]):
            _, state = recurrence(steps[:, : step + 1])
            parts = state if cell is nn.LSTM else (state,)
            slopes = []
            for unit in range(SIZE):
                losses = []
                for change in (1e-5, -1e-5):
                    changed = [one.detach().clone() for one in parts]
                    changed[part][0, 0, unit] += change
                    last = changed[0]
                    if step < 4:
                        given_state = tuple(changed) if cell is nn.LSTM else changed[0]
                        last = recurrence(steps[:, step + 1 :], given_state)[0][:, -1]
                    losses.append(squares(last).item())
                slopes.append((losses[0] - losses[1]) / 2e-5)
            assert float(norms[name][0, step]) == pytest.approx(np.linalg.norm(slopes), rel=1e-5)
    assert set(norms) == ({"hidden", "memory"} if cell is nn.LSTM else {"hidden"})


@settings(max_examples=20)
@given(scale=st.floats(0.1, 3.0), seed=st.integers(0, 100))
def test_it_shrinks_at_least_as_the_largest_singular_value(scale, seed):
    """Pascanu et al., 2013: |dL/dh_t| <= s |dL/dh_(t+1)|, for a slope of at most 1."""
    recurrence = build(nn.RNN, seed)
    with torch.no_grad():
        recurrence.weight_hh_l0.mul_(scale)
    norms = gradient_norms(recurrence, draw(3, 9, seed), squares)["hidden"]
    bound = torch.linalg.matrix_norm(recurrence.weight_hh_l0, 2) * norms[:, 1:]
    assert (norms[:, :-1] <= bound * (1 + 1e-9)).all()


@pytest.mark.parametrize("cell", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_clips_gradient_is_its_own(cell):
    recurrence, steps = build(cell), draw(4, 6)
    together = gradient_norms(recurrence, steps, squares)
    for row in range(4):
        alone = gradient_norms(recurrence, steps[row : row + 1], squares)
        for name, norms in alone.items():
            torch.testing.assert_close(norms[0], together[name][row])


def test_a_clip_is_a_tone_and_then_noise():
    clips = _Clips(TRAINING, 40, (0.0, 0.5), seed=0)
    assert set(clips.tones) == {0, 1, 2, 3}
    assert clips.n_samples.min() >= 1600
    assert clips.n_samples.max() <= 9600
    for index in range(40):
        waveform = clips.waveform(index)
        assert len(waveform) == clips.n_samples[index]
        spectrum = torch.fft.rfft(waveform[:1600]).abs()  # 10 Hz a bin
        assert 10 * int(spectrum.argmax()) == TONES_HZ[clips.tones[index]]
        if len(waveform) > 2000:
            assert float(waveform[1600:].std()) == pytest.approx(0.1, rel=0.15)


def test_a_clip_is_drawn_by_its_number_and_does_not_depend_on_the_batch():
    clips = _Clips(TRAINING, 12, (0.0, 0.4), seed=3)
    frames, lengths, tones = clips.collate(list(range(12)))
    for index in (7, 0):
        alone, n_frames, tone = clips.collate([index])
        assert (n_frames, tone) == (lengths[index], tones[index])
        torch.testing.assert_close(alone[0], frames[index, : lengths[index]])
    first = clips.waveform(5)
    clips.set_epoch(1)
    assert not torch.equal(clips.waveform(5)[:1600], first[:1600])
    clips.set_epoch(0)
    assert torch.equal(clips.waveform(5), first)
    other = _Clips(VALIDATION, 12, (0.0, 0.4), seed=3)
    assert not torch.equal(other.waveform(5)[:1600], first[:1600])


@pytest.mark.parametrize(
    ("given_values", "message"),
    [
        ({"cells": []}, "must name one or more, each once"),
        ({"cells": ["gru", "gru"]}, "must name one or more, each once"),
        ({"cells": ["gruu"]}, r"cell='gruu' is unknown; did you mean 'gru'\?"),
        ({"hidden_size": 0}, "hidden_size=0 must be"),
        ({"shortest_noise_seconds": 2.0}, "no shorter than the shortest"),
        ({"shortest_noise_seconds": -0.1}, "shortest_noise_seconds=-0.1"),
        ({"longest_noise_seconds": 0.0}, "the longest above 0"),
        ({"n_clips": 0}, "n_clips=0 must be 1 or more"),
    ],
)
def test_wrong_values_are_told_before_any_work(given_values, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        study_gradients(**given_values, output_dir=tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_run_that_was_cut_off_goes_on_to_the_same_end(tmp_path, monkeypatch):
    chosen = {
        "cells": ["gru", "lstm"],
        "hidden_size": 6,
        "longest_noise_seconds": 0.1,
        "n_clips": 48,
        "optim": AdamWCosine(learning_rate=1e-2),
        "trainer": Trainer(max_epochs=3, batch_size=16),
        "config": "seed: 0",
    }
    whole = study_gradients(**chosen, output_dir=tmp_path / "whole")
    step = _ToneModule.training_step

    def cut(self, batch, batch_idx):
        if isinstance(self.model.layers[0].forwards, nn.LSTM) and self.current_epoch == 1:
            raise RuntimeError("cut off")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(_ToneModule, "training_step", cut)
        with pytest.raises(RuntimeError, match="cut off"):
            study_gradients(**chosen, output_dir=tmp_path / "cut")
    assert not (tmp_path / "cut/gradients.json").exists()
    with pytest.raises(ConfigurationError, match="holds a run already"):
        study_gradients(**chosen, output_dir=tmp_path / "cut")
    assert study_gradients(**chosen, output_dir=tmp_path / "cut", resume=True) == whole


def test_the_picture_carries_its_colours(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need the extra [report]")
    shares = {"hidden": (1e-9, 1e-3, 1.0), "memory": (1e-8, 1e-2)}
    flows = (
        Flow("rnn_tanh", 10, 0.5, {"hidden": shares["hidden"]}, {"hidden": (1e-90, 1e-40, 1.0)}),
        Flow("lstm", 40, 1.0, shares, shares),
    )
    svg = write_picture(GradientStudy(flows, 0.01, 0.01), tmp_path / "a.svg").read_text()
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    used = set(re.findall(r"var\((--\w+)\)", svg))
    light, dark = svg[svg.index("<style>") : svg.index("</style>")].split("@media")
    assert used <= set(re.findall(r"(--\w+):", light))
    assert used <= set(re.findall(r"(--\w+):", dark))
    written = "".join(root.itertext())
    for text in ("Elman", "LSTM, its memory c", "before training", "after training"):
        assert text in written
