"""Sound files through standard input, and what is told of a sound that goes on."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speech_rnn.audio import write_audio
from speech_rnn.errors import AudioError, ConfigurationError
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.live import events_of
from speech_rnn.listening.pcm import PcmSource
from speech_rnn.listening.piped import piped_source
from speech_rnn.listening.sources import FileSource
from speech_rnn.samples.levels import Levels
from tests.tones import tone

CLIP = tone("low", 1.0)
SETTINGS = {"rate": None, "preferred_rate": 16_000, "dtype": "int16", "n_channels": 1}


def encode(form, rate=16_000, subtype=None, samples=CLIP):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


class Pipe:
    """Gives bytes in pieces of a size, and does not seek."""

    def __init__(self, content, size=997):
        self._content, self._size = content, size

    def read1(self, most):
        size = min(most, self._size)
        piece, self._content = self._content[:size], self._content[size:]
        return piece


def through(content, size=997, **settings):
    """Return the source, its samples, and what is told."""
    told = []
    chosen = {**SETTINGS, "channel": None, **settings}
    source = piped_source(Pipe(content, size), **chosen, tell=told.append, stop=Stop())
    chunks = list(source.chunks(Stop()))
    return source, np.concatenate([np.zeros(0, np.float32), *chunks]), told


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("size", [3, 4096])
def test_case_14_a_wav_file_piped_into_listen(subtype, form, size):
    content = encode(form, 22_050, subtype)
    source, found, told = through(content, size)
    assert isinstance(source, PcmSource)  # heard as it arrives
    assert source.sample_rate == 22_050
    assert np.array_equal(found, soundfile.read(io.BytesIO(content), dtype="float32")[0])
    assert (told, source.problems()) == ([], [])


@pytest.mark.parametrize("length", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_wav_of_unknown_length_goes_to_its_end(length):
    content = bytearray(encode("WAV"))
    place = content.index(b"data") + 4
    content[place : place + 4] = length.to_bytes(4, "little")
    assert len(through(bytes(content))[1]) == len(CLIP)


def test_chunks_of_a_wav_around_its_samples_are_no_sound():
    content = encode("WAV")
    listed = b"LIST" + (6).to_bytes(4, "little") + b"INFOab"
    place = content.index(b"data")
    _, found, _ = through(content[:place] + listed + content[place:] + listed)
    assert len(found) == len(CLIP)


@pytest.mark.parametrize("form", ["FLAC", "MP3", "OGG", "AIFF", "W64", "AU"])
def test_case_14_other_sound_files_piped_into_listen(form):
    content = encode(form, 22_050)
    source, found, told = through(content)
    assert isinstance(source, FileSource)
    assert source.sample_rate == 22_050
    assert len(found) == pytest.approx(len(CLIP), abs=1200)
    assert told == [f"-: standard input holds {form}: all of it is read before recognition starts"]


def test_a_wav_that_must_be_decoded_is_read_to_its_end():
    source, found, told = through(encode("WAV", subtype="IMA_ADPCM"))
    assert isinstance(source, FileSource)
    assert len(found) == pytest.approx(len(CLIP), abs=1200)
    assert told == ["-: standard input holds WAV: all of it is read before recognition starts"]


def test_a_rate_that_the_header_contradicts_is_reported():
    source, _, told = through(encode("WAV", 22_050), rate=8000)
    assert source.sample_rate == 22_050
    assert told == ["-: standard input holds WAV of 22050 Hz: rate=8000 is ignored"]


def test_a_wav_that_ends_too_early_is_reported():
    source, found, _ = through(encode("WAV")[:-2000])
    assert len(found) == len(CLIP) - 1000
    assert source.problems() == ["is cut short: its header promises 2000 bytes more than there are"]
    assert through(encode("WAV")[:-40])[0].problems() == []


def test_text_is_no_sound():
    with pytest.raises(AudioError, match=r"standard input holds text \('<html>"):
        through(b"<html>\n<title>404 Not Found</title>\n" * 9)


def test_empty_standard_input_is_reported():
    with pytest.raises(AudioError, match=r"-: standard input is empty \(0 bytes of sound\)"):
        through(b"")


@pytest.mark.parametrize("head", [b"", b"\xff\xfb\x90\x00", b"\xff\xf1\x60\x40", b"ID", b"RIF"])
def test_raw_samples_stay_raw(head):
    content = head + np.rint(32767 * CLIP).astype("<i2").tobytes()
    source, found, told = through(content)
    assert isinstance(source, PcmSource)
    expected = np.frombuffer(content[: len(content) // 2 * 2], "<i2") / 2**15
    assert np.array_equal(found, expected.astype(np.float32))
    assert told == []


@pytest.mark.parametrize(("place", "size", "value"), [(24, 4, 1), (22, 2, 0), (22, 2, 9999)])
def test_case_f07_absurd_headers_of_a_pipe(place, size, value):
    content = bytearray(encode("WAV"))
    content[place : place + size] = value.to_bytes(size, "little")
    with pytest.raises(AudioError, match=r"-: (rate|channels)=\d+ must be from .* may be damaged"):
        through(bytes(content))


def test_a_wav_without_samples():
    with pytest.raises(AudioError, match="begins like a WAV file and holds no samples"):
        through(encode("WAV")[:30])


def test_case_31_one_channel_of_six():
    noise = np.random.default_rng(0).normal(0, 0.3, len(CLIP))
    samples = np.stack([*[noise] * 5, 0.2 * CLIP], axis=1).clip(-1, 1)
    raw = np.rint(32767 * samples).astype("<i2")
    source, found, _ = through(raw.tobytes(), n_channels=6, channel=5)
    assert np.array_equal(found, (raw[:, 5] / 2**15).astype(np.float32))
    assert source.problems() == []
    source, found, _ = through(raw.tobytes(), n_channels=6)
    assert np.allclose(found, raw.mean(axis=1) / 2**15, atol=1e-6)
    assert "6 channels differ" in source.problems()[0]
    for content, settings in ((raw.tobytes(), {"n_channels": 6}), (encode("WAV"), {})):
        with pytest.raises(ConfigurationError, match="channel=6 is not there"):
            through(content, **settings, channel=6)


# What is told while a sound goes on


def told_of(samples, *, is_live=True):
    """Hear samples, in chunks of 0.1 s, with a stream that finds no words."""
    levels = Levels()
    stream = SimpleNamespace(
        samples=SimpleNamespace(levels=levels),
        push=lambda chunk: levels.take(chunk) or [],
        finish=list,
    )
    chunks = [samples[at : at + 1600] for at in range(0, len(samples), 1600)]
    told, moments = [], []

    def arriving(stop):
        for number, chunk in enumerate(chunks):
            yield chunk
            moments.append((number / 10, len(told)))

    no_channels = SimpleNamespace(problems=list)
    source = SimpleNamespace(
        name="-", sample_rate=16_000, is_live=is_live, chunks=arriving, problems=list,
        mix=no_channels,
    )  # fmt: skip
    list(events_of(stream, source, tell=told.append))
    first = next((seconds for seconds, n_told in moments if n_told), None)
    return told, first


LONG = np.tile(CLIP / np.abs(CLIP).max(), 12)


def test_case_16_quiet_microphone_within_seconds():
    told, seconds = told_of(LONG * np.float32(0.005))
    assert told == [
        "-: in 5 s no sample was above -36 dB of full scale: if someone speaks, give the "
        "microphone more gain, or words are missed"
    ]
    assert seconds < 6
    told, _ = told_of(0 * LONG)
    assert told == ["-: in 5 s no sample was above -60 dB of full scale: is the microphone muted?"]


def test_case_16_a_quiet_file_is_reported_at_its_end():
    told, seconds = told_of(LONG * np.float32(0.005), is_live=False)
    assert told == [
        "-: is quiet: no sample is above -36 dB of full scale, and words may be missed; record it "
        "with more gain"
    ]
    assert seconds is None


def test_case_27_integers_in_a_stream_are_reported_at_once_and_once():
    told, seconds = told_of(LONG * np.float32(5000))
    assert len(told) == 1
    assert "look like 16-bit integers" in told[0]
    assert seconds < 0.5


def test_a_good_level_is_not_reported():
    assert told_of(LONG * np.float32(0.3)) == ([], None)


def test_the_sound_of_a_file_with_opposite_channels_is_reported_at_its_end(tmp_path):
    write_audio(tmp_path / "a.wav", CLIP)
    soundfile.write(tmp_path / "b.wav", np.stack([CLIP, -CLIP], axis=1), 16_000)
    for name, n_problems in (("a.wav", 0), ("b.wav", 1)):
        source = FileSource(tmp_path / name, name, is_fast=True)
        list(source.chunks(Stop()))
        assert len(source.problems()) == n_problems
