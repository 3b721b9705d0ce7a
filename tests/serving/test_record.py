"""The routes below ``/record``: takes, refusals, words and the training."""

import io
import json
import re

import numpy as np
import pytest
import requests
import soundfile
from typer.testing import CliRunner

from speech_rnn import cli
from speech_rnn.audio import load_audio
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.studio import CONSENT, Studio
from speech_rnn.starter import STARTER
from tests.serving.running import CLIPS, running, until, url

FIELDS = {"word": "stop", "speaker": "Anna", "device": "headset", "room": "quiet"}
TOKEN = {"authorization": "Bearer secret"}
RATE = 16_000


@pytest.fixture
def studio(tmp_path):
    found = Studio(tmp_path / "lights")
    found.use_words(["stop", "go", "lights on"])
    return found


@pytest.fixture
def server(studio):
    with running(studio=studio, token="secret") as found:
        yield found


def sound(word="stop", gain=1.0, rate=RATE):
    """Return a WAV file of a real clip of one second, with pauses around it."""
    pause = 1e-3 * np.random.default_rng(0).standard_normal(rate // 4)
    samples = np.concatenate([pause, load_audio(CLIPS / f"{word}.flac", rate), pause])
    file = io.BytesIO()
    soundfile.write(file, gain * samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def post(server, content, *, headers=TOKEN, consent="true", **fields):
    data = FIELDS | {"consent": consent} | fields
    files = {"file": ("../../x.wav", content)}
    return requests.post(url(server, "/record/takes"), files=files, data=data, headers=headers)


def ask(server, path, method="GET", **given):
    return requests.request(method, url(server, f"/record/{path}"), headers=TOKEN, **given)


def test_a_take_is_kept_played_and_deleted(server, studio, tmp_path):
    content = sound()
    answer = post(server, content)
    assert answer.status_code == 200, answer.text
    state = answer.json()
    (take,) = state["takes"]
    assert (take["file"], take["clipped"]) == ("stop/Anna_1.wav", False)
    assert state["missing"][0] == "9 more of 'stop', one in a noisy room"
    assert state["next"] == {"quiet": "go", "noisy": "go"}
    (row,) = studio.takes.rows
    assert (row.consent, row.device, row.seconds) == (CONSENT, "headset", 1.5)
    played = ask(server, f"takes/{take['file']}")
    assert played.headers["content-type"] == "audio/wav"
    mine, theirs = (
        soundfile.read(io.BytesIO(one), dtype="int16") for one in (content, played.content)
    )
    assert mine[1] == theirs[1]
    assert np.array_equal(mine[0], theirs[0])
    written = {path for path in tmp_path.rglob("*") if path.is_file()}
    folder = tmp_path / "lights"
    names = ("words.txt", "takes/takes.jsonl", "takes/stop/Anna_1.wav")
    assert written == {folder / name for name in names}
    left = ask(server, f"takes/{take['file']}", "DELETE")
    assert left.json()["takes"] == []
    assert ask(server, f"takes/{take['file']}").status_code == 404
    assert not (folder / "takes/stop").exists()


def test_a_take_that_is_clipped_or_quiet_is_kept_and_reported(server):
    clipped = post(server, sound(gain=30)).json()
    assert any("clipped" in one for one in clipped["findings"])
    assert clipped["takes"][0]["clipped"]
    quiet = post(server, sound(gain=0.03)).json()
    assert any("is quiet" in one for one in quiet["findings"])
    assert len(quiet["takes"]) == 2


@pytest.mark.parametrize(("level", "status"), [(0.045, 200), (0.2, 400)])
def test_noise_is_wanted_in_a_noisy_room(level, status, server):
    samples, rate = soundfile.read(io.BytesIO(sound()))
    noise = level * np.random.default_rng(0).standard_normal(len(samples))
    file = io.BytesIO()
    soundfile.write(file, samples + noise, rate, format="WAV")
    quiet, noisy = (post(server, file.getvalue(), room=room) for room in ("quiet", "noisy"))
    assert (quiet.status_code, noisy.status_code) == (status, 200)
    assert "the noise" in quiet.text
    assert not any("dB above the noise" in one for one in noisy.json()["findings"])


def silence(seconds, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(seconds * rate)), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


@pytest.mark.parametrize(
    ("given", "content", "status", "said"),
    [
        ({"consent": "false"}, sound(), 400, "consent is missing"),
        ({"consent": ""}, sound(), 400, "consent is missing"),
        ({"word": "stpo"}, sound(), 404, "did you mean 'stop'"),
        ({"word": "../stop"}, sound(), 404, "is not asked for"),
        ({"speaker": "..."}, sound(), 400, "letter or a digit"),
        ({"room": "loud"}, sound(), 400, "quiet or noisy"),
        ({}, b"no sound at all, but text", 400, "take"),
        ({}, b"", 400, "take"),
        ({}, silence(1), 400, "is silent"),
        ({"room": "noisy"}, silence(1), 400, "is silent"),
        ({}, silence(12), 413, "at most 10 s"),
        ({}, sound()[:-8000], 400, "cut short"),
    ],
)
def test_a_take_that_cannot_be_kept_is_refused(server, studio, given, content, status, said):
    answer = post(server, content, **given)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]["message"]
    assert studio.takes.rows == []
    assert [*studio.takes.folder.iterdir()] == []


def test_a_take_beyond_the_limits_of_the_server_is_refused(studio):
    with running(studio=studio, limits=Limits(streams=1, request_bytes=10_000)) as server:
        assert post(server, b"x" * 90_000).status_code == 413
        big = json.dumps({"words": ["x" * 70_000]})
        assert ask(server, "words", "PUT", data=big).status_code == 413


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "state"),
        ("PUT", "words"),
        ("POST", "takes"),
        ("GET", "takes/stop/Anna_1.wav"),
        ("DELETE", "takes/stop/Anna_1.wav"),
        ("GET", "training"),
        ("POST", "training"),
        ("DELETE", "training"),
    ],
)
def test_pages_of_other_origins_and_clients_without_the_token_may_do_nothing(
    server, studio, method, path
):
    content = sound()
    post(server, content)
    before = studio.takes.rows
    given = {"files": {"file": content}, "data": FIELDS | {"consent": "true"}}
    given = given if path == "takes" else {}
    address = url(server, f"/record/{path}")
    for headers in ({}, {"authorization": "Bearer wrong"}):
        assert requests.request(method, address, headers=headers, **given).status_code == 401
    port = server.addresses["http"][1]
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": f"evil.example:{port}"},  # its name leads here: DNS rebinding
        {"origin": f"http://evil.example:{port}", "host": f"evil.example:{port}"},
    ):
        answer = requests.request(method, address, headers=TOKEN | headers, **given)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "wrong_origin"
    assert studio.takes.rows == before
    assert not studio.teaching.is_running


