"""HTTP in OpenAI's shape, asked by OpenAI's own client and by plain requests."""

import io
import json
import re
import socket

import numpy as np
import pytest
import requests
import soundfile
import webvtt

from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.transcripts import SHAPES
from tests.serving.running import CLIPS, running, until, url

WORDS = sorted(path.stem for path in CLIPS.glob("*.flac"))
FORM = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def server():
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def client(server):
    import openai  # within: each process reads this file, and one of them needs it

    with openai.OpenAI(base_url=url(server, "/v1"), api_key="none", max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def bounded():
    """A server with a token, another origin, and bounds that are soon reached."""
    limits = Limits(streams=1, request_bytes=100_000, seconds=2, read_seconds=0.5, body_seconds=1)
    with running(limits=limits, token="käse", origins=["https://home.example"]) as found:
        yield found


def post(server, content=b"", *, headers=None, **fields):
    return requests.post(
        url(server, FORM), files={"file": ("a.wav", content)}, data=fields, headers=headers
    )


def sound(seconds, rate=16_000):
    file = io.BytesIO()
    samples = np.random.default_rng(0).standard_normal(round(seconds * rate)) * 0.01
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


@pytest.mark.parametrize("word", WORDS)
def test_openais_client_hears_what_transcribe_hears(client, word):
    with (CLIPS / f"{word}.flac").open("rb") as file:
        answer = client.audio.transcriptions.create(
            file=file, model="starter", response_format="verbose_json", language="en"
        )
    mine = Recognizer.load().transcribe(CLIPS / f"{word}.flac")
    assert answer.text == mine.text == word
    assert (answer.language, float(answer.duration)) == ("en", 1.0)
    assert [(one.word, one.start, one.end) for one in answer.words] == [
        (one.word, round(one.start, 4), round(one.end, 4)) for one in mine.words
    ]
    assert answer.segments[0].text == word


def test_openais_client_lists_the_models(client):
    from openai import NotFoundError

    (model,) = client.models.list()
    assert model.id == "starter"
    assert client.models.retrieve("starter").words[0] == "zero"
    with pytest.raises(NotFoundError, match="did you mean 'starter'"):
        client.models.retrieve("startr")


def test_each_format_holds_the_word(server, tmp_path):
    content = (CLIPS / "yes.flac").read_bytes()
    answers = {name: post(server, content, response_format=name) for name in SHAPES}
    assert all(answer.status_code == 200 for answer in answers.values())
    assert answers["text"].text == "yes\n"
    assert answers["json"].json() == {"text": "yes"}
    (word,) = answers["verbose_json"].json()["words"]
    (tmp_path / "a.vtt").write_bytes(answers["vtt"].content)
    (cue,) = webvtt.read(tmp_path / "a.vtt")
    assert (cue.text, cue.start_in_seconds) == ("yes", pytest.approx(word["start"], abs=1))
    (tmp_path / "a.srt").write_bytes(answers["srt"].content)
    (cue,) = webvtt.from_srt(tmp_path / "a.srt")
    assert cue.text == "yes"
    first, times, said = answers["srt"].text.splitlines()
    assert (first, said) == ("1", "yes")
    assert re.fullmatch(r"00:00:00,\d{3} --> 00:00:0\d,\d{3}", times)


def test_a_sentence_that_is_rejected_is_an_empty_text(server):
    assert post(server, sound(1)).json() == {"text": ""}


@pytest.mark.parametrize(
    ("fields", "content", "status", "said"),
    [
        ({"model": "other"}, sound(0.1), 404, "choose one of starter"),
        ({"response_format": "jsn"}, sound(0.1), 400, "did you mean 'json'"),
        ({"stream": "true"}, sound(0.1), 400, "not supported"),
        ({}, b"no sound at all, but text", 400, "recording"),
        ({}, b"", 400, "recording"),
        ({}, sound(1)[:-8000], 400, "cut short"),
        ({str(n): "x" for n in range(21)}, sound(0.1), 400, "fields"),
        ({"prompt": "x" * 70_000}, sound(0.1), 400, "maximum size"),
    ],
)
def test_what_is_wrong_is_reported_in_openais_shape(server, fields, content, status, said):
    answer = post(server, content, **fields)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"", "multipart/form-data"),
        (b"--x\r\nA", "multipart/form-data; boundary=x"),
        (b"\xff\x00", "multipart/form-data; boundary=x"),
    ],
)
def test_what_is_no_form_is_refused(server, body, kind):
    answer = requests.post(url(server, FORM), data=body, headers={"content-type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


def test_the_name_of_a_file_is_never_opened(server, tmp_path):
    (tmp_path / "a.flac").write_bytes((CLIPS / "yes.flac").read_bytes())
    answer = requests.post(url(server, FORM), files={"file": (str(tmp_path / "a.flac"), b"")})
    assert answer.status_code == 400
    assert str(tmp_path) not in answer.text
    answer = requests.post(url(server, FORM), data={"file": str(tmp_path / "a.flac")},
                        files={"other": b""})  # fmt: skip
    assert "file= is missing" in answer.text


def test_unknown_paths_and_methods_are_reported(server):
    assert requests.get(url(server, "/nothing")).status_code == 404
    assert requests.get(url(server, FORM)).status_code == 405


def test_the_description_has_each_path(server):
    described = requests.get(url(server, "/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    for path in ("/healthz", "/v1/models", FORM):
        assert path in described["paths"]
        for method in described["paths"][path]:
            assert requests.request(method, url(server, path)).status_code != 404
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert references == {*described["components"]["schemas"]}


def test_metrics_count_the_recognised_words(server):
    before = figures(server)
    post(server, (CLIPS / "go.flac").read_bytes())
    after = figures(server)
    name = 'speech_rnn_sound_seconds_total{protocol="http"}'
    assert after[name] - before.get(name, 0) == pytest.approx(1)
    assert after['speech_rnn_requests_total{path="/metrics",status="200"}'] >= 1
    assert (after["speech_rnn_capacity_streams"], after["speech_rnn_models"]) == (8, 1)


def figures(server):
    lines = requests.get(url(server, "/metrics")).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_the_token_is_asked_of_all_but_health(bounded):
    assert requests.get(url(bounded, "/healthz")).json() == {"status": "ok"}
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
        answer = requests.get(url(bounded, path))
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    for given, status in [("käse", 200), ("kase", 401), ("käse ", 200), ("", 401)]:
        headers = {"authorization": f"Bearer {given}".encode()}
        assert requests.get(url(bounded, "/v1/models"), headers=headers).status_code == status
    assert requests.get(url(bounded, "/v1/models?token=käse")).status_code == 401


TOKEN = {"authorization": "Bearer käse".encode()}


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://home.example", "x", 200),
        ("https://evil.example", "x", 403),
        ("http://localhost:1", "localhost:1", 200),
        ("http://localhost:2", "localhost:1", 403),
        ("http://evil.example:1", "evil.example:1", 403),  # its name leads here: DNS rebinding
        ("null", "x", 403),
        ("http://[", "x", 403),
    ],
)
def test_pages_of_other_origins_may_not_ask(bounded, origin, host, status):
    headers = TOKEN | {"origin": origin, "host": host}
    answer = requests.get(url(bounded, "/v1/models"), headers=headers)
    assert answer.status_code == status
    allowed = answer.headers.get("access-control-allow-origin")
    assert (allowed == origin) == (origin == "https://home.example")


def test_recordings_beyond_the_limits_are_refused(bounded):
    long = post(bounded, sound(3), headers=TOKEN)
    assert (long.status_code, long.json()["error"]["code"]) == (413, "too_large")
    assert "longer than 2 s" in long.text
    large = post(bounded, b"x" * 200_000, headers=TOKEN)
    assert large.status_code == 413
    assert "0.1 MB" in large.text


def raw(server, content, seconds=30):
    """Send bytes, and return what comes back until the connection is closed."""
    with socket.create_connection(server.addresses["http"]) as connection:
        connection.settimeout(seconds)
        connection.sendall(content)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


HEAD = f"POST {FORM} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer käse\r\n".encode()
FORM_HEAD = HEAD + b"content-type: multipart/form-data; boundary=x\r\n"


def test_a_gigabyte_that_is_declared_is_refused_at_once(bounded):
    with socket.create_connection(bounded.addresses["http"]) as connection:
        connection.settimeout(30)
        connection.sendall(FORM_HEAD + b"content-length: 1000000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


@pytest.mark.slow
def test_a_body_that_grows_beyond_what_it_declares_nothing_of_is_refused(bounded):
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    begin = b"a0\r\n" + b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    begin += b" " * (0xA0 - len(begin) + 4) + b"\r\n"
    answer = raw(bounded, FORM_HEAD + b"transfer-encoding: chunked\r\n\r\n" + begin + 4 * piece)
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", b"408"),
        (b"GET /healthz HT", b"408"),
        (FORM_HEAD + b"content-length: 1000\r\n\r\n--x\r\n", b"408"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 20_000, b"4"),
    ],
)
def test_a_request_that_does_not_arrive_is_closed(bounded, content, status):
    assert raw(bounded, content).startswith(b"HTTP/1.1 " + status)


def test_too_many_connections_and_recordings_are_refused():
    limits = Limits(streams=1, connections=3, transcriptions=1, read_seconds=60)
    with running(limits=limits) as server:
        waiting = [socket.create_connection(server.addresses["http"]) for _ in range(2)]
        head = f"POST {FORM} HTTP/1.1\r\nhost: x\r\n".encode()
        head += b"content-type: multipart/form-data; boundary=x\r\ncontent-length: 9\r\n\r\n"
        waiting[0].sendall(head)
        until(lambda: server.service.n_recordings)
        busy = post(server, sound(0.1))
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "1")
        waiting.append(socket.create_connection(server.addresses["http"]))
        assert raw(server, b"").startswith(b"HTTP/1.1 503")
        for connection in waiting:
            connection.close()


def test_a_request_under_way_is_answered_when_the_server_stops():
    content = (CLIPS / "yes.flac").read_bytes()
    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body += content + b"\r\n--x--\r\n"
    head = f"POST {FORM} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n".encode()
    head += b"content-type: multipart/form-data; boundary=x\r\n\r\n"
    with running() as server, socket.create_connection(server.addresses["http"]) as connection:
        connection.settimeout(30)
        connection.sendall(head + body[:-100])
        until(lambda: server.service.n_recordings)
        server.ask_to_stop()
        until(server.service.stopping.is_set)
        connection.sendall(body[-100:])
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert b'{"text": "yes"}' in answer
