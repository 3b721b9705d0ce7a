import io
import os
import subprocess
import sys
import threading
import tracemalloc
import warnings
from itertools import islice

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import (
    AUDIO_SUFFIXES,
    AudioWarning,
    audio_duration,
    check_waveform,
    encode_flac,
    find_audio,
    load_audio,
    open_audio,
    resample,
    write_audio,
)
from speech_rnn.audio.headers import FEW_BYTES, STREAMED
from speech_rnn.errors import AudioError, ConfigurationError
from tests.real import SHARED, needs_shared
from tests.tones import tone

CLIP = tone("low", 0.5)


def encode(samples=CLIP, form="WAV", subtype=None, rate=16_000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def sine(hertz, rate=16_000, seconds=1.0, peak=0.5):
    time = np.arange(round(seconds * rate)) / rate
    return (peak * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


# What can be read


@pytest.mark.parametrize(
    ("form", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-23),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 1e-7),
        ("WAV", "ULAW", 2**-5),
        ("WAV", "ALAW", 2**-5),
        ("WAVEX", "PCM_16", 2**-15),
        ("RF64", "PCM_16", 2**-15),
        ("W64", "PCM_16", 2**-15),
        ("AU", "PCM_16", 2**-15),
        ("FLAC", "PCM_16", 2**-15),
        ("FLAC", "PCM_24", 2**-23),
        ("AIFF", "PCM_16", 2**-15),
        ("CAF", "PCM_16", 2**-15),
    ],
)
def test_exact_formats(form, subtype, tolerance):
    waveform = load_audio(encode(form=form, subtype=subtype))
    assert waveform.dtype == np.float32
    assert waveform.shape == CLIP.shape
    assert np.abs(waveform - CLIP).max() <= tolerance


LOSSY = [
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "GSM610"),  # does not seek
]


@pytest.mark.parametrize(("form", "subtype"), [*LOSSY, ("WAV", "G721_32")])
def test_lossy_formats(form, subtype):
    content = encode(sine(440, seconds=2.0), form, subtype)
    waveform = load_audio(content)
    assert len(waveform) == pytest.approx(32_000, abs=1200)
    spectrum = np.abs(np.fft.rfft(waveform[8000:24_000]))
    assert spectrum.argmax() == 440
    assert audio_duration(content) == pytest.approx(len(waveform) / 16_000)


def test_every_source_gives_the_same(tmp_path):
    path = tmp_path / "clip.wav"
    write_audio(path, CLIP)
    expected = load_audio(path)
    content = path.read_bytes()
    with path.open("rb") as file:
        for source in (str(path), content, bytearray(content), io.BytesIO(content), file):
            assert np.array_equal(load_audio(source), expected)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_pipes(tmp_path):
    write_audio(tmp_path / "clip.wav", CLIP)
    content = (tmp_path / "clip.wav").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[content])
    writer.start()
    piped = load_audio(tmp_path / "pipe")  # as the shell's <(…) is
    writer.join()
    assert np.array_equal(piped, load_audio(content))
    code = "import sys; from speech_rnn.audio import *; print(audio_duration(sys.stdin.buffer))"
    said = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True)
    assert said.stdout.split() == [b"0.5"]


def test_the_same_at_any_ending(tmp_path):
    for name in ("clip.raw", "clip.docx", "clip", "clip.mp3", "ünï cödé.WAV"):
        (tmp_path / name).write_bytes(encode())
        assert len(load_audio(tmp_path / name)) == len(CLIP)


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_rates_keep_the_tone(rate):
    waveform = load_audio(encode(sine(1000, rate), rate=rate), check=False)
    assert len(waveform) == pytest.approx(16_000, abs=1)
    assert np.abs(waveform - sine(1000)[: len(waveform)])[800:-800].max() < 2e-3


def test_resampling_keeps_no_alias():
    high = sine(12_000, 48_000, peak=1)  # above the new Nyquist rate
    assert np.abs(resample(high, 48_000, 16_000)[500:-500]).max() < 1e-3