def test_a_proxy_that_keeps_the_name_of_a_known_origin_may_ask(studio):
    with running(studio=studio, origins=("https://home.example",)) as server:
        known = {"host": "home.example", "origin": "https://home.example"}
        assert requests.get(url(server, "/record/state"), headers=known).status_code == 200


def test_only_takes_are_read(server, studio, tmp_path):
    (tmp_path / "secret.wav").write_bytes(sound())
    post(server, sound())
    for path in ("takes/takes.jsonl", "takes/..%2f..%2fsecret.wav", "takes/stop", "takes/%2fetc"):
        for method in ("GET", "DELETE"):
            assert ask(server, path, method).status_code in (404, 405)
    assert (tmp_path / "secret.wav").exists()
    assert (studio.takes.folder / "takes.jsonl").exists()


def test_words_are_chosen_on_the_page(server, studio, tmp_path):
    chosen = ask(server, "words", "PUT", data=json.dumps({"words": ["stop", " left "]}))
    assert [one["word"] for one in chosen.json()["words"]] == ["stop", "left"]
    assert (tmp_path / "lights/words.txt").read_text() == "stop\nleft\n"
    assert Studio(tmp_path / "lights").words == ["stop", "left"]
    post(server, sound())
    for words, said in ((["left"], "lacks 'stop', which has takes"), (["stop", "a/b"], "folder")):
        refused = ask(server, "words", "PUT", data=json.dumps({"words": words}))
        assert (refused.status_code, said in refused.text) == (400, True)
    for wrong in (b"", b"[]", b"\xff"):
        assert ask(server, "words", "PUT", data=wrong).status_code == 400
    assert studio.words == ["stop", "left"]
    ask(server, "takes/stop/Anna_1.wav", "DELETE")
    assert ask(server, "words", "PUT", data='{"words": []}').json()["words"] == []
    assert not (tmp_path / "lights/words.txt").exists()


