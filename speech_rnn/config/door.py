"""The door of a command that Hydra configures; Hydra itself is imported when it opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from speech_rnn.errors import spoken_errors
from speech_rnn.listening.interrupts import stopping

if TYPE_CHECKING:
    from omegaconf import DictConfig


def hydra_door(config_name: str, run: Callable[[DictConfig], Any]) -> Callable[[], None]:
    """Return the ``main()`` of a command: errors are one line and an exit code.

    SIGTERM is as good as Ctrl-C, wherever it comes.
    """

    def main() -> None:
        with spoken_errors(), stopping() as stop, stop.at_once():
            from speech_rnn.config.app import run_app

            run_app(config_name, run)

    return main
