"""The formats of events, read by the programs that they are for where those can be had."""

import csv
import html
import inspect
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.listening.events import Event
from speech_rnn.listening.formats import (
    COLUMNS,
    FORMATS,
    audacity_labels,
    csv_table,
    text_line,
    textgrid,
    webvtt,
)
from speech_rnn.spot import spot

EVENTS = [
    Event("a.wav", "low", 0.51, 0.96, 0.98765),
    Event("a.wav", 'say "no" & <go>', 1.0, 1.2304, 0.5),
    Event("a.wav", "größer, als", 3723.5, 3724.0, 1.0),
]
DURATION = 3725.25

events = st.lists(
    st.builds(
        lambda start, length, word: Event("a", word, start, start + length, 0.5),
        st.floats(0, 100),
        st.floats(0, 2),
        st.sampled_from(["low", "high", 'a "b"']),
    ),
    max_size=12,
)


def test_the_help_of_format_names_every_format():
    (option,) = inspect.signature(spot).parameters["form"].annotation.__metadata__
    assert all(name in option.help for name in FORMATS)


def test_text_has_the_word_last():
    assert text_line(EVENTS[1]) == '1.000 1.230 0.5000 say "no" & <go>'
    assert text_line(EVENTS[0], with_name=True) == "a.wav: 0.510 0.960 0.9877 low"


def test_csv_is_read_back():
    rows = list(csv.DictReader(io.StringIO(csv_table(EVENTS, DURATION))))
    assert tuple(rows[0]) == COLUMNS
    for row, event in zip(rows, EVENTS, strict=True):
        assert (row["file"], row["word"]) == (event.file, event.word)
        for name in ("start", "end", "confidence"):
            assert float(row[name]) == pytest.approx(getattr(event, name), abs=5.1e-5)


def test_audacity_labels_are_read_back():
    rows = [line.split("\t") for line in audacity_labels(EVENTS, DURATION).splitlines()]
    assert [(float(start), float(end), word) for start, end, word in rows] == [
        (event.start, event.end, event.word) for event in EVENTS
    ]
    assert audacity_labels([], DURATION) == ""


def test_webvtt_is_read_back():
    reader = pytest.importorskip("webvtt")
    text = webvtt(EVENTS, DURATION)
    cues = reader.from_string(text)
    assert [html.unescape(cue.text) for cue in cues] == ["low", 'say "no" & <go>', "größer, als"]
    assert [(cue.start, cue.end) for cue in cues] == [
        ("00:00:00.510", "00:00:00.960"),
        ("00:00:01.000", "00:00:01.230"),
        ("01:02:03.500", "01:02:04.000"),
    ]
    assert "&amp; &lt;go&gt;" in text
    notes = [line for line in text.splitlines() if line.startswith("NOTE")]
    assert notes == [f"NOTE confidence {event.confidence:.4f}" for event in EVENTS]
    assert webvtt([], DURATION) == "WEBVTT\n"


def praat(text, folder):
    """Read with Praat itself: (name, [(start, end, text)]) of each tier, without the gaps."""
    parselmouth = pytest.importorskip("parselmouth")
    path = folder / "x.TextGrid"
    path.write_text(text, encoding="utf-8")
    grid = parselmouth.read(str(path))
    tiers = []
    for tier in range(1, parselmouth.praat.call(grid, "Get number of tiers") + 1):
        n_intervals = parselmouth.praat.call(grid, "Get number of intervals", tier)
        found, reached = [], 0.0
        for place in range(1, n_intervals + 1):
            start, end = (
                parselmouth.praat.call(grid, f"Get {side} time of interval", tier, place)
                for side in ("start", "end")
            )
            label = parselmouth.praat.call(grid, "Get label of interval", tier, place)
            assert start == reached < end  # a tier is filled
            reached = end
            if label:
                found.append((start, end, label))
        assert reached == grid.xmax
        tiers.append((parselmouth.praat.call(grid, "Get tier name", tier), found))
    return grid.xmax, tiers


def test_praat_reads_the_textgrid(tmp_path):
    xmax, ((words, intervals), (confidence, scores)) = praat(textgrid(EVENTS, DURATION), tmp_path)
    assert (xmax, words, confidence) == (DURATION, "words", "confidence")
    assert intervals == [
        (0.51, 0.96, "low"),
        (1.0, 1.23, 'say "no" & <go>'),
        (3723.5, 3724.0, "größer, als"),
    ]
    assert [score for _, _, score in scores] == ["0.9877", "0.5000", "1.0000"]
    _, ((_, nothing), _) = praat(textgrid([], 2.0), tmp_path)
    assert nothing == []


@given(events)
def test_praat_reads_overlapping_words(tmp_path_factory, events):
    _, tiers = praat(textgrid(events, 50.0), tmp_path_factory.mktemp("grid"))
    found = [interval for name, tier in tiers if name.startswith("words") for interval in tier]
    assert len(found) == len(events)
    starts, ends = (sorted(interval[side] for interval in found) for side in (0, 1))
    assert starts == pytest.approx(sorted(event.start for event in events), abs=6e-4)
    assert ends == pytest.approx(sorted(event.end for event in events), abs=2e-3)
    assert sorted(word for _, _, word in found) == sorted(event.word for event in events)
