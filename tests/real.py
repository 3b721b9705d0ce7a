"""Where the real speech for tests is, and the mark that skips a test where it is absent."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason=f"real speech is absent: {SHARED} does not exist"
)
