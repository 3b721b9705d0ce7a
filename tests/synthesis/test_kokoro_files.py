"""The files of Kokoro: from a real loopback server, and where they are looked for."""

import hashlib
import io
import json
import logging
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.synthesis import kokoro, kokoro_files
from speech_rnn.synthesis.espeak import Synthetic
from speech_rnn.synthesis.kokoro import NeuralVoices
from speech_rnn.synthesis.kokoro_files import FILES, MODEL, VOICES, Released
from speech_rnn.synthesis.voices import Voices
from tests.archives import serve

MODEL_BYTES = bytes(range(256)) * 800
FEW = {"train_clips": 2, "validation_clips": 1, "test_clips": 1}


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder to serve that holds a likeness of the release, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kokoro, "find_spec", lambda name: object())
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / MODEL).write_bytes(MODEL_BYTES)
    names = [f"a{kind}_{number}" for kind in "fm" for number in range(10)]
    with io.BytesIO() as packed:
        np.savez(packed, **{name: np.zeros((510, 1, 256), np.float32) for name in names})
        (folder / VOICES).write_bytes(packed.getvalue())
    released = {
        name: Released(len(content), hashlib.sha256(content).hexdigest())
        for name in FILES
        if (content := (folder / name).read_bytes())
    }
    monkeypatch.setattr(kokoro_files, "FILES", released)
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache/speech_rnn/kokoro"


def source(tmp_path, **settings):
    return NeuralVoices(["go"], str(tmp_path / "voices"), folder=str(tmp_path / "own"), **settings)


def at(server, monkeypatch):
    monkeypatch.setattr(kokoro_files, "RELEASE", server.url("")[:-1])


def test_both_files_are_fetched_once_and_announced_before(
    served, cache, tmp_path, monkeypatch, caplog
):
    with serve(served) as server, caplog.at_level(logging.INFO):
        at(server, monkeypatch)
        for _ in range(2):
            source(tmp_path).fetch()
        assert [path for path, _ in server.requests] == [f"/{MODEL}", f"/{VOICES}"]
        told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    for line, (name, file) in zip(told, kokoro_files.FILES.items(), strict=True):
        assert server.url(name) in line
        assert f"({file.size:,} bytes, SHA-256 {file.sha256}, licence Apache-2.0)" in line
        assert line.endswith(f"to {cache}")
    assert source(tmp_path).lack() is None
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == {
        name: (served / name).read_bytes() for name in FILES
    }


def test_a_cut_download_goes_on_in_a_later_run(served, cache, tmp_path, monkeypatch):
    with serve(served, cuts=(50_000, 0, 0, 0)) as server:
        at(server, monkeypatch)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        with pytest.raises(DataError, match=r"continues after 50000 bytes.*place it at .*int8"):
            source(tmp_path).fetch()
        assert [path.name for path in cache.iterdir()] == [f"{MODEL}.part"]
        assert f"lack {MODEL} and {VOICES}" in str(source(tmp_path).lack())
        source(tmp_path).fetch()
    asked = [ranges for path, ranges in server.requests if path == f"/{MODEL}"]
    assert (asked[0], asked[-1]) == (None, "bytes=50000-")
    assert (cache / MODEL).read_bytes() == MODEL_BYTES


def test_files_other_than_the_release_are_rejected(served, cache, tmp_path, monkeypatch):
    (served / MODEL).write_bytes(MODEL_BYTES[::-1])
    with serve(served) as server:
        at(server, monkeypatch)
        with pytest.raises(DataError, match=r"gave a file with SHA-256 \w+, not \w+; it was remov"):
            source(tmp_path).fetch()
    assert not list(cache.iterdir())
    assert isinstance(source(tmp_path).lack(), DataError)


