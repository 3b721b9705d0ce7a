from dataclasses import replace

import pytest
import torch
from distillation.augmentation import QUIET, SILENT, Augmentation, Batch, padded, reading
from distillation.settings import Settings

SHARES = (
    *("stretched", "warped", "noisy", "banded"),
    *("louder", "gated", "close", "echoing", "masked"),
)
NONE = replace(Settings(), **dict.fromkeys(SHARES, 0.0))


def batch(n_clips=16):
    """Clips from frame 40 to frame 100, louder than what is around them."""
    torch.manual_seed(1)
    frames = torch.full((n_clips, 151, 40), -12.0)
    frames[:, 40:100] = torch.randn(n_clips, 60, 40) - 2
    targets = torch.arange(37.0)[None, :, None].expand(n_clips, 37, 3)
    start, size = torch.full((n_clips,), 6400.0), torch.full((n_clips,), 9600.0)
    return Batch(frames, targets, start, size)


def augmentation(noises=(), **shares):
    generator = torch.Generator().manual_seed(0)
    return Augmentation(replace(NONE, **shares), list(noises), generator)


def test_without_shares_clips_stay_but_for_their_colour():
    given = batch()
    changed = augmentation()(given, lead=8, trail=5)
    assert changed.frames.shape == (16, 8 + 151 + 5, 40)
    assert torch.equal(changed.targets, given.targets)
    colour = (changed.frames[:, 8:159] - given.frames)[:, 40:100]
    assert (colour - colour.mean(1, keepdim=True)).abs().mean() < 0.02  # faint noise
    assert 0.1 < colour.mean(1).std() < 0.6


@pytest.mark.parametrize(("speed", "end"), [(0.5, 80), (2.0, 20)])
def test_targets_and_places_follow_the_speed(monkeypatch, speed, end):
    monkeypatch.setattr("distillation.augmentation.SPEED", (speed, speed))
    frames = torch.full((1, 151, 40), -12.0)
    frames[:, :40] = 0.0  # a clip that begins with its window
    targets = torch.arange(37.0)[None, :, None]
    given = Batch(frames, targets, torch.tensor([0.0]), torch.tensor([6400.0]))
    changed = augmentation(stretched=1.0).stretched(given, middle=0)
    assert changed.start.item() == 0
    assert changed.n_samples.item() == 160 * end
    heard = (changed.frames[0, :, 0] > -6).nonzero()[:, 0]
    assert abs(heard.max() + 1 - end) <= 1
    step = end // 8  # a step within the clip
    assert changed.targets[0, step, 0] == pytest.approx(step * speed, abs=0.3)


def test_a_gate_leaves_nothing_around_a_clip():
    changed = augmentation(gated=1.0)(batch(), lead=8, trail=5)
    floor = torch.tensor(SILENT).log()
    assert torch.equal(changed.frames[:, :46], floor.expand(16, 46, 40))
    assert torch.equal(changed.frames[:, 111:], floor.expand(16, 53, 40))
    assert (changed.frames[:, 48:108] > floor).all()


def test_a_close_cut_is_at_high_level(monkeypatch):
    """A word that begins 20 dB and ends 30 dB below its peak, cut at -25 dB."""
    monkeypatch.setattr("distillation.augmentation.CLOSE_DB", (-25.0, -25.0))
    given = batch(4)
    given.frames[:, 40:100] = 0.0
    given.frames[:, 40:60] -= 20 / 10 * torch.tensor(10.0).log()
    given.frames[:, 80:100] -= 30 / 10 * torch.tensor(10.0).log()
    changed = augmentation(gated=1.0, close=1.0).mixed(given, lead=8, trail=5)
    assert (changed.frames[:, 48:88] > torch.tensor(SILENT).log()).all()
    assert (changed.frames[:, 88:] == torch.tensor(SILENT).log()).all()
    assert changed.start.tolist() == [40 * 160] * 4
    assert changed.n_samples.tolist() == [40 * 160] * 4


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
@pytest.mark.parametrize("recorded", [True, False])
def test_noise_has_the_ratio_that_is_asked_for(snr_db, recorded):
    given = batch()
    noises = [torch.randn(400, 40)] if recorded else []
    change = augmentation(noises, noisy=1.0, snr_db=(snr_db, snr_db))
    power = given.frames.exp()
    heard = change.noisy(torch.zeros(16, 164, 40), power, given)
    level = power[:, 41:100].mean((1, 2))
    ratio = 10 * torch.log10(level / heard.mean((1, 2)))
    assert (ratio - snr_db).abs().max() < 0.5


def test_a_telephone_takes_the_highest_bands():
    lost = augmentation(banded=1.0).cut_bands(16)
    assert (lost[:, 0, -3:] == 14).all()
    assert (lost[:, 0, 15:26] == 0).all()


def test_half_a_batch_is_half():
    lost = augmentation(banded=0.5).cut_bands(2000)
    assert (lost[:, 0, -1] > 0).float().mean() == pytest.approx(0.5, abs=0.05)


def test_masks_hide_bands_and_stretches():
    frames = augmentation(masked=1.0).masked(torch.zeros(64, 151, 40))
    hidden = frames == -9.0
    assert hidden.any(2).all(1).any()  # a band, all along
    assert hidden.all(2).any()  # a stretch, all bands
    assert hidden.float().mean() < 0.4


def test_rooms_add_what_was_before():
    power = torch.zeros(8, 151, 40)
    power[:, 50] = 1.0
    heard = augmentation(echoing=1.0).echoing(power)
    assert torch.equal(heard[:, :51], power[:, :51])
    assert (heard[:, 51] > heard[:, 60]).all()
    assert (heard[:, 60] > 0).all()


def test_a_generator_decides_all():
    given, shares = batch(), dict.fromkeys(SHARES, 0.5)
    one, two = (augmentation(**shares)(given, 8, 5).frames for _ in range(2))
    assert torch.equal(one, two)


def test_padding_is_quiet():
    changed = padded(batch(), 8, 5)
    assert torch.equal(changed.frames[:, :8], torch.full((16, 8, 40), QUIET))
    assert changed.frames.shape == (16, 164, 40)


def test_reading_at_whole_places_returns_them():
    places = torch.tensor([[0.0, 2.0, 1.5, 9.0]])
    read = torch.bmm(reading(places, 4), torch.tensor([[[10.0], [20.0], [40.0], [80.0]]]))
    assert read[0, :, 0].tolist() == [10, 40, 30, 80]
