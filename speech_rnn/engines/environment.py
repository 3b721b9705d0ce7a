"""Settings of the libraries below PyTorch, which read them when it is imported."""

from __future__ import annotations

import os

SETTINGS = {
    # Threads that wait for each other let other programs run. If they do not, and a program uses
    # one of two cores, an epoch takes more than four times as long, and spot as well.
    "OMP_WAIT_POLICY": "PASSIVE",
    # PyTorch asks for large pages. Steps that clear small ones took 1.6 times as long for a network
    # with convolutions.
    "THP_MEM_ALLOC_ENABLE": "1",
}


def set_environment() -> None:
    """Make the settings that the environment does not have; a program calls this as it starts."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
