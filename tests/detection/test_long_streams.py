"""Long test streams: what lies where, how loud it is, and that a seed makes them again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.folder import Folder
from speech_rnn.data.manifest import Manifest
from speech_rnn.data.mixing import pink_noise
from speech_rnn.data.splits import split_by_hash
from speech_rnn.detection.long_streams import Streams
from speech_rnn.errors import ConfigurationError, DataError
from tests.real import SHARED, needs_shared
from tests.tones import TONES_HZ, tone, write_corpus

RATE = 16_000
SHORT = {"hours": 0.02, "gap_seconds": (1.0, 5.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    write_corpus(folder / "tones")
    for name in ("noise", "speech"):
        (folder / name).mkdir()
    for number in range(2):
        ramp = np.linspace(0.1, 1.0, 20 * RATE, dtype=np.float32)  # its level says where it is from
        write_audio(
            folder / f"noise/{number}.wav", 0.2 * ramp * pink_noise(20 * RATE, number), RATE
        )
    for number in range(24):
        write_audio(folder / f"speech/anna{number}_1.wav", pink_noise(4 * RATE, 9 + number), RATE)
    return folder


@pytest.fixture(scope="module")
def corpus(folder):
    return Manifest(str(folder / "tones/rows.jsonl"), tuple(TONES_HZ)).prepare()


def full(folder, **settings):
    sounds = {"noise": [str(folder / "noise")], "speech": [str(folder / "speech")]}
    return Streams(**SHORT | sounds | {"quiet_share": 0.0} | settings)


def samples(stream, block_seconds=1.0):
    return np.concatenate(list(stream.blocks(block_seconds)))


@pytest.mark.slow
@settings(max_examples=12)
@given(st.sampled_from([-5.0, 0.0, 10.0, 30.0]), st.integers(0, 50), st.booleans())
def test_the_snr_of_every_word_is_exact(folder, corpus, snr_db, seed, is_real):
    noise = [str(folder / "noise")] if is_real else []
    streams = full(folder, snr_db=snr_db, seed=seed, noise=noise, hours=0.014)
    stream = streams.compose(corpus, "test", RATE)
    bare = replace(
        stream, segments=tuple(replace(segment, pieces=()) for segment in stream.segments)
    )
    noise, added = samples(bare).astype(np.float64), samples(stream).astype(np.float64)
    added -= noise
    assert len(stream.labels) > 10
    for label in stream.labels:
        place = slice(round(label.start * RATE), round(label.end * RATE))
        found = 10 * np.log10(np.mean(added[place] ** 2) / np.mean(noise[place] ** 2))
        assert found == pytest.approx(snr_db, abs=0.02)
        before = slice(place.start - RATE // 2, place.start)
        assert not np.any(added[before])  # nothing else is said close by


@settings(max_examples=8)
@given(st.floats(0.0001, 30.0), st.integers(0, 5))
def test_blocks_are_the_same_to_the_bit(folder, corpus, block_seconds, seed):
    streams = full(folder, seed=seed, hours=0.005)
    stream = streams.compose(corpus, "test", RATE)
    blocks = list(stream.blocks(block_seconds))
    sizes = {len(block) for block in blocks[:-1]}
    assert sizes <= {max(1, round(block_seconds * RATE))}
    assert blocks[0].dtype == np.float32
    found = np.concatenate(blocks)
    again = streams.compose(corpus, "test", RATE)
    assert again == stream
    assert np.array_equal(found, samples(again, 0.77))
    other = replace(streams, seed=seed + 100).compose(corpus, "test", RATE)
    assert not np.array_equal(found, samples(other))


def test_hours_gaps_and_labels_match_the_settings(folder, corpus):
    stream = full(folder, gap_seconds=(2.0, 9.0)).compose(corpus, "test", RATE)
    assert stream.duration == pytest.approx(72.0, abs=1e-4)
    assert len(samples(stream)) == round(stream.duration * RATE)
    ends = [0.0, *(label.end for label in stream.labels)]
    gaps = [label.start - end for label, end in zip(stream.labels, ends, strict=False)]
    assert min(gaps) >= 2.0 - 1e-4
    assert max(gaps) <= 9.0 + 1e-4
    assert stream.labels[-1].end <= stream.duration


def test_every_clip_is_used_before_one_is_repeated(folder, corpus):
    stream = full(folder, hours=0.05).compose(corpus, "test", RATE)
    said = [label.word for label in stream.labels]
    assert len(said) > 36
    for start in (0, 18):  # of 18 clips
        assert sorted(said[start : start + 18]) == sorted(6 * list(TONES_HZ))


def test_labels_are_where_the_words_are(folder, corpus):
    """Each word is a tone: it is where its frequency is the loudest."""
    stream = Streams(**SHORT, snr_db=30.0).compose(corpus, "test", RATE)
    heard = samples(stream)
    for label in stream.labels:
        spectrum = np.abs(np.fft.rfft(heard[round(label.start * RATE) : round(label.end * RATE)]))
        loudest = spectrum.argmax() / (label.end - label.start)
        assert loudest == pytest.approx(TONES_HZ[label.word], rel=0.08)


def audios(stream, marker):
    pieces = [piece.audio for segment in stream.segments for piece in segment.pieces]
    return {audio for audio in pieces if marker in audio}


def test_a_label_is_the_word_and_not_the_room_around_it(tmp_path):
    """Clips of the word in a loud room: the stream is the same, the labels are not."""
    (tmp_path / "middle").mkdir()
    for index in range(40):
        noise = pink_noise(2 * RATE, index)
        noise *= 0.007 / np.abs(noise).max()
        word = 0.3 * tone("middle", 0.5, index)
        write_audio(tmp_path / f"middle/{index}.wav", noise + np.pad(word, (RATE, RATE // 2)), RATE)
    corpus = Folder(str(tmp_path)).prepare()
    whole = Streams(**SHORT).compose(corpus, "test", RATE)
    alone = Streams(**SHORT, above_noise_db=12.0).compose(corpus, "test", RATE)
    assert alone.segments == whole.segments
    for wide, narrow in zip(whole.labels, alone.labels, strict=True):
        assert wide.end - wide.start > 1.9
        assert wide.start + 1.0 == pytest.approx(narrow.start, abs=0.06)
        assert wide.start + 1.5 == pytest.approx(narrow.end, abs=0.06)


def test_splits_share_no_sound(folder, corpus):
    heard = {
        split: full(folder, hours=0.05, gap_seconds=(4.0, 9.0)).compose(corpus, split, RATE)
        for split in ("train", "validation", "test")
    }
    for marker in ("/speech/", "/tones/"):
        kinds = [audios(stream, marker) for stream in heard.values()]
        assert all(kinds)
        assert len(set.union(*kinds)) == sum(map(len, kinds))
    for split, (low, high) in {"validation": (0, 10), "test": (10, 20)}.items():
        for segment in heard[split].segments:
            assert low <= segment.noise_start <= segment.noise_start + segment.noise_seconds <= high


def test_a_speaker_is_in_one_split(folder, corpus):
    pattern = r"/(anna\d+)_"
    streams = full(folder, hours=0.05, gap_seconds=(4.0, 9.0), speaker_pattern=pattern)
    stream = streams.compose(corpus, "test", RATE)
    found = {audio.split("/")[-1].split("_")[0] for audio in audios(stream, "/speech/")}
    assert found
    assert all(split_by_hash(name, 20.0, 10.0) == "test" for name in found)


def test_impostors_are_in_the_stream_and_not_labelled(folder, corpus, tmp_path):
    for word in ("up", "low"):  # low is a word of the corpus
        (tmp_path / word).mkdir()
        for number in range(30):
            write_audio(tmp_path / word / f"{number}.wav", tone("high", 0.3, number), RATE)
    streams = full(folder, impostors=Folder(str(tmp_path)))
    stream = streams.compose(corpus, "test", RATE)
    assert audios(stream, f"{tmp_path}/up/")
    assert not audios(stream, f"{tmp_path}/low/")
    assert {label.word for label in stream.labels} <= set(TONES_HZ)


def test_unknown_words_of_a_corpus_are_impostors(folder, corpus):
    rows = tuple(
        replace(row, text="_unknown_") if row.text == "high" else row for row in corpus.utterances
    )
    other = replace(corpus, utterances=rows, words=("_unknown_", "low", "middle"))
    stream = full(folder).compose(other, "test", RATE)
    assert {label.word for label in stream.labels} == {"low", "middle"}
    assert audios(stream, "/high_test_")


def test_quiet_gaps(folder, corpus):
    stream = full(folder, quiet_share=1.0).compose(corpus, "test", RATE)
    assert not audios(stream, "/speech/")
    assert len(audios(stream, "/tones/")) == 18  # all clips of the split


def test_repeated_speech_is_reported(folder, corpus):
    (note,) = full(folder, hours=0.1, gap_seconds=(8, 9)).compose(corpus, "test", RATE).notes
    assert "recordings, repeated" in note
    bare = full(folder, hours=0.1, speech=[]).compose(corpus, "test", RATE)
    assert bare.notes == ()


def test_a_range_of_snr(folder, corpus):
    stream = full(folder, snr_db=(5, 20)).compose(corpus, "test", RATE)
    found = [piece.snr_db for segment in stream.segments for piece in segment.pieces]
    assert 5 <= min(found) < 8
    assert 17 < max(found) <= 20


def test_a_room_without_any_sound(corpus, tmp_path):
    write_audio(tmp_path / "silence.wav", np.zeros(30 * RATE, np.float32), RATE)
    stream = Streams(**SHORT, noise=[str(tmp_path)]).compose(corpus, "test", RATE)
    label = stream.labels[0]
    word = samples(stream)[round(label.start * RATE) : round(label.end * RATE)]
    assert 10 * np.log10(np.mean(word.astype(np.float64) ** 2)) == pytest.approx(-30, abs=0.1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hours": 0}, "hours=0 must be above 0"),
        ({"above_noise_db": 0}, "above_noise_db=0 must be above 0"),
        ({"snr_db": (10, 5)}, r"snr_db=\[10, 5\] must be the lowest and the highest"),
        ({"snr_db": float("nan")}, r"snr_db=\[nan, nan\]"),
        ({"gap_seconds": (1, 1000)}, r"gap_seconds=\[1, 1000\] .* within 0 and 600"),
        ({"quiet_share": 2}, "quiet_share=2 must lie"),
        ({"noise_db": 3}, "noise_db=3 must lie"),
        ({"trim_db": 0}, "trim_db=0 must be above 0"),
        ({"speaker_pattern": "anna"}, "speaker_pattern='anna' must have one group"),
    ],
)
def test_wrong_settings(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Streams(**wrong)


def test_impossible_streams_are_reported(folder, corpus, tmp_path):
    with pytest.raises(DataError, match=r"hours=0.0001 leave no room for a word"):
        full(folder, hours=0.0001).compose(corpus, "test", RATE)
    silent = replace(corpus, utterances=(Utterance("a.wav", "_silence_", split="test"),))
    with pytest.raises(DataError, match="the test split has no words to detect"):
        full(folder).compose(silent, "test", RATE)
    with pytest.raises(DataError, match=r"noise='nowhere' is neither a sound file"):
        full(folder, noise=["nowhere"]).compose(corpus, "test", RATE)
    lone = next(f for f in (folder / "speech").iterdir() if split_by_hash(f.name, 20, 10) != "test")
    with pytest.raises(DataError, match="has no file for the test split"):
        full(folder, speech=[str(lone)]).compose(corpus, "test", RATE)
    with pytest.raises(DataError, match=r"finds no speaker in .*anna"):
        full(folder, speaker_pattern="/(bob)_").compose(corpus, "test", RATE)


@needs_shared
def test_real_speech_in_real_noise():
    corpus = Folder(str(SHARED / "keywords")).prepare()
    streams = Streams(
        hours=0.1, noise=[str(SHARED / "noise/running_tap.wav")], speech=[str(SHARED / "speech")]
    )
    stream = streams.compose(corpus, "test", RATE)
    heard = samples(stream)
    assert len(heard) == 360 * RATE
    assert np.isfinite(heard).all()
    assert {label.word for label in stream.labels} <= set(corpus.words)
    assert audios(stream, "/speech/")
