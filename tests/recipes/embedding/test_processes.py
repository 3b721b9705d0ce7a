"""Processes that average their gradients."""

import torch
from distillation.processes import average_gradients, in_processes, n_processes, own_number
from torch import nn


def share(folder):
    """Write the gradients that a process has after averaging; only the second has one of `own`."""
    shared, own = nn.Parameter(torch.ones(2, 3)), nn.Parameter(torch.ones(4))
    number = own_number()
    (shared * (number + 1)).sum().backward()
    if number:
        (own * 3).sum().backward()
    average_gradients([shared, own])
    torch.save([n_processes(), shared.grad, own.grad], folder / f"{number}.pt")


def test_two_processes_get_the_mean_of_their_gradients(tmp_path):
    in_processes(2, share, tmp_path)
    for number in range(2):
        count, shared, own = torch.load(tmp_path / f"{number}.pt")
        assert count == 2
        assert torch.equal(shared, torch.full((2, 3), 1.5))
        assert torch.equal(own, torch.full((4,), 1.5))


def test_one_process_keeps_its_gradients(tmp_path):
    in_processes(1, share, tmp_path)
    count, shared, own = torch.load(tmp_path / "0.pt")
    assert count == 1
    assert torch.equal(shared, torch.ones(2, 3))
    assert own is None
