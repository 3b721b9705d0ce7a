"""Run the scripts of the page in node, which has no page."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from speech_rnn.browser.runtime import cached_runtime, find_runtime
from speech_rnn.errors import SpeechRnnError

NODE = shutil.which("node")
HERE = Path(__file__).parent
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")


def in_node(script, values, *arguments):
    """Give plain values to a script beside this file, and return those that it prints."""
    result = subprocess.run(
        [NODE, HERE / script, *map(str, arguments)],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def runtime_or_skip():
    """Return the folder of onnxruntime-web, fetched if npm can; skip the test otherwise."""
    try:
        return cached_runtime() or find_runtime()
    except SpeechRnnError as error:
        pytest.skip(f"onnxruntime-web is absent: {error}")
