"""Sounds in containers whose name, length or kind is not what it seems."""

import io
import shutil
import struct
import subprocess
import warnings

import numpy as np
import pytest
import soundfile

from speech_rnn.audio import AudioWarning, audio_duration, find_audio, load_audio, write_audio
from speech_rnn.audio.containers import FOREIGN, FOREIGN_SUFFIXES, id3_size, kind_of
from speech_rnn.audio.mpeg import count_frames, with_length
from speech_rnn.data.folder import Folder
from speech_rnn.errors import AudioError, ConfigurationError
from tests.tones import tone

CLIP = tone("low", 2.0)
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed"
)


def encode(form="MP3", rate=16_000, samples=CLIP, **settings):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, **settings)
    return file.getvalue()


def ffmpeg(content, *options):
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", *options, "pipe:1"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def adts(n_frames=60, size=200):
    """Frames of AAC by their headers: MPEG-4, low complexity, 16 kHz, one channel."""
    header = bytes(
        [0xFF, 0xF1, 0x60, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 31, 252]
    )
    return b"".join(
        header + bytes(np.random.default_rng(n).bytes(size - 7)) for n in range(n_frames)
    )


MARKS = {
    "AAC": adts(),
    "MP4": b"\0\0\0\x18ftypM4A " + bytes(999),
    "WebM": b"\x1aE\xdf\xa3" + bytes(999),
    "WMA": b"0&\xb2u\x8ef\xcf\x11" + bytes(999),
    "AMR": b"#!AMR\n" + bytes(999),
    "WavPack": b"wvpk" + bytes(999),
}


# Names that lie


@pytest.mark.parametrize("kind", MARKS)
@pytest.mark.parametrize("ending", ["mp3", "wav", "ogg", "flac"])
def test_case_10_aac_named_mp3(tmp_path, kind, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(MARKS[kind])
    message = rf"a\.{ending}: holds {kind}, not {ending.upper()}; convert it: ffmpeg -i FILE OTHER"
    for read in (load_audio, audio_duration):
        with pytest.raises(AudioError, match=message):
            read(path)


def test_aac_behind_a_tag_is_aac(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + adts())
    with pytest.raises(AudioError, match="holds AAC, not MP3"):
        load_audio(tmp_path / "a.mp3")


def test_scraps_of_a_codec_are_no_sound(tmp_path):
    frames = encode()
    (tmp_path / "a.mp3").write_bytes(frames[:800] + np.random.default_rng(0).bytes(30_000))
    with pytest.raises(AudioError, match="it begins like MP3, but most of it is not"):
        load_audio(tmp_path / "a.mp3")


def test_an_undecodable_file_is_not_called_missing(tmp_path):
    (tmp_path / "a.mp3").write_bytes(b"\0" * 4000)
    with pytest.raises(AudioError) as raised:
        load_audio(tmp_path / "a.mp3")
    assert "does not exist" not in str(raised.value)


@pytest.mark.parametrize(("form", "ending"), [("MP3", "wav"), ("WAV", "mp3"), ("FLAC", "m4a")])
def test_sound_files_may_have_any_name(tmp_path, form, ending):
    (tmp_path / f"a.{ending}").write_bytes(encode(form))
    assert len(load_audio(tmp_path / f"a.{ending}")) == pytest.approx(32_000, abs=1200)


# Sounds that ffmpeg alone reads


@pytest.fixture
def without_ffmpeg(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))


@pytest.fixture
def folder(tmp_path):
    """A word of two sounds that can be read, and three that only ffmpeg reads."""
    for word in ("yes", "no"):
        (tmp_path / word).mkdir()
        for number in range(30):
            write_audio(tmp_path / word / f"{number}.wav", CLIP[: 8000 + number])
    for name in ("a.m4a", "b.M4A", "c.webm"):
        (tmp_path / "yes" / name).write_bytes(MARKS["MP4"])
    return tmp_path


LINE = (
    "left alone: 3 files that cannot be read here (.m4a, .webm): install ffmpeg, or convert them: "
    "ffmpeg -i FILE FILE.wav"
)


def test_case_09_m4a_clips_passed_over(folder, without_ffmpeg, caplog):
    told = []
    assert len(find_audio([str(folder / "yes"), str(folder / "no")], tell=told.append)) == 60
    assert told == [LINE]
    for path in (folder / "yes").glob("*.wav"):
        path.unlink()
    with pytest.raises(ConfigurationError, match=r"holds no sound files; left alone: 3 files"):
        find_audio([str(folder / "yes")])


