"""A recogniser that hears known sound: figures, curve, and the command as a user runs it."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from speech_rnn.audio import write_audio
from speech_rnn.data.manifest import Manifest
from speech_rnn.detection.det_curve import THRESHOLDS, detect, detect_in
from speech_rnn.detection.labels import Label
from speech_rnn.detection.long_streams import Streams
from speech_rnn.detection.matching import Detections
from speech_rnn.detection.recordings import read_recordings
from speech_rnn.errors import DataError
from speech_rnn.streaming.spotter import Spotting
from tests.commands import speech_rnn
from tests.listeners import RATE, WORDS, scene, train_listener
from tests.tones import write_corpus


@dataclass(frozen=True)
class Sound:
    """A scene that is in memory."""

    samples: np.ndarray
    labels: tuple
    sample_rate: int = RATE
    notes: tuple = ()

    @property
    def duration(self):
        return len(self.samples) / self.sample_rate

    def blocks(self, block_seconds):
        size = round(block_seconds * self.sample_rate)
        return (self.samples[first : first + size] for first in range(0, len(self.samples), size))


def sound(words, **settings):
    waveform, truth = scene(words, **settings)
    return Sound(waveform, tuple(Label(*label) for label in truth))


@pytest.fixture(scope="module")
def listener():
    return train_listener(bidirectional=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, listener):
    folder = tmp_path_factory.mktemp("detect")
    write_corpus(folder / "tones")
    listener.save(folder / "model.safetensors")
    return folder


SAID = ["low", "high", "high", "middle", "low", "middle", "high", "low"]


def test_detections_are_counted(listener):
    given = sound(SAID, gap=1.5, seed=99)
    report = detect(listener, [given])
    assert report.per_word == {
        word: Detections(SAID.count(word), SAID.count(word), 0, given.duration / 3600)
        for word in WORDS
    }
    assert report.total.n_labels == 8
    assert -0.4 < report.latency.median <= report.latency.p95 < 0.5  # a tone is known early
    plain = report.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["total"]["miss_rate"] == 0


def test_several_scenes_are_counted_together(listener):
    one, other = sound(SAID, seed=99), sound(SAID[:3], seed=5)
    both = detect(listener, [one, other]).total
    assert both.n_labels == 11
    assert both.hours == pytest.approx((one.duration + other.duration) / 3600)
    alone = [detect(listener, [scene]).total for scene in (one, other)]
    assert both == Detections.of_scenes(alone)


def test_a_label_without_event_is_missed_and_an_event_without_label_is_false(listener):
    given = sound(SAID, gap=1.5, seed=99)
    wrong = (replace(given.labels[0], word="high"), *given.labels[1:])
    report = detect(listener, [replace(given, labels=wrong)])
    assert report.per_word["high"].n_missed == 1
    assert report.per_word["low"].n_false == 1
    assert report.total.n_false == report.total.n_missed == 1


@pytest.mark.slow
def test_a_point_of_the_curve_equals_its_threshold_alone(listener):
    given = sound(SAID * 3, gap=0.8, noise=0.15, seed=7)  # loud enough that thresholds matter
    curve = detect(listener, [given], block_seconds=1.0).curve
    assert [point.threshold for point in curve] == sorted(THRESHOLDS)
    assert len({(point.total.n_missed, point.total.n_false) for point in curve}) > 4
    for point in curve[::6]:  # without a sweep of its own
        spotting = replace(listener.own_spotting, threshold=point.threshold)
        alone = detect_in(listener, given, spotting, block_seconds=1.0)
        assert alone.count() == point.per_word
    report = detect(listener, [given], threshold=curve[-6].threshold, block_seconds=1.0)
    assert report.per_word == curve[-6].per_word
    assert report.curve == curve


def test_the_stream_and_the_sweep_agree_with_a_stream(listener):
    given = sound(SAID, noise=0.05, seed=3)
    spotting = Spotting.of("ctc")
    heard = detect_in(listener, given, spotting, [spotting.threshold], block_seconds=0.1)
    stream = listener.stream()
    words = [word for block in given.blocks(0.1) for word in stream.push(block)]
    words += stream.finish()
    assert heard.words == heard.curve[spotting.threshold] == words
    for block_seconds in (0.03, 2.0):
        other = detect_in(
            listener, given, spotting, [spotting.threshold], block_seconds=block_seconds
        )
        assert [(w.word, w.start, w.end) for w in other.curve[0.5]] == [
            (w.word, w.start, w.end) for w in words
        ]


def test_a_word_is_reported_when_its_block_ends(listener):
    given = sound(SAID[:4], gap=1.5, seed=3)
    fine, coarse = (
        detect_in(listener, given, Spotting.of("ctc"), block_seconds=seconds)
        for seconds in (0.01, 0.5)
    )
    for soon, late in zip(fine.reported, coarse.reported, strict=True):
        assert soon <= late < soon + 0.5 + 1e-6
        assert late == given.duration or late % 0.5 == pytest.approx(0)


def test_tuned_thresholds_are_used(listener):
    given = sound(SAID, gap=1.5, seed=99)
    deaf = train_listener(bidirectional=False)
    deaf.spotting = replace(Spotting.of("ctc"), thresholds={"low": 1.0})
    report = detect(deaf, [given])
    assert report.per_word["low"].n_missed == SAID.count("low")
    assert report.spotting == deaf.spotting
    assert detect(deaf, [given], threshold=0.5).total.n_missed == 0


def test_clipping_is_reported(listener):
    given = sound(SAID[:2], seed=5)
    loud = replace(given, samples=given.samples * np.float32(4), notes=("a note",))
    n_beyond = int((np.abs(loud.samples) > 1).sum())
    told = f"{n_beyond} samples beyond full scale were clipped; record it with less gain"
    assert detect(listener, [given, loud]).notes == ("a note", told)


def test_unknown_words_and_no_scenes(listener):
    given = sound(["low"])
    with pytest.raises(DataError, match=r"words \['stop'\] are not words of the model"):
        detect(listener, [replace(given, labels=(Label("stop", 0.1, 0.2),))])
    with pytest.raises(DataError, match="there is no sound to measure on"):
        detect(listener, [])


def test_detection_in_a_composed_stream(listener, folder):
    corpus = Manifest(str(folder / "tones/rows.jsonl"), tuple(WORDS)).prepare()
    streams = Streams(hours=0.03, snr_db=25, gap_seconds=(1.0, 4.0))
    report = detect(listener, [streams.compose(corpus, "test", RATE)], block_seconds=1.0)
    assert report.total.hours == pytest.approx(0.03)
    assert report.total.n_labels > 20
    assert report.total.miss_rate < 0.1


ARGUMENTS = ["model=model.safetensors", "data=manifest", "data.path=tones/rows.jsonl"]
SHORT = ["streams.hours=0.01", "streams.snr_db=25", "streams.gap_seconds=[1,4]"]


def test_the_command(folder):
    result = speech_rnn("detect", *ARGUMENTS, *SHORT, "output_dir=out", cwd=folder, module=True)
    assert result.returncode == 0, result.stderr
    found = json.loads((folder / "out/detection.json").read_text())
    total = found["total"]
    assert f"missed {total['n_labels'] - total['n_hits']} of {total['n_labels']}" in result.stdout
    assert "false accepts in 0.01 hours" in result.stdout
    assert "latency from the end of the word: median" in result.stdout
    assert len(found["curve"]) == len(THRESHOLDS)


def test_the_command_with_recordings(folder):
    waveform, truth = scene(SAID, gap=1.5, seed=99)
    (folder / "rooms").mkdir()
    write_audio(folder / "rooms/kitchen.wav", waveform.clip(-1, 1), RATE)
    write_audio(folder / "rooms/hall.wav", scene(["low"], seed=1)[0].clip(-1, 1), RATE)
    lines = [f"rooms/kitchen.wav,{word},{start:.3f},{end:.3f}" for word, start, end in truth]
    (folder / "labels.csv").write_text("\n".join(["file,word,start,end", *lines]) + "\n")
    arguments = [*ARGUMENTS, "audio=[rooms]", "labels=[labels.csv]", "output_dir=rec"]
    result = speech_rnn("detect", *arguments, cwd=folder)
    assert result.returncode == 0, result.stderr
    total = json.loads((folder / "rec/detection.json").read_text())["total"]
    assert (total["n_labels"], total["n_hits"], total["n_false"]) == (8, 8, 1)  # hall has no labels
    (folder / "labels.csv").write_text(
        "\n".join(["file,word,start,end", *lines, "rooms/kitchen.wav,lou,1,2", "x.wav,low,1,2"])
    )
    wrong = speech_rnn("detect", *arguments, cwd=folder, module=True)
    assert wrong.returncode == 1
    assert "labels.csv line 11: file='x.wav' is not among the recordings" in wrong.stderr


def test_a_label_track_is_of_the_recording_of_its_name(folder, tmp_path):
    write_audio(tmp_path / "hall.flac", np.zeros(4 * RATE, np.float32), RATE)
    (tmp_path / "hall.txt").write_text("1.0\t2.0\tlow\n")
    (tmp_path / "other.txt").write_text("1.0\t2.0\tlow\n")
    (one,) = read_recordings([str(tmp_path / "hall.flac")], [str(tmp_path / "hall.txt")], WORDS)
    assert (one.labels, one.duration, one.sample_rate) == ((Label("low", 1.0, 2.0),), 4.0, RATE)
    with pytest.raises(DataError, match=r"other.txt line 1: file='' is not among the recordings"):
        read_recordings([str(tmp_path)], [str(tmp_path / "other.txt")], WORDS)
    (tmp_path / "hall.txt").write_text("3.0\t4.5\tlouw\n")
    with pytest.raises(DataError, match=r"(?s)did you mean 'low'.*past the end .* at 4 s"):
        read_recordings([str(tmp_path)], [str(tmp_path / "hall.txt")], WORDS)