@given(st.integers(0, 500), st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]))
def test_resampling_keeps_the_duration(n_samples, rate):
    resampled = resample(np.ones(n_samples, np.float32), rate, 16_000)
    assert resampled.dtype == np.float32
    assert abs(len(resampled) - n_samples * 16_000 / rate) <= 1
    assert bool(len(resampled)) == bool(n_samples)


def test_channels_are_averaged():
    both = np.stack([CLIP, np.zeros_like(CLIP), CLIP / 2], axis=1)
    assert np.allclose(load_audio(encode(both, subtype="FLOAT")), CLIP / 2, atol=1e-7)


def test_the_result_stays_within_full_scale():
    loud = load_audio(encode(4 * CLIP, subtype="FLOAT"), check=False)
    assert np.array_equal(loud, np.clip(4 * CLIP, -1, 1))
    square = encode(np.sign(sine(100, 44_100)), rate=44_100)
    assert np.abs(load_audio(square, check=False)).max() == 1  # without ringing above it


@given(st.integers(0, 7000), st.none() | st.integers(1, 9000), st.sampled_from(["WAV", "FLAC"]))
def test_a_stretch_is_a_slice(start, duration, form):
    content = encode(form=form)
    stretch = load_audio(
        content,
        start_seconds=start / 16_000,
        duration_seconds=None if duration is None else duration / 16_000,
        check=False,
    )
    end = None if duration is None else start + duration
    assert np.array_equal(stretch, load_audio(content)[start:end])


@pytest.mark.parametrize(("form", "subtype"), LOSSY)
def test_a_stretch_is_a_slice_of_the_whole_clip(form, subtype):
    bursts = sine(440, seconds=4.0) * (sine(3, seconds=4.0) > 0)
    content = encode(bursts, form, subtype)
    whole = load_audio(content)
    for start in range(4000, len(whole), 5555):
        begin, end = start / 16_000, start + 2000
        stretch = load_audio(content, start_seconds=begin, duration_seconds=0.125, check=False)
        assert np.abs(stretch - whole[start:end]).max() < 1e-3
    for end in (4.2, 400):
        with pytest.raises(AudioError, match=rf"start_seconds={end:g} lies beyond its end at 4"):
            load_audio(content, start_seconds=end)


def test_a_long_file_is_decoded_in_blocks(monkeypatch):
    contents = [encode(form=form) for form in ("WAV", "FLAC", "OGG")]
    whole = [load_audio(content) for content in contents]
    monkeypatch.setattr("speech_rnn.audio.files.BLOCK", 1000)
    for content, expected in zip(contents, whole, strict=True):
        assert np.array_equal(load_audio(content), expected)
        assert np.array_equal(load_audio(content, start_seconds=0.25), expected[4000:])
    assert len(load_audio(encode(), start_seconds=0.1, duration_seconds=0.25)) == 4000


@given(
    st.sampled_from(["WAV", "FLAC", "MP3", "OGG"]),
    st.floats(1e-4, 2.0),
    st.sampled_from([8_000, 44_100]),
    st.integers(1, 3),
)
def test_blocks_are_the_whole_sound(form, block_seconds, rate, n_channels):
    samples = np.stack([tone("low", 0.3, seed, rate) for seed in range(min(n_channels, 2))], axis=1)
    content = encode(samples, form, rate=rate)
    with open_audio(content, block_seconds=block_seconds) as sound:
        assert sound.sample_rate == rate
        assert sound.duration == audio_duration(content)
        blocks = list(sound.blocks)
    assert {len(block) for block in blocks[:-1]} <= {max(1, round(block_seconds * rate))}
    np.testing.assert_allclose(np.concatenate(blocks), load_audio(content, rate), atol=1e-6)