def test_a_file_of_another_size_is_rejected_before_the_download(
    served, cache, tmp_path, monkeypatch
):
    (served / MODEL).write_bytes(b"<html>moved</html>")
    with serve(served) as server:
        at(server, monkeypatch)
        with pytest.raises(DataError, match=r"announces 18 bytes, not size=204800"):
            source(tmp_path).fetch()
    assert not list(cache.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_disk_that_fills_up(served, cache, tmp_path, monkeypatch):
    cache.mkdir(parents=True)
    (cache / f"{MODEL}.part").symlink_to("/dev/full")
    with serve(served) as server:
        at(server, monkeypatch)
        with pytest.raises(DataError, match="the disk is full"):
            source(tmp_path).fetch()
    assert not (cache / MODEL).exists()


def test_a_cache_that_cannot_be_written(served, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    with serve(served) as server:
        at(server, monkeypatch)
        with pytest.raises(DataError, match=r"cache/speech_rnn/kokoro' cannot be written"):
            source(tmp_path).fetch()


def test_without_a_network_address_and_place_are_reported(served, cache, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr(kokoro_files, "RELEASE", address)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(DataError) as caught:
            source(tmp_path).fetch()
    told = str(caught.value)
    assert f"{address}/{MODEL}" in told
    assert told.endswith(f"place it at {cache / MODEL}")
    assert "\n" not in told
    for name in FILES:
        cache.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes((served / name).read_bytes())
    source(tmp_path).fetch()
    assert source(tmp_path).lack() is None


def test_a_users_folder_takes_precedence_over_the_cache(served, cache, tmp_path):
    for place, name in ((tmp_path / "own", MODEL), (cache, MODEL), (cache, VOICES)):
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    there = kokoro_files.found(tmp_path / "own")
    assert there == {MODEL: tmp_path / "own" / MODEL, VOICES: cache / VOICES}
    assert kokoro_files.lacking(tmp_path / "elsewhere") == []


def test_the_cache_is_where_xdg_has_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for base in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", base)
        assert kokoro_files.cache_folder() == tmp_path / ".cache/speech_rnn/kokoro"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert kokoro_files.cache_folder() == tmp_path / ".cache/speech_rnn/kokoro"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert kokoro_files.cache_folder() == tmp_path / "x/speech_rnn/kokoro"


def test_several_processes_fetch_once(served, cache, tmp_path, monkeypatch):
    code = (
        "import sys, json; from speech_rnn.synthesis import kokoro_files as files\n"
        "files.RELEASE = sys.argv[1]\n"
        "files.FILES = {k: files.Released(*v) for k, v in json.loads(sys.argv[2]).items()}\n"
        "files.fetch('nowhere')"
    )
    wanted = json.dumps({k: [v.size, v.sha256] for k, v in kokoro_files.FILES.items()})
    with serve(served, cuts=(20_000,), stall_seconds=0.3) as server:
        command = [sys.executable, "-c", code, server.url("")[:-1], wanted]
        work = [subprocess.Popen(command) for _ in range(3)]
        assert [one.wait(120) for one in work] == [0, 0, 0]
    assert len(server.requests) == 3  # the model twice, since it was cut, and the voices
    assert (cache / MODEL).read_bytes() == MODEL_BYTES


def test_nothing_is_fetched_for_what_could_not_speak(served, cache, tmp_path, monkeypatch):
    with serve(served) as server:
        at(server, monkeypatch)
        source(tmp_path, language="de").fetch()
        monkeypatch.setattr(kokoro, "find_spec", lambda name: None)
        source(tmp_path).fetch()
        told = str(source(tmp_path).lack())
        assert not server.requests
    assert not cache.exists()
    assert isinstance(source(tmp_path).lack(), MissingExtraError)
    assert "voices=kokoro then downloads its files" in told


def test_a_recipe_uses_kokoro_on_request(served, cache, tmp_path, monkeypatch, caplog):
    pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")
    espeak = Synthetic(["go"], str(tmp_path / "voices"), **FEW)
    corpus = Voices(espeak=espeak, kokoro=source(tmp_path)).prepare()
    assert len(corpus.utterances) == 4
    (line,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert line.startswith(f"kokoro is left out: folder={str(tmp_path / 'own')!r} and {cache} lack")
    assert "add voices=kokoro, which downloads 11 MB" in line
    assert "detected 84 %" in line
    pytest.importorskip("kokoro_onnx", reason="needs the extra [neural]")
    asked = Voices(espeak=espeak, kokoro=source(tmp_path, train_clips=1), required="kokoro")
    with serve(served) as server:
        at(server, monkeypatch)
        with pytest.raises(DataError, match=r"int8\.onnx' cannot be read as a file of Kokoro"):
            asked.prepare()  # it is a likeness, and speaks nothing
    assert (cache / MODEL).read_bytes() == MODEL_BYTES
    monkeypatch.setattr(kokoro, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"\[neural\]"):
        asked.prepare()
    with pytest.raises(ConfigurationError, match="did you mean 'kokoro'"):
        Voices(espeak=espeak, required="kokkoro")


def test_files_that_are_not_kokoros_are_named(served, cache, tmp_path):
    cache.mkdir(parents=True)
    (cache / MODEL).write_bytes(b"no model")
    (cache / VOICES).write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"voices-v1\.0\.bin' cannot be read as a file of Kokoro"):
        source(tmp_path).prepare()
    (cache / VOICES).write_bytes((served / VOICES).read_bytes())
    pytest.importorskip("kokoro_onnx", reason="needs the extra [neural]")
    with pytest.raises(DataError, match=r"int8\.onnx' cannot be read as a file of Kokoro"):
        source(tmp_path, train_clips=1).prepare()


def test_the_release_is_pinned():
    assert {name: file.size for name, file in FILES.items()} == {
        MODEL: 92_361_271,
        VOICES: 28_214_398,
    }
    assert kokoro_files.RELEASE.endswith("/kokoro-onnx/releases/download/model-files-v1.0")
