"""Programs set what the libraries below PyTorch read when it is imported."""

import os
import subprocess
import sys

import pytest

from speech_rnn.engines.environment import SETTINGS

RUN = """
import os, sys, typer
assert "torch" not in sys.modules
def show():
    print({name: os.environ[name] for name in %r})
"""
ALONE = "from speech_rnn.reporting.examples import run_alone\nrun_alone(show, ())"
CLI = "from speech_rnn import cli\ncli.app.command()(show)\nsys.argv = ['', 'show']\ncli.main()"
HYDRA = """
from speech_rnn.config.door import hydra_door
sys.argv = ["", "+recipe=digits"]
hydra_door("train", lambda cfg: show())()
"""


@pytest.mark.parametrize("start", [ALONE, CLI, HYDRA], ids=["alone", "cli", "hydra"])
@pytest.mark.parametrize("given", [{}, {"OMP_WAIT_POLICY": "ACTIVE"}], ids=["unset", "set"])
def test_a_program_makes_the_settings_that_are_not_made(tmp_path, start, given):
    own = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    code = RUN % (tuple(SETTINGS),) + start
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=own | given,
    )
    assert str(SETTINGS | given) in found.stdout