def test_the_page_and_its_scripts_need_no_token(server):
    page = requests.get(url(server, "/record"))
    assert page.headers["content-type"].startswith("text/html")
    seen, waiting = set(), re.findall(r'(?:src|href)="([\w./]+)"', page.text)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = requests.get(url(server, f"/{path}"))
        assert answer.status_code == 200, path
        if path.endswith(".js"):
            base = path.rpartition("/")[0]
            for name in re.findall(r'from "\./([^"]+)"', answer.text):
                waiting.append(f"{base}/{name}".lstrip("/"))
            waiting += re.findall(r'from "\.\./([^"]+)"', answer.text)
    assert {"record/page.js", "record/wav.js", "sounds.js", "style.css"} <= seen


def test_recording_is_off_unless_it_is_asked_for():
    with running() as server:
        for method, path in (
            ("GET", "/record"),
            ("GET", "/record/state"),
            ("POST", "/record/takes"),
        ):
            answer = requests.request(method, url(server, path))
            assert answer.status_code == 404
            assert "speech-rnn serve --record DIR" in answer.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "set a token"),
        (["--only", "wake"], "needs HTTP"),
        (["--stdio", "wake"], "needs HTTP"),
    ],
)
def test_recording_where_nobody_should_is_an_error(options, said, tmp_path):
    command = ["serve", "--record", str(tmp_path / "takes"), *options]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "takes").exists()


def test_a_training_needs_takes_and_a_free_name(studio):
    with running(studio=studio, token="secret") as server:
        refused = ask(server, "training", "POST")
        assert (refused.status_code, "no takes yet" in refused.text) == (400, True)
    own = studio.recognisers.parent / "lights.onnx"
    own.write_bytes(STARTER.read_bytes())
    with running(own, studio=studio, token="secret") as server:
        post(server, sound())
        refused = ask(server, "training", "POST")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "busy")


@pytest.mark.slow
def test_an_error_of_a_training_is_shown(tmp_path):
    studio = Studio(tmp_path / "lights", ["trainer.max_epoch=1"])
    studio.use_words(["stop"])
    with running(studio=studio, token="secret") as server:
        post(server, sound())
        started = ask(server, "training", "POST").json()
        assert (started["status"], started["is_loaded"]) == ("running", False)
        assert ask(server, "training", "POST").status_code == 409
        until(lambda: ask(server, "training").json()["status"] != "running")
        found = ask(server, "training").json()
        assert found["status"] == "failed"
        assert "did you mean 'max_epochs'" in found["error"]


def test_a_training_ends_with_the_server(studio):
    with running(studio=studio, token="secret") as server:
        post(server, sound())
        assert ask(server, "training", "POST").json()["status"] == "running"
    assert studio.teaching.progress.status == "stopped"


def test_a_training_is_stopped_when_it_is_asked_to(server, studio):
    post(server, sound())
    ask(server, "training", "POST")
    assert ask(server, "training", "DELETE").json()["status"] == "stopped"
    assert ask(server, "state").json()["training"]["status"] == "stopped"