def test_blocks_end_with_the_error(tmp_path):
    short = tmp_path / "short.flac"
    short.write_bytes(encode(np.tile(CLIP, 20), "FLAC")[:90_000])
    heard = []
    with open_audio(short, block_seconds=0.1) as sound:
        heard += islice(sound.blocks, 10)
        with pytest.raises(AudioError, match=r"short\.flac: is cut short"):
            list(sound.blocks)
    assert len(np.concatenate(heard)) == 16_000
    with pytest.raises(AudioError, match="holds no samples"), open_audio(encode([])) as sound:
        list(sound.blocks)


@pytest.mark.parametrize("is_mended", [False, True])
def test_a_long_pipe_waits_in_a_file(monkeypatch, is_mended):
    """Of what does not seek no more than `IN_MEMORY` is held, a header that lacks a size or not."""
    monkeypatch.setattr("speech_rnn.audio.headers.IN_MEMORY", 1000)
    content = bytearray(encode(np.tile(CLIP, 100)))
    if is_mended:
        content[40:44] = bytes(4)
    pipe = io.BytesIO(content)
    tracemalloc.start()
    with open_audio(pipe, block_seconds=0.1) as sound:
        n_samples = sum(len(block) for block in sound.blocks)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_samples == 100 * len(CLIP)
    assert peak < len(content) / 2


@pytest.mark.parametrize("riff", ["kept", "unknown"])
@pytest.mark.parametrize("size", [0, STREAMED, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_a_streamed_wav_has_no_size(tmp_path, size, riff):
    content = bytearray(encode())
    place = content.index(b"data") + 4
    content[place : place + 4] = size.to_bytes(4, "little")
    if riff == "unknown":
        content[4:8] = min(size + 36, 0xFFFFFFFF).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    for source in (bytes(content), tmp_path / "a.wav"):
        assert np.array_equal(load_audio(source), load_audio(encode()))
        assert audio_duration(source) == 0.5


def flac_that_promises(n_samples):
    content = bytearray(encode(form="FLAC"))
    # STREAMINFO starts at byte 8; its number of samples is the low 36 bits of bytes 13 to 17.
    content[21] = content[21] & 0xF0 | n_samples >> 32
    content[22:26] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(content)


def test_a_streamed_flac_has_no_length():
    content = flac_that_promises(0)
    whole = load_audio(encode(form="FLAC"))
    assert np.array_equal(load_audio(content), whole)
    assert audio_duration(content) == 0.5
    stretch = load_audio(content, start_seconds=0.25, duration_seconds=0.125)
    assert np.array_equal(stretch, whole[4000:6000])
    with pytest.raises(AudioError, match=r"start_seconds=3 lies beyond its end at 0\.5 s"):
        load_audio(content, start_seconds=3)


# What cannot be read

NOISE = np.random.default_rng(0).uniform(-1, 1, 40_000)
AT_LEAST_A_TEXT = b"this is no sound at all, only a text\n" * 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"cannot be opened .No such file or directory.; check path and rights"),
        (b"", r"is empty .0 bytes.; fetch or record it again"),
        (AT_LEAST_A_TEXT, r"is no sound that can be read .* convert it: ffmpeg"),
        (encode()[:-4000], r"is cut short: its header promises 4000 bytes more"),
        (encode()[:-97], r"is cut short: its header promises 97 bytes more"),
        (encode(subtype="FLOAT")[:1000], r"is cut short: its header promises"),
        (encode(form="RF64")[:-4000], r"is cut short: its header promises 4000 bytes more"),
        (encode(form="W64")[:-4000], r"is cut short: its header promises 4000 bytes more"),
        (encode(form="AIFF")[:-4000], r"is cut short: its header promises 4000 bytes more"),
        (encode(form="AU")[:-4000], r"is cut short: its header promises 4000 bytes more"),
        (encode(form="CAF")[:-100], r"is cut short: its header promises"),
        (encode(NOISE, "FLAC")[:50_000], r"is cut short"),
        (encode(NOISE, "FLAC")[:-1], r"is cut short"),
        (encode(CLIP, "OGG")[:-100], r"holds no samples|is no sound"),
        (flac_that_promises(2**36 - 1), r"is cut short: 8000 of 68719476735 samples"),
        (encode()[:20], r"is no sound that can be read"),
        (encode()[:44], r"is cut short: its header promises 16000 bytes"),
        (encode(CLIP[:0]), r"holds no samples, or none that can be read; leave it out"),
        (encode(CLIP[:0]) + b"LIST\4\0\0\0INFO", r"holds no samples"),
        (encode(np.array([0.1, np.nan, 0.2]), subtype="FLOAT"), r"not numbers .*; repair it"),
        (encode(np.array([0.1, np.inf, 0.2]), subtype="DOUBLE"), r"not numbers .*; repair it"),
    ],
)
def test_unreadable_files_are_named(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=rf"bad\.wav: .*({message})"):
        load_audio(path)
    if content is not None:
        with pytest.raises(AudioError, match=rf"upload: .*({message})"):
            load_audio(content, name="upload")


