"""Write what people say in Flight of the Amazon Queen as recordings of two minutes.

python recipes/keywords_stream/talk.py queen.1c FOLDER

The game (1995, with speech; its makers give it away) is in ScummVM's downloads and in Debian's
package flight-of-the-amazon-queen. Its talk is four hours and a half by some tens of actors, at
11 kHz: hours of people for a recogniser to stay silent at. The table of its parts is that of
ScummVM (engines/queen/resource.cpp).
"""

import io
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

SECONDS = 120.0
LEVEL = 0.05  # the root of the mean square of a recording, as that of a read book is
HEADER = struct.Struct(">4s6sBxBH")  # QTBL, version, features, compression, parts
PART = struct.Struct(">12sBII")  # name, bundle, offset, size
LINE = re.compile(rb"(\d+\w*[PJ]\d|C\d+\w+|JOE\d+)\.SB")  # the others are noises


def lines(game: bytes) -> Iterator[tuple[np.ndarray, int]]:
    """Decode what is said, line by line, each with its sample rate."""
    signature, *_, n_parts = HEADER.unpack_from(game)
    if signature != b"QTBL":
        sys.exit("this is no queen.1c with compressed speech, such as ScummVM's site offers")
    for name, _, offset, size in PART.iter_unpack(
        game[HEADER.size : HEADER.size + n_parts * PART.size]
    ):
        if LINE.fullmatch(name.rstrip(b"\0")):
            yield soundfile.read(io.BytesIO(game[offset : offset + size]), dtype="float32")


def main() -> None:
    """Join lines until a recording is long enough."""
    game, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    said: list[np.ndarray] = []
    number = 0
    for samples, rate in lines(game.read_bytes()):
        said.append(samples)
        if sum(map(len, said)) >= SECONDS * rate:
            joined = np.concatenate(said)
            joined *= LEVEL / np.sqrt(np.mean(joined**2))
            soundfile.write(folder / f"queen_{number:03}.ogg", joined, rate, compression_level=0.8)
            said, number = [], number + 1
    print(f"{number} recordings of {SECONDS:.0f} s or more in {folder}")


if __name__ == "__main__":
    main()
