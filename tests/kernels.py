"""librosa without the wait for kernels that no test calls.

Numba compiles them all as librosa is imported, once an environment: 25 s. Here each one is compiled
when it is first called.
"""

import os
from functools import cache, wraps

# What is compiled runs a few times: to optimise it would take longer.
os.environ.setdefault("NUMBA_OPT", "0")

import numba


def _when_called(compiler):
    """Return a decorator that compiles a function with `compiler` at its first call."""

    def configured(*signatures, **options):
        def decorated(function):
            compiled = cache(lambda: compiler(*signatures, **options)(function))

            @wraps(function)
            def call(*values, **named):
                return compiled()(*values, **named)

            return call

        return decorated

    return configured


numba.vectorize = _when_called(numba.vectorize)
numba.guvectorize = _when_called(numba.guvectorize)

import librosa  # noqa: E402, F401
