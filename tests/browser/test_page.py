"""The files of the page, its runtime, and what stands in the way of either."""

import base64
import hashlib
import io
import json
import re
import stat
import tarfile

import onnxruntime
import pytest
from typer.testing import CliRunner

from speech_rnn import Recognizer, cli
from speech_rnn.browser import runtime as runtimes
from speech_rnn.browser.description import for_browser
from speech_rnn.browser.runtime import ARCHIVE, FILES, SCRIPT, WASM, cached_runtime, find_runtime
from speech_rnn.browser.writing import STATIC, write_folder, write_single_file
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.starter import STARTER
from speech_rnn.streaming.spotter import Spotting
from tests.streaming.test_streaming import MODELS, streaming


@pytest.fixture(scope="module")
def starter():
    return for_browser(Recognizer.load(), "starter")


@pytest.fixture
def stand_in(tmp_path):
    """A folder in place of the runtime: writing reads the files and runs none."""
    folder = tmp_path / "stand_in"
    folder.mkdir()
    (folder / SCRIPT).write_text("export const InferenceSession = null;")
    (folder / WASM).write_bytes(b"\0asm")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_description_has_what_the_scripts_read(starter):
    used = re.findall(
        r"recogniser\.(?!json)(\w+)", (STATIC / "stream.js").read_text(encoding="utf-8")
    )
    assert {*used} <= starter.description.keys()
    described = json.loads(json.dumps(starter.description))
    assert Spotting(**described["spotting"]) == Recognizer.load().spotting


def test_a_folder_holds_all_that_its_scripts_import(starter, stand_in, tmp_path):
    written = write_folder(starter, tmp_path / "page", stand_in)
    assert written.path == tmp_path / "page/index.html"
    files = [path for path in (tmp_path / "page").rglob("*") if path.is_file()]
    assert written.n_bytes == sum(path.stat().st_size for path in files)
    for path in files:
        if path.suffix in (".js", ".html"):
            text = path.read_text(encoding="utf-8")
            named = re.findall(r'from "(\./[^"]+)"|(?:src|href)="([\w.]+)"', text)
            for name in map("".join, named):
                assert (path.parent / name).is_file(), f"{path.name} names {name}"
    assert (tmp_path / "page/recogniser.onnx").read_bytes() == STARTER.read_bytes()
    write_folder(starter, tmp_path / "page", stand_in)  # again, over the first


def test_all_modules_of_the_page_are_loaded_at_once():
    def imports(name):
        text = (STATIC / name).read_text(encoding="utf-8")
        found = set(re.findall(r'from "\./([\w.]+)"', text))
        return found.union(*map(imports, found))

    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert set(re.findall(r'rel="modulepreload" href="([\w.]+)"', page)) == imports("main.js")


def test_a_single_file_names_no_other(starter, stand_in, tmp_path):
    written = write_single_file(starter, tmp_path / "new/page.html", stand_in)
    text = written.path.read_text(encoding="utf-8")
    assert written.n_bytes == len(text.encode())

    def check(script):
        assert not re.search(r'from "\.', script)
        for inner in re.findall(r'"data:text/javascript;base64,([^"]+)"', script):
            check(base64.b64decode(inner).decode())

    check(text)
    assert not re.findall(r'(?:src|href)="(?!data:)', text)
    held = dict(re.findall(r'data-file="([^"]+)">([^<]+)<', text))
    assert base64.b64decode(held["recogniser.onnx"]) == STARTER.read_bytes()
    assert base64.b64decode(held[f"runtime/{WASM}"]) == b"\0asm"
    check(base64.b64decode(held["worker.js"]).decode())
    with pytest.raises(ConfigurationError, match=r"must end in \.html"):
        write_single_file(starter, tmp_path / "page", stand_in)


def test_the_licence_of_the_runtime_is_in_the_page(starter, stand_in, tmp_path):
    write_folder(starter, tmp_path / "page", stand_in)
    write_single_file(starter, tmp_path / "one.html", stand_in)
    for file in (tmp_path / "page/licences.txt", tmp_path / "one.html"):
        text = file.read_text(encoding="utf-8")
        assert "ONNX Runtime Web" in text
        assert "Copyright (c) Microsoft Corporation" in text
        assert "Permission is hereby granted, free of charge" in text