@pytest.mark.parametrize("ending", ["raw", "au", "gsm", "vox", "mp3", "flac"])
def test_a_text_is_no_sound_whatever_its_ending(tmp_path, ending):
    path = tmp_path / f"bad.{ending}"
    path.write_bytes(AT_LEAST_A_TEXT)
    with pytest.raises(AudioError, match=rf"bad\.{ending}: "):
        load_audio(path)


@given(st.integers(1, 16_043))
def test_every_truncation_is_noticed(n_bytes):
    expected = pytest.raises(AudioError)
    if n_bytes >= len(encode()) - FEW_BYTES:
        expected = pytest.warns(AudioWarning, match="bytes more than there are; it is read up to")
    with expected:
        load_audio(encode()[:n_bytes])
    flac = encode(form="FLAC")
    with pytest.raises(AudioError):
        load_audio(flac[: n_bytes % len(flac)])


@pytest.mark.parametrize("function", [load_audio, audio_duration])
def test_no_file(tmp_path, function):
    with pytest.raises(AudioError, match="is a folder; name a file in it"):
        function(tmp_path)
    with pytest.raises(AudioError, match="null byte"):
        function("a\0b")
    with pytest.raises(ConfigurationError, match="must be a path, a file's bytes or a file"):
        function(io.StringIO("text"))
    with pytest.raises(ConfigurationError, match=r"source='audio' of <class 'NoneType'> must be"):
        function(None)


def test_an_open_file_is_named(tmp_path):
    (tmp_path / "bad.wav").write_bytes(AT_LEAST_A_TEXT)
    with (tmp_path / "bad.wav").open("rb") as file, pytest.raises(AudioError, match=r"bad\.wav: "):
        load_audio(file)
    with pytest.raises(AudioError, match="audio: "):
        load_audio(AT_LEAST_A_TEXT)


@pytest.mark.parametrize("start", [0.5, 2, 1e300])
def test_a_start_beyond_the_end(start):
    with pytest.raises(AudioError, match=r"start_seconds=.* lies beyond its end at 0\.5 s"):
        load_audio(encode(), start_seconds=start)


