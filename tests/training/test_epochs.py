"""The line of each epoch in the log of a training, read back."""

from speech_rnn.training.epochs import Epoch, read_epoch


def test_a_line_of_an_epoch_is_read_back():
    epoch = Epoch(2, 30, {"validation error rate": 0.125, "train loss": float("inf")})
    assert epoch.line() == "epoch 2 of 30: validation error rate 0.1250, train loss inf"
    assert read_epoch(f"[2026-01-01 00:00:00,000][root][INFO] - {epoch.line()}\n") == epoch
    assert read_epoch(Epoch(1, 1, {}).line()) == Epoch(1, 1, {})


def test_other_lines_are_no_epochs():
    assert read_epoch("3 words; clips: {'train': 58}") is None
