import subprocess
import sys

import pytest

from tests.test_architecture import ROOT


@pytest.mark.slow(minutes=1)
def test_three_thousand_damaged_files_end_in_a_result_or_an_error():
    command = [sys.executable, "-m", "tests.fuzz", "--number", "273", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    *kinds, last = done.stdout.splitlines()
    assert last.startswith("0 others; slowest")
    assert len(kinds) == 11, kinds  # no library talks on standard output
