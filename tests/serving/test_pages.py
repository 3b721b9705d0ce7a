"""The page at ``/`` of the server: its files, its recognisers, the token, and what is missing."""

import hashlib
import re
import shutil

import numpy as np
import pytest
import requests

from speech_rnn.audio import load_audio
from speech_rnn.browser import runtime as runtimes
from speech_rnn.browser.runtime import FILES, SCRIPT, WASM
from speech_rnn.browser.writing import STATIC
from speech_rnn.starter import STARTER
from tests.browser.chromium import BROWSER, browser
from tests.browser.driving import READY, drop, wav, words_of
from tests.browser.node import runtime_or_skip
from tests.browser.sounds import RATE, assert_same, events_of, noise
from tests.serving.running import CLIPS, running, url

MEDIA = {".js": "text/javascript", ".css": "text/css", ".txt": "text/plain"}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that holds other files in place of the runtime, with the hashes of these."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in FILES}
    monkeypatch.setattr(runtimes, "FILES", hashes)
    folder = tmp_path / "cache/speech_rnn/onnxruntime-web-1.30.0"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(name)
    return folder


def test_the_files_of_the_page_are_served(cache):
    with running(token="secret") as server:
        page = requests.get(url(server, "/"))
        assert page.headers["content-type"].startswith("text/html")
        assert page.content == (STATIC / "index.html").read_bytes()
        for path in STATIC.iterdir():
            if path.is_file() and path.name != "index.html":
                found = requests.get(url(server, f"/{path.name}"))
                assert found.content == path.read_bytes()
                assert found.headers["content-type"].startswith(MEDIA[path.suffix])
                tag = {"If-None-Match": found.headers["etag"]}
                assert requests.get(url(server, f"/{path.name}"), headers=tag).status_code == 304
        found = requests.get(url(server, f"/runtime/{WASM}"))
        assert (found.text, found.headers["content-type"]) == (WASM, "application/wasm")
        for path in ("/..%2fserver.py", "/runtime/other.wasm", "/static/main.js"):
            assert requests.get(url(server, path)).status_code in (401, 404)


def test_the_recogniser_of_the_page_needs_the_token(cache, tmp_path):
    shutil.copy(STARTER, tmp_path / "other.onnx")
    with running(STARTER, tmp_path / "other.onnx", token="secret") as server:
        bearer = {"Authorization": "Bearer secret"}
        for path in ("/recogniser.json", "/recogniser.onnx"):
            assert requests.get(url(server, path)).status_code == 401
            assert requests.get(url(server, path), headers=bearer).status_code == 200
        names = [
            requests.get(url(server, f"/recogniser.json{query}"), headers=bearer).json()["name"]
            for query in ("", "?model=other")
        ]
        assert names == ["starter", "other"]
        model = requests.get(url(server, "/recogniser.onnx?model=other"), headers=bearer)
        assert model.content == STARTER.read_bytes()
        wrong = requests.get(url(server, "/recogniser.json?model=othr"), headers=bearer)
        assert wrong.status_code == 404
        assert "did you mean 'other'" in wrong.json()["error"]["message"]


def test_without_the_runtime_one_line_says_how_to_get_it(cache):
    (cache / SCRIPT).unlink()
    with running() as server:
        assert requests.get(url(server, "/main.js")).status_code == 200
        for path in ("/", f"/runtime/{WASM}"):
            answer = requests.get(url(server, path))
            assert answer.status_code == 503
            assert re.fullmatch(
                r"the page needs onnxruntime-web .*: run  speech-rnn page .*\n", answer.text
            )
        (cache / SCRIPT).write_text(SCRIPT)  # it comes while the server runs
        assert requests.get(url(server, "/")).status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_recognises_with_the_page_of_the_server(tmp_path):
    runtime_or_skip()
    clips = [load_audio(CLIPS / f"{word}.flac", RATE) for word in ("go", "left", "stop")]
    sound = np.concatenate([piece for clip in clips for piece in (clip, noise(0.5))])
    with running(token="secret") as server, browser(tmp_path) as new_tab:
        tab = new_tab()
        tab.open(url(server, "/"))
        for token in ("wrong", "secret"):
            # While the server checks a token, the form is hidden and nothing has the focus.
            tab.until("document.activeElement?.id === 'token' && !document.activeElement.value")
            tab.call("Input.insertText", text=token)
            tab.press("Enter")
        tab.until(READY)
        drop(tab, wav(sound))
        mine = events_of(sound)
        assert len(mine) == 3
        assert_same(words_of(tab), mine, 0.04)