def test_case_09_m4a_clips_passed_over_in_training(folder, without_ffmpeg, caplog):
    corpus = Folder(str(folder), validation_percentage=20).prepare()
    assert len(corpus.utterances) == 60
    assert [record.getMessage() for record in caplog.records] == [LINE]


def test_a_folder_without_folders_gets_no_hint_of_them(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError, match=r"holds no sound files$"):
        find_audio([str(tmp_path)])
    (tmp_path / "inner").mkdir()
    with pytest.raises(ConfigurationError, match="--recursive searches its subfolders"):
        find_audio([str(tmp_path)])


def test_a_named_file_that_only_ffmpeg_reads(tmp_path, without_ffmpeg):
    (tmp_path / "a.m4a").write_bytes(MARKS["MP4"])
    with pytest.raises(AudioError, match=r"a\.m4a: holds MP4, which cannot be read without the"):
        load_audio(tmp_path / "a.m4a")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("aac", ["-c:a", "aac", "-f", "adts"]),
        ("m4a", ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-f", "mp4"]),
        ("webm", ["-c:a", "libopus", "-f", "webm"]),
        ("wma", ["-c:a", "wmav2", "-f", "asf"]),
    ],
)
def test_case_09_m4a_clips_are_decoded_by_ffmpeg(tmp_path, ending, options):
    path = tmp_path / f"x.{ending}"
    path.write_bytes(ffmpeg(encode("WAV"), *options))
    for source in (path, path.read_bytes()):
        waveform = load_audio(source)
        assert len(waveform) == pytest.approx(32_000, abs=3000)
        assert np.abs(waveform).max() == pytest.approx(np.abs(CLIP).max(), rel=0.2)
    assert [name for name, _ in find_audio([str(tmp_path)])] == [str(path)]


@needs_ffmpeg
def test_a_playlist_names_no_other_file(tmp_path):
    """Only the reader of the kind that the first bytes tell is asked."""
    (tmp_path / "secret.wav").write_bytes(encode("WAV"))
    (tmp_path / "list.m4a").write_text(f"#EXTM3U\n#EXTINF:2,\n{tmp_path}/secret.wav\n")
    with pytest.raises(AudioError, match="is no sound that can be read"):
        load_audio(tmp_path / "list.m4a")
    (tmp_path / "damaged.m4a").write_bytes(MARKS["MP4"])
    with pytest.raises(AudioError, match=r"damaged\.m4a: is MP4 that ffmpeg cannot decode"):
        load_audio(tmp_path / "damaged.m4a")


# Lengths that are wrong


def in_wav(mp3, rate=16_000):
    fmt = struct.pack("<HHIIHHH", 0x55, 1, rate, 8000, 1, 0, 12) + struct.pack(
        "<HIHHH", 1, 2, 0, 1, 0
    )
    chunks = [(b"fmt ", fmt), (b"fact", struct.pack("<I", 99_999)), (b"data", mp3)]
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(part)) + part for name, part in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
def test_case_11_mp3_inside_wav(tmp_path, rate):
    mp3 = encode(rate=rate, samples=np.tile(CLIP, 2))
    (tmp_path / "a.wav").write_bytes(in_wav(mp3, rate))
    expected = load_audio(mp3)
    assert np.array_equal(load_audio(tmp_path / "a.wav"), expected)
    assert audio_duration(tmp_path / "a.wav") == pytest.approx(len(expected) / 16_000, abs=0.01)


@pytest.mark.parametrize("n_bytes", [1, 8, 16, 36, 44])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_case_28_data_chunk_a_few_bytes_too_long(tmp_path, n_bytes, subtype):
    content = bytearray(encode("WAV", subtype=subtype))
    place = content.index(b"data") + 4
    size = int.from_bytes(content[place : place + 4], "little")
    content[place : place + 4] = (size + n_bytes).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.warns(AudioWarning, match=rf"promises {n_bytes} bytes more .*; it is read up to"):
        waveform = load_audio(tmp_path / "a.wav")
    assert len(waveform) == len(CLIP)


def with_promise(mp3, n_frames):
    """Change the number of frames that the header of an MP3 promises."""
    content = bytearray(mp3)
    place = max(mp3.find(b"Xing"), mp3.find(b"Info"))
    content[place + 8 : place + 12] = n_frames.to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("n_frames", [0, 1, 20, 10**6])
