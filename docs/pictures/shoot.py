"""Take the pictures of the page: python -m docs.pictures.shoot (needs Chromium and [serve]).

They show the recogniser of the package after the ten clips of ``tests/clips``, for light and for
dark pages, on a desk and on a phone.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from speech_rnn import Recognizer, load_audio
from speech_rnn.browser.description import for_browser
from speech_rnn.browser.runtime import find_runtime
from speech_rnn.browser.writing import write_folder
from tests.browser.chromium import browser, served
from tests.browser.driving import DONE, READY

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
RATE = 16_000
SIZES = {"page": (1240, 800, 1), "page_phone": (390, 844, 1.5)}
"""Width and height in CSS pixels, and pixels of the picture for each of those."""


def main() -> None:
    """Write the pictures."""
    pause = np.random.default_rng(0).normal(0, 1e-3, RATE // 4).astype(np.float32)
    clips = [load_audio(path, RATE) for path in sorted((ROOT / "tests/clips").glob("*.flac"))]
    sound = np.concatenate([piece for clip in clips for piece in (clip, pause)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(for_browser(Recognizer.load(), "starter"), folder / "page", find_runtime())
        soundfile.write(folder / "commands.wav", sound, RATE)
        with served(folder / "page") as address, browser(folder) as new_tab:
            for picture, (width, height, scale) in SIZES.items():
                for scheme in ("light", "dark"):
                    tab = new_tab()
                    tab.open(address, width, height, scheme, scale)
                    tab.until(READY)
                    tab.choose("#file", folder / "commands.wav")
                    tab.until(DONE)
                    time.sleep(1)  # the last frame is drawn
                    (FOLDER / f"{picture}_{scheme}.png").write_bytes(tab.picture())


if __name__ == "__main__":
    main()
