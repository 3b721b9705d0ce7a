"""The entry point of a Hydra command; Hydra is imported only when the command runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from speech_rnn.errors import printed_errors
from speech_rnn.listening.interrupts import stopping

if TYPE_CHECKING:
    from omegaconf import DictConfig


def hydra_door(config_name: str, run: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """Return the ``main()`` of a command, which prints errors in one line and sets the exit code.

    SIGTERM is treated like Ctrl-C, wherever it arrives.
    """

    def main() -> None:
        # torch asks for large pages then. Steps that clear small ones took 1.6 times as long for a
        # network with convolutions.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
        # Threads that wait for each other let other programs run. If they do not, and a program
        # uses one of two cores, an epoch takes more than four times as long.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        with printed_errors(), stopping() as stop, stop.at_once():
            from speech_rnn.config.app import run_app

            run_app(config_name, run)

    return main