def test_case_f18_mp3_header_lies(tmp_path, n_frames):
    mp3 = encode()
    frames = count_frames(mp3)
    assert frames.promised == frames.n_frames
    path = tmp_path / "lying.mp3"
    path.write_bytes(with_promise(mp3, n_frames))
    whole = len(load_audio(mp3))
    for source in (path, path.read_bytes()):
        assert audio_duration(source) == pytest.approx(whole / 16_000, abs=0.15)
        if n_frames > frames.n_frames:
            with pytest.warns(AudioWarning, match=r"is cut short: its header promises 36000\.00 s"):
                found = load_audio(source)
        else:
            found = load_audio(source)
        assert len(found) == pytest.approx(whole, abs=2400)


def test_an_mp3_of_varying_bit_rate_without_a_header_is_read_to_its_end():
    mp3 = encode(bitrate_mode="VARIABLE", compression_level=0.3)
    frames = count_frames(mp3)
    bare = mp3[frames.begin :]
    n_samples = frames.n_frames * frames.first.n_samples
    assert n_samples - 600 < len(load_audio(bare)) <= n_samples  # less the delay of the decoder
    assert count_frames(with_length(bare, count_frames(bare))).promised == frames.n_frames


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_case_f18_a_truncated_ogg_is_reported(subtype):
    samples = np.random.default_rng(0).normal(0, 0.1, 64_000)
    whole = encode("OGG", samples=samples, subtype=subtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        n_samples = len(load_audio(whole))
    with pytest.warns(AudioWarning, match="has no end mark: it may be truncated"):
        assert 0 < len(load_audio(whole[: len(whole) * 3 // 4])) < n_samples


def test_tags_at_the_end_are_no_sound():
    mp3 = encode()
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 20_000, 1, 1 << 31) + bytes(8)
    picture = ape + bytes(20_000) + ape
    tagged = mp3 + picture + b"TAG" + bytes(125)
    assert count_frames(tagged) == count_frames(mp3)


# Kinds


def test_kinds_by_their_first_bytes():
    for form, kind in (("WAV", "WAV"), ("FLAC", "FLAC"), ("OGG", "OGG"), ("MP3", "MP3")):
        assert kind_of(encode(form)) == kind
    for kind, content in MARKS.items():
        assert kind_of(content) == kind
    for content in (b"", b"R", bytes(100), b"RIFF\0\0\0\0AVI ", np.arange(99).tobytes()):
        assert kind_of(content) is None
    assert set(MARKS) <= set(FOREIGN)
    assert all(suffix == suffix.lower() for suffix in FOREIGN_SUFFIXES)


def test_raw_samples_are_rarely_frames():
    """The mark of a frame alone is a sample of raw PCM, too."""
    generator = np.random.default_rng(0)
    for _ in range(200):
        content = b"\xff\xfb\x90\x00" + generator.bytes(8000)
        assert kind_of(content) is None


def test_the_size_of_a_tag():
    assert id3_size(b"ID3\x04\0\0\0\0\x02\x01") == 10 + 257
    assert id3_size(b"ID3\x04\0\x10\0\0\x02\x01") == 20 + 257
    assert id3_size(b"RIFF\x04\0\x10\0\0\x02\x01") == 0


def test_case_f17_stdout_of_libsndfile(tmp_path):
    dump = b"\xf0\x7e\0\1\0\0\x10\x24\x68\x03\x40\x3e" + bytes(9) + b"\xf7"
    damaged = dump + b"".join(b"\xf0\x7e\0\2" + bytes([n]) + bytes(121) + b"\xf7" for n in range(9))
    (tmp_path / "damaged.wav").write_bytes(damaged)
    with pytest.raises(AudioError, match="it is a MIDI sample dump"):
        load_audio(tmp_path / "damaged.wav")


@pytest.mark.parametrize("rate", [1, 999, 2_000_000])
@pytest.mark.parametrize("form", ["WAV", "AIFF", "AU"])
def test_case_f07_rate_of_1_hz_in_a_header(rate, form):
    for read in (load_audio, audio_duration):
        with pytest.raises(AudioError, match=rf"rate={rate} must be from 1000 to 1000000 Hz"):
            read(encode(form, rate=rate))


def test_absurd_numbers_of_channels():
    many = encode("WAV", samples=np.zeros((10, 1000), np.float32))
    with pytest.raises(AudioError, match="channels=1000 must be from 1 to 256"):
        load_audio(many)