def test_a_stretch_has_at_least_a_sample():
    assert len(load_audio(encode(), duration_seconds=1e-9, check=False)) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sample_rate": 0}, "rate=0 must be from 1000 to 1000000 Hz"),
        ({"sample_rate": -8000}, "rate=-8000 must be from 1000 to"),
        ({"start_seconds": -0.1}, "start_seconds=-0.1 must be 0 or above"),
        ({"start_seconds": float("nan")}, "start_seconds=nan must be 0 or above"),
        ({"duration_seconds": 0}, "duration_seconds=0 must be above 0; None reads to the end"),
        ({"duration_seconds": float("inf")}, "duration_seconds=inf must be above 0"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        load_audio(encode(), **settings)


def test_rates_to_resample():
    with pytest.raises(ConfigurationError, match="rate=0 must be from 1000"):
        resample(CLIP, 0, 8000)
    with pytest.raises(ConfigurationError, match="rate=-1 must be from 1000"):
        resample(CLIP, 8000, -1)


# What ruins results


ODD = [
    (np.zeros(100), 16_000, "is silent"),
    (np.full(100, 5e-4), 16_000, "is silent"),
    (sine(100, peak=0.01), 16_000, "is quiet: no sample is above -36 dB of full scale"),
    (np.clip(1.2 * sine(100, peak=1), -1, 1), 16_000, "is clipped"),
    (0.4 * sine(100) + 0.1, 16_000, "has a DC offset"),
    (0.4 * sine(100) - 0.1, 16_000, "has a DC offset"),
    (sine(100, 6000), 6_000, "is recorded at 6000 Hz: below 8000 Hz"),
]


@pytest.mark.parametrize(("waveform", "rate", "message"), ODD)
def test_problems_that_ruin_results_are_reported(tmp_path, waveform, rate, message):
    waveform = waveform.astype(np.float32)
    (problem,) = check_waveform(waveform, rate)
    assert problem.startswith(message)
    path = tmp_path / "odd.wav"
    write_audio(path, waveform, rate)
    with pytest.warns(AudioWarning, match=rf"odd\.wav: {message}") as told:
        load_audio(path)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_audio(path, check=False)


@pytest.mark.parametrize(
    "waveform",
    [
        sine(100, peak=1),  # its peaks just fit
        np.tile([1, -1], 1000).astype(np.float32),  # loud, but nothing is cut off
        np.r_[sine(100), np.ones(5, np.float32)],  # a click
        np.full(100, 0.02, np.float32) * np.tile([1, -1], 50),  # softly spoken
        tone("high", 0.5),
    ],
    ids=["full", "alternating", "click", "soft", "tone"],
)
def test_good_sound_is_not_reported(waveform):
    assert check_waveform(waveform.astype(np.float32), 8_000) == []


def test_one_clipped_channel_is_enough():
    clipped = np.clip(2 * sine(100, peak=1), -1, 1)
    samples = np.stack([clipped, np.zeros_like(clipped)], axis=1)
    assert check_waveform(clipped / 2, 16_000) == []
    with pytest.warns(AudioWarning, match="is clipped"):
        load_audio(encode(samples))


def test_two_problems_are_two_warnings():
    offset = (0.5 * sine(100, 6000) + 0.1).astype(np.float32)
    with pytest.warns(AudioWarning) as told:
        load_audio(encode(offset, rate=6000))
    assert len(told) == 2


def test_each_file_is_reported_once(tmp_path):
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, np.linspace(0.1, 0.9, 16_000, dtype=np.float32))
    code = (
        "from speech_rnn.audio import load_audio\n"
        "for name in ('a.wav', 'b.wav', 'a.wav'): load_audio(name)\n"
        "load_audio('b.wav', 8000)\n"
        "for start in (0.1, 0.2, 0.3): load_audio('a.wav', start_seconds=start)\n"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
    assert said.count("AudioWarning: a.wav: has a DC offset") == 1
    assert said.count("AudioWarning: b.wav: has a DC offset") == 1
    assert said.count("AudioWarning: a.wav (in part): has a DC offset") == 1
    assert said.count("AudioWarning: ") == 3


@needs_shared
def test_real_speech_is_fine():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for folder, ending in (("digits", "wav"), ("keywords", "flac"), ("speech", "flac")):
            path = min((SHARED / folder).rglob(f"*.{ending}"))
            waveform = load_audio(path)
            assert 0.01 < np.abs(waveform).max() <= 1
            assert len(waveform) == pytest.approx(16_000 * audio_duration(path), abs=1)


# Writing


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=200), st.sampled_from("wf"))
def test_sixteen_bits_come_back(tmp_path_factory, samples, kind):
    path = tmp_path_factory.mktemp("clip") / {"w": "a.wav", "f": "a.FLAC"}[kind]
    waveform = np.array(samples, np.float32) / 32768
    write_audio(path, waveform)
    assert np.array_equal(load_audio(path, check=False), waveform)
    assert audio_duration(path) == pytest.approx(len(samples) / 16_000)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert soundfile.info(path).subtype == "PCM_16"
    assert soundfile.info(path).format == path.suffix[1:].upper()


