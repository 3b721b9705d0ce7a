"""Write words of people from two openly licensed corpora, for `words=[DIR]` of build.py.

python recipes/embedding/further_words.py dspspeech20 CLONE OUT
python recipes/embedding/further_words.py phone_numbers CLONE OUT

CLONE is a checkout of github.com/zhongyuchen/DSPSpeech-20 (single words of 34 people) or of
github.com/Sakshee5/alphanumeric-audio-dataset (70 people read a telephone number, which is cut
into its digits where that succeeds); both are under the MIT licence. OUT becomes one folder a
speaker, each file a word, an underscore and a number.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import load_audio, write_audio
from speech_rnn.data.free_spoken_digits import DIGITS
from speech_rnn.errors import ConfigurationError, SpeechRnnError, printed_errors

SAMPLE_RATE, FRAME = 16_000, 160
PEAK = 0.5
SPOKEN = (
    *("shuzi", "yuyin", "yuyan", "shibie", "zhongguo", "zonggong", "beijing", "beijing2"),
    *("shanghai", "shanghang", "fudan", "fandian", "speech", "speaker", "signal", "process"),
    *("print", "open", "close", "project"),
)
"""The words of DSPSpeech-20 by their numbers."""
FEWEST_DIGITS = 7
SHORTEST, LONGEST = 9, 75
"""Shortest and longest digit between pauses, in frames of 10 ms."""
PAUSES = (4, 6, 8, 11, 15, 20)
"""Longest gap below the threshold within a digit, in frames, such as the stop in "eight"."""
LEVELS = np.arange(0.25, 0.7, 0.05)
"""Thresholds, from the noise floor (0) to the level of the voice (1)."""
RUN_SHORTEST, RUN_LONGEST, RUN_GAP = 14, 70, 3
"""Duration of a digit in a number without pauses, and gap to the next, in frames."""
RUN_LEVEL, RUN_FAINTEST, RUN_SPREAD = 0.45, 0.1, 0.35

Spans = list[tuple[int, int]]
Levels = NDArray[np.float64]


def main() -> None:
    """Write the words of one corpus."""
    with printed_errors():
        if len(sys.argv) != 4 or sys.argv[1] not in ("dspspeech20", "phone_numbers"):
            raise ConfigurationError(str(__doc__))
        read = dspspeech20 if sys.argv[1] == "dspspeech20" else phone_numbers
        output, n_words = Path(sys.argv[3]), 0
        for speaker, word, number, samples in read(Path(sys.argv[2])):
            (output / speaker).mkdir(parents=True, exist_ok=True)
            write_audio(output / speaker / f"{word}_{number}.flac", samples, SAMPLE_RATE)
            n_words += 1
        print(f"{n_words:,} words of {len(list(output.iterdir()))} people: {output}")


def dspspeech20(clone: Path) -> Iterator[tuple[str, str, int, NDArray[np.float32]]]:
    """Yield speaker, word, number and samples of each clip that can be read."""
    for file in sorted(clone.rglob("*.wav")):
        named = re.fullmatch(r"(\d{11})-(\d\d)-(\d\d)\.wav", file.name)
        if named is None or int(named[2]) >= len(SPOKEN):
            continue
        try:
            samples = load_audio(file, SAMPLE_RATE, check=False)
        except SpeechRnnError as error:
            print(error)
            continue
        yield named[1], SPOKEN[int(named[2])], int(named[3]), samples


def phone_numbers(clone: Path) -> Iterator[tuple[str, str, int, NDArray[np.float32]]]:
    """Yield speaker, digit, its place and samples of each number that can be cut."""
    with (clone / "metadata.csv").open(encoding="utf-8", newline="") as opened:
        numbers = {Path(row["file_name"]).stem: row["Number"] for row in csv.DictReader(opened)}
    for file in sorted((clone / "audio_data" / "Numbers").glob("*.wav")):
        digits = [int(character) for character in numbers[file.stem] if character.isdigit()]
        samples = load_audio(file, SAMPLE_RATE, check=False)
        level = levels(samples)
        spans = between_pauses(level, len(digits)) or in_one_run(level, len(digits))
        if len(digits) < FEWEST_DIGITS or not spans:
            print(f"{file.name}: its digits cannot be told apart")
            continue
        middles = [(left[1] + right[0]) // 2 for left, right in pairwise(spans)]
        edges = [0, *middles, len(level)]
        for place, (digit, (first, last)) in enumerate(zip(digits, spans, strict=True)):
            first, last = max(edges[place], first - 8), min(edges[place + 1], last + 10)
            cut = samples[FRAME * first : FRAME * last]
            yield file.stem.replace("_", ""), DIGITS[digit], place, cut / np.abs(cut).max() * PEAK


def levels(samples: NDArray[np.float32]) -> Levels:
    """Return the level of each frame of 10 ms, 0 for the noise floor and 1 for the voice."""
    n_frames = len(samples) // FRAME
    power = np.square(samples[: FRAME * n_frames].reshape(n_frames, FRAME)).mean(axis=1)
    decibels = np.convolve(10 * np.log10(power + 1e-10), np.ones(3) / 3, "same")
    room, voice = np.quantile(decibels, (0.1, 0.97))
    return np.asarray((decibels - room) / max(voice - room, 1e-6))


def between_pauses(level: Levels, count: int) -> Spans:
    """Cut at pauses; of the thresholds with the right number of spans, take the most regular."""
    found = []
    for threshold in LEVELS:
        edges = np.diff(np.concatenate([[0], (level > threshold).astype(int), [0]]))
        runs = np.flatnonzero(edges).reshape(-1, 2).tolist()
        for pause in PAUSES:
            spans = [each for each in joined(runs, pause) if each[1] - each[0] >= SHORTEST]
            sizes = np.array([last - first for first, last in spans])
            if len(spans) == count and sizes.max() <= LONGEST:
                found.append((float(sizes.std() / sizes.mean()), spans))
    return min(found)[1] if found else []


def joined(runs: list[list[int]], pause: int) -> Spans:
    """Join runs that are at most `pause` frames apart."""
    spans: Spans = []
    for first, last in runs:
        if spans and first - spans[-1][1] <= pause:
            first = spans.pop()[0]
        spans.append((first, last))
    return spans


def in_one_run(level: Levels, count: int) -> Spans:
    """Cut at the lowest levels: find the spans with the highest total level.

    The solution uses dynamic programming. It is empty if a span is faint, or the lengths differ
    too much.
    """
    n_frames = len(level)
    above = np.concatenate([[0], np.cumsum(level.clip(0, 1) - RUN_LEVEL)])
    best = np.zeros(n_frames + 1)  # of the spans so far, by the frame before which all end
    starts = np.zeros((count, n_frames + 1), int)
    for number in range(count):
        now = np.full(n_frames + 1, -np.inf)
        for end in range(RUN_SHORTEST, n_frames + 1):
            start = np.arange(max(0, end - RUN_LONGEST), end - RUN_SHORTEST + 1)
            before = best[np.maximum(start - RUN_GAP, 0)]
            if number:
                before = np.where(start >= RUN_GAP, before, -np.inf)
            sums = before + above[end] - above[start]
            now[end], starts[number, end] = now[end - 1], -1
            if sums.max() > now[end]:
                now[end], starts[number, end] = sums.max(), start[sums.argmax()]
        best = now
    return _traced(level, starts) if np.isfinite(best[-1]) else []


def _traced(level: Levels, starts: NDArray[np.int64]) -> Spans:
    spans: Spans = []
    end = len(level)
    for row in starts[::-1]:
        while row[end] < 0:
            end -= 1
        spans.insert(0, (int(row[end]), end))
        end = max(0, int(row[end]) - RUN_GAP)
    sizes = np.array([last - first for first, last in spans])
    faintest = min(level[first:last].clip(0, 1).mean() - RUN_LEVEL for first, last in spans)
    is_alike = sizes.std() / sizes.mean() < RUN_SPREAD and sizes.max() < RUN_LONGEST
    return spans if is_alike and faintest >= RUN_FAINTEST else []


if __name__ == "__main__":
    main()
