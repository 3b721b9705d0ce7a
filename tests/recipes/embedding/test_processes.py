"""Processes that average their gradients."""

import pytest
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


def convolve(folder):
    """Write a convolution's gradient of ascending numbers, averaged, and a fused step with it."""
    convolution = nn.Conv2d(3, 4, 3, bias=False).to(memory_format=torch.channels_last)
    weight = convolution.weight
    nn.init.zeros_(weight)
    (weight * torch.arange(weight.numel()).view_as(weight)).sum().backward()
    average_gradients([weight])
    torch.optim.SGD([weight], 1.0, fused=True).step()
    is_alike = weight.stride() == weight.grad.stride()
    torch.save([is_alike, weight.detach()], folder / f"fused{own_number()}.pt")


def share_and_convolve(folder):
    """Do both in one pair of processes: each loads torch anew."""
    share(folder)
    convolve(folder)


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("averaged")
    in_processes(2, share_and_convolve, folder)
    return folder


@pytest.mark.slow
def test_two_processes_get_the_mean_of_their_gradients(averaged):
    for number in range(2):
        count, shared, own = torch.load(averaged / f"{number}.pt")
        assert count == 2
        assert torch.equal(shared, torch.full((2, 3), 1.5))
        assert torch.equal(own, torch.full((4,), 1.5))


@pytest.mark.slow
def test_a_fused_step_after_averaging_moves_each_weight_by_its_own_gradient(averaged):
    for number in range(2):
        is_alike, weight = torch.load(averaged / f"fused{number}.pt")
        assert is_alike
        assert torch.equal(weight, -torch.arange(108.0).view(4, 3, 3, 3))


def test_one_process_keeps_its_gradients(tmp_path):
    in_processes(1, share, tmp_path)
    count, shared, own = torch.load(tmp_path / "0.pt")
    assert count == 1
    assert torch.equal(shared, torch.ones(2, 3))
    assert own is None