def test_too_loud_samples_are_clipped(tmp_path):
    write_audio(tmp_path / "a.wav", np.array([2.0, -2.0, 0.5]), 8_000)
    assert soundfile.read(tmp_path / "a.wav", dtype="int16")[0].tolist() == [32767, -32768, 16384]
    assert soundfile.info(tmp_path / "a.wav").samplerate == 8_000


def test_writing_replaces_whole_files_only(tmp_path):
    path = tmp_path / "a.wav"
    write_audio(path, CLIP)
    before = path.read_bytes()
    with pytest.raises(AudioError, match="must be finite"):
        write_audio(path, np.array([0.0, np.nan]))
    assert path.read_bytes() == before
    write_audio(path, CLIP[:100])
    assert len(load_audio(path)) == 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes")
def test_a_full_disk(tmp_path):
    code = (
        "import numpy, resource, signal; from speech_rnn.audio import *\n"
        "from speech_rnn.errors import AudioError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try: write_audio('a.wav', numpy.zeros(9000))\n"
        "except AudioError as error: print(error)"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "a.wav: cannot be written (File too large); check its folder, rights and free" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "samples", "rate", "error", "message"),
    [
        ("none/a.wav", CLIP, 16_000, AudioError, "cannot be written .No such file or directory"),
        ("file/a.wav", CLIP, 16_000, AudioError, "cannot be written"),
        ("folder.wav", CLIP, 16_000, AudioError, "cannot be written"),
        ("a.wav", CLIP[:, None], 16_000, AudioError, r"shape=\(8000, 1\) must be finite and one"),
        ("a.mp3", CLIP, 16_000, ConfigurationError, r"path='.*a\.mp3' must end in \.wav or \.flac"),
        ("a", CLIP, 16_000, ConfigurationError, r"must end in \.wav or \.flac"),
        ("a.wav", CLIP, 0, ConfigurationError, "rate=0 must be from 1000 to 1000000 Hz"),
    ],
)
def test_unwritable_files(tmp_path, name, samples, rate, error, message):
    (tmp_path / "file").touch()
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(error, match=message):
        write_audio(tmp_path / name, samples, rate)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder.wav"]


# Folders


def test_folders_are_looked_through(tmp_path):
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / ".hidden").mkdir()
    names = ("z.wav", "a.FLAC", "notes.txt", "b/c/deep.ogg", "._z.wav", ".hidden/a.wav")
    for name in names:
        (tmp_path / name).touch()
    flat = [name for name, _ in find_audio([str(tmp_path)])]
    assert flat == [str(tmp_path / name) for name in ("a.FLAC", "z.wav")]
    assert len(find_audio([str(tmp_path)], recursive=True)) == 3
    assert find_audio(["missing.wav"])[0][0] == "missing.wav"
    stdin = io.BytesIO()
    assert find_audio(["-"], stdin=stdin) == [("-", stdin)]
    with pytest.raises(ConfigurationError, match="holds no sound files; --recursive searches"):
        find_audio([str(tmp_path / "b")])
    with pytest.raises(ConfigurationError, match=r"folder\.wav' holds no sound files$"):
        find_audio([str(tmp_path / "folder.wav")], recursive=True)


def test_endings_are_lower_case():
    assert {".wav", ".flac", ".ogg", ".mp3"} <= AUDIO_SUFFIXES
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in AUDIO_SUFFIXES)


def test_flac_in_memory_is_the_sound():
    waveform = np.linspace(-1, 1, 999, dtype=np.float32)
    found = load_audio(encode_flac(waveform, 8000), 8000, check=False)
    assert found == pytest.approx(waveform, abs=1e-4)
