"""A Hydra command asks for large pages of memory before it imports torch."""

import mmap
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
N_BYTES = 48_000_000
FAULTS = f"""
import resource
from speech_rnn.config.door import hydra_door

def run(cfg):
    import torch
    start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros({N_BYTES}, dtype=torch.uint8).add_(1)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)

hydra_door("train", run)()
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not PAGES.exists() or "[never]" in PAGES.read_text(), reason="this system has no large pages"
)
def test_large_tensors_get_large_pages(tmp_path):
    command = [sys.executable, "-c", FAULTS, "+recipe=digits", f"output_dir={tmp_path}"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(found.stdout) < 0.1 * N_BYTES / mmap.PAGESIZE