def test_a_file_in_place_of_the_folder_is_an_error(starter, stand_in, tmp_path):
    (tmp_path / "page").touch()
    with pytest.raises(DataError, match=r"output='.*page' cannot be written"):
        write_folder(starter, tmp_path / "page", stand_in)


def test_a_recogniser_of_pytorch_is_exported():
    pytest.importorskip("onnx", reason="the extra [export] is not installed")
    recognizer = streaming("words", **MODELS["gru"])
    found = for_browser(recognizer, "mine")
    session = onnxruntime.InferenceSession(found.content)
    given = {one.name for one in session.get_inputs()}
    states = {f"state_{state['name']}" for state in found.description["stream"]["states"]}
    assert given == states | {"waveform", "end"}
    assert found.description["spotting"] == Spotting.of(recognizer.vocabulary.head).to_dict()


def test_a_recogniser_of_whole_clips_is_an_error():
    recognizer = streaming("words", bidirectional=True)
    with pytest.raises(ConfigurationError, match=r"bidirectional|\+recipe="):
        for_browser(recognizer, "mine")


def archive_with(contents):
    """Return an archive in npm's form."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def package(monkeypatch):
    """A package of other contents, with the hashes of these."""
    contents = {name: name.encode() for name in FILES}
    packed = archive_with(contents)
    digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    monkeypatch.setattr(runtimes, "INTEGRITY", f"sha512-{digest}")
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(runtimes, "FILES", hashes)
    return packed


def use_npm(folder, monkeypatch, script):
    """Put a program in the place of npm."""
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_npm_fetches_the_package_once(package, tmp_path, monkeypatch):
    (tmp_path / ARCHIVE).write_bytes(package)
    asked = 'test "$1 $2 $3" = "pack onnxruntime-web@1.30.0 --pack-destination" || exit 1'
    use_npm(tmp_path / "bin", monkeypatch, f'{asked}\ncp {tmp_path / ARCHIVE} "$4"')
    assert cached_runtime() is None
    folder = find_runtime()
    assert folder == tmp_path / "cache/speech_rnn/onnxruntime-web-1.30.0"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {n: n for n in FILES}
    use_npm(tmp_path / "bin", monkeypatch, "exit 1")
    assert find_runtime() == cached_runtime() == folder
    (folder / WASM).write_bytes(b"changed")
    assert cached_runtime() is None


def test_a_package_of_another_hash_is_refused(package, tmp_path, monkeypatch):
    (tmp_path / ARCHIVE).write_bytes(archive_with(dict.fromkeys(FILES, b"other")))
    use_npm(tmp_path / "bin", monkeypatch, f'cp {tmp_path / ARCHIVE} "$4"')
    with pytest.raises(DataError, match=r"has the hash sha512-.*, not sha512-"):
        find_runtime()
    with pytest.raises(DataError, match=r"has the hash sha512-"):
        find_runtime(tmp_path)
    assert cached_runtime() is None


def test_what_npm_complains_of_is_in_the_message(tmp_path, monkeypatch):
    use_npm(tmp_path / "bin", monkeypatch, "echo 'npm error network is down' >&2; exit 1")
    with pytest.raises(DataError, match=r"\(npm error network is down\); .* --runtime DIR"):
        find_runtime()


def test_without_npm_one_line_names_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(cli.app, ["page", "--output", str(tmp_path / "page")])
    assert result.exit_code == 2
    assert re.fullmatch(
        r"error: npm is not installed.*install Node\.js, or give --runtime DIR.*\n", result.stderr
    )
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize("place", ["", "dist", "node_modules/onnxruntime-web/dist", "archive"])
def test_a_folder_gives_the_runtime_in_place_of_npm(place, package, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    given = tmp_path / "given"
    if place == "archive":
        given.mkdir()
        (given / ARCHIVE).write_bytes(package)
    else:
        (given / place).mkdir(parents=True)
        for name in FILES:
            (given / place / name).write_text(name)
    assert find_runtime(given) == cached_runtime()
    with pytest.raises(DataError, match=r"runtime='.*' lacks"):
        find_runtime(tmp_path / "cache")
