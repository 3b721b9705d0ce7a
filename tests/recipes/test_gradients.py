"""The gradient of each state: against the chain rule, differences, and a bound from the papers."""

import json
import subprocess
import sys
import time
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

from tests.test_architecture import ROOT

SCRIPT = ROOT / "recipes/gradients/study.py"
script = SimpleNamespace(**run_path(str(SCRIPT)))
gradient_norms, Clips, TONES_HZ = script.gradient_norms, script.Clips, script.TONES_HZ
TRAINING, VALIDATION = script.TRAINING, script.VALIDATION

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
    clips = Clips(TRAINING, 40, (0.0, 0.5), seed=0)
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
    clips = Clips(TRAINING, 12, (0.0, 0.4), seed=3)
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
    other = Clips(VALIDATION, 12, (0.0, 0.4), seed=3)
    assert not torch.equal(other.waveform(5)[:1600], first[:1600])


def study(folder, *options):
    """Run the script within this process."""
    app = typer.Typer()
    app.command()(script.study)
    return CliRunner().invoke(app, ["--output", str(folder), *options])


@pytest.mark.slow
def test_each_cell_is_studied_before_and_after(tmp_path):
    cells = ("--cell", "rnn_tanh", "--cell", "lstm", "--hidden-size", "8")
    few = ("--clips", "64", "--noise-seconds", "0", "0.1", "--epochs", "2")
    made = study(tmp_path, *cells, *few)
    figures = json.loads((tmp_path / "gradients.json").read_text())
    assert [flow["cell"] for flow in figures["flows"]] == ["rnn_tanh", "lstm"]
    for flow in figures["flows"]:
        for shares in (flow["before"], flow["after"]):
            assert len(shares["hidden"]) == 21  # 0.2 s, a step every 10 ms
            assert shares["hidden"][-1] == 1
        assert flow["before"] != flow["after"]
    assert set(figures["flows"][1]["after"]) == {"hidden", "memory"}
    assert "first step, memory" in made.stdout
    pytest.importorskip("matplotlib", reason="pictures need the extra [report]")
    assert made.stdout.splitlines()[-1] == f"picture: {tmp_path / 'gradients.svg'}"
    assert "<svg" in (tmp_path / "gradients.svg").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cell", "gruu"), "cell='gruu' is unknown; did you mean 'gru'?"),
        (("--noise-seconds", "2", "1"), "noise_seconds=(2.0, 1.0) must ascend"),
        (("--noise-seconds", "0", "0"), "must ascend, to above 0"),
    ],
)
def test_wrong_values_are_refused_before_any_work(options, message, tmp_path):
    refused = study(tmp_path / "run", *options)
    assert refused.exit_code == 2
    assert message in " ".join(refused.stderr.split())
    assert isinstance(refused.exception, SystemExit)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow(minutes=1)
def test_gates_keep_what_an_elman_network_loses(tmp_path):
    started = time.monotonic()
    subprocess.run([sys.executable, str(SCRIPT), "--output", str(tmp_path)], check=True)
    figures = json.loads((tmp_path / "gradients.json").read_text())
    first = {flow["cell"]: flow["before"]["hidden"][0] for flow in figures["flows"]}
    last = {flow["cell"]: flow["after"]["hidden"][0] for flow in figures["flows"]}
    right = {flow["cell"]: flow["accuracy"] for flow in figures["flows"]}
    assert first["rnn_tanh"] < 1e-12 < first["lstm"]
    assert last["rnn_tanh"] < 1e-12 < last["gru"]
    assert right["gru"] > 0.99
    assert right["lstm"] > 0.99
    assert time.monotonic() - started < 300  # two minutes where nothing else runs
