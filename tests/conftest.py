import gc
import logging
import os
import signal
from contextlib import suppress

import pytest
from hypothesis import settings

from tests import shared
from tests.compositions import compose_faster

# One process a core runs the tests (pytest-xdist): threads of torch's own would contend with them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The machine that runs the tests may be busy: time says nothing about a law. The same examples are
# drawn in each run, so that further ones would find no more in the next.
settings.register_profile("speech_rnn", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("speech_rnn")

compose_faster()

# What the tests and libraries consist of stays until the end: to look for garbage in it takes
# seconds, again and again.
gc.disable()

# A suite that a shell starts in the background ignores Ctrl-C. So would the programs that it runs.
signal.signal(signal.SIGINT, signal.default_int_handler)

# OpenVoiceOS names the caller in each line of its log. It walks through the stack and all modules
# to find it, which takes a second within pytest.
with suppress(ImportError):
    from ovos_utils.log import LOG

    for level in ("debug", "info", "warning", "error", "exception"):
        setattr(LOG, level, getattr(logging.getLogger("ovos"), level))


@pytest.fixture(scope="session", autouse=True)
def _shared_folder(tmp_path_factory):
    """Let the processes of this run share a folder: each has its own within it."""
    folder = tmp_path_factory.getbasetemp()
    shared.FOLDER = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(autouse=True)
def _quiet_logs():
    """Begin each test at the usual level: a training within the process raises it for good."""
    logging.getLogger().setLevel(logging.WARNING)


def pytest_collection_modifyitems(items):
    """Run the longest tests first: one that starts last would run on alone."""
    items.sort(key=_minutes, reverse=True)


def pytest_collection_finish():
    """Look for garbage from here on, and only among what the tests make."""
    gc.freeze()
    gc.enable()


def _minutes(item):
    mark = item.get_closest_marker("slow")
    return mark.kwargs.get("minutes", 0) if mark else 0


def pytest_make_parametrize_id(val):
    """Leave a file's bytes out of a test's name: some hold the time, and processes must agree."""
    return "bytes" if isinstance(val, bytes) else None
