"""The entry point of a Hydra command; Hydra is imported only when the command runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from speech_rnn.engines.environment import set_environment
from speech_rnn.errors import printed_errors
from speech_rnn.listening.interrupts import stopping

if TYPE_CHECKING:
    from omegaconf import DictConfig


def hydra_door(config_name: str, run: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """Return the ``main()`` of a command, which prints errors in one line and sets the exit code.

    SIGTERM is treated like Ctrl-C, wherever it arrives.
    """

    def main() -> None:
        set_environment()
        with printed_errors(), stopping() as stop, stop.at_once():
            from speech_rnn.config.app import run_app

            run_app(config_name, run)

    return main
