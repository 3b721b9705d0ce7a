"""The WebSockets /listen and /vosk, spoken to by the client library of websockets."""

import json
import struct
from contextlib import ExitStack

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from speech_rnn.audio import load_audio
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.limits import Limits
from tests.serving.running import CLIPS, running, until, url

SAID = ["stop", "yes", "no"]
RATE = 16_000


@pytest.fixture(scope="module")
def server():
    limits = Limits(streams=3, idle_seconds=60, message_bytes=200_000)
    with running(limits=limits) as found:
        yield found


@pytest.fixture(scope="module")
def scene():
    """Three words with pauses of a second around them."""
    quiet = np.zeros(RATE, np.float32)
    parts = [quiet]
    for word in SAID:
        parts += [load_audio(CLIPS / f"{word}.flac"), quiet]
    return np.concatenate(parts)


def pcm(waveform):
    return (waveform * 32767).astype("<i2").tobytes()


def wav(waveform, rate=RATE, n_channels=1):
    samples = pcm(np.repeat(waveform, n_channels))
    form = struct.pack("<HHIIHH", 1, n_channels, rate, 2 * n_channels * rate, 2 * n_channels, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"LIST\x03\0\0\0abc\0"
    chunks += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks + b"a tag after the samples"


def pieces(content, size):
    return [content[first : first + size] for first in range(0, len(content), size)]


def listened(server, messages, query=""):
    """Send messages to /listen and return all that came back, to the end."""
    with connect(url(server, f"/listen{query}", "ws")) as socket:
        for message in messages:
            socket.send(message)
        socket.send('{"type": "finish"}')
        return [json.loads(answer) for answer in socket]


def to_the_end(socket):
    """Return what comes until the connection is closed, and the code of the close."""
    answers = []
    try:
        while True:
            answers.append(json.loads(socket.recv(timeout=60)))
    except ConnectionClosed as closed:
        return answers, closed.rcvd.code


def refusal(address, **settings):
    """Return status and body with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as refused, connect(address, **settings):
        pass
    response = refused.value.response
    return response.status_code, response.body.decode()


def of_type(answers, kind):
    return [answer for answer in answers if answer["type"] == kind]


def streamed(scene):
    recognizer = Recognizer.load()
    stream = recognizer.stream()
    samples = np.frombuffer(pcm(scene), "<i2")
    return [*stream.push(samples), *stream.finish()]


@pytest.mark.parametrize("size", [1, 3201, 100_000])
def test_listen_hears_what_a_stream_of_python_hears(server, scene, size):
    sound = pcm(scene if size > 1 else scene[: RATE // 10])
    answers = listened(server, pieces(sound, size))
    first, last = answers[0], answers[-1]
    assert (first["type"], first["model"], first["sample_rate"]) == ("ready", "starter", RATE)
    assert "stop" in first["words"]
    assert last == {"type": "end", "seconds": round(len(sound) / 2 / RATE, 4)}
    if size > 1:
        found = [(one["word"], one["start"], one["end"]) for one in of_type(answers, "word")]
        assert found == [(w.word, round(w.start, 4), round(w.end, 4)) for w in streamed(scene)]
        assert [word for word, _, _ in found] == SAID


def test_partial_words_come_before_the_word(server, scene):
    answers = listened(server, pieces(pcm(scene), 3200))
    for word in SAID:
        places = [n for n, one in enumerate(answers) if one.get("word") == word]
        partial = [n for n, one in enumerate(answers) if word in one.get("words", ()) and n]
        assert partial[0] < places[0]


@pytest.mark.parametrize(("rate", "n_channels"), [(RATE, 1), (48_000, 1), (RATE, 2)])
def test_the_header_of_a_wav_file_gives_its_format(server, scene, rate, n_channels):
    waveform = scene.repeat(rate // RATE)
    answers = listened(server, pieces(wav(waveform, rate, n_channels), 9_001))
    assert of_type(answers, "ready")[-1]["sample_rate"] == rate
    assert [one["word"] for one in of_type(answers, "word")] == SAID
    assert answers[-1]["seconds"] == pytest.approx(len(scene) / RATE)


def test_the_header_of_a_wav_file_may_come_byte_by_byte(server, scene):
    content = wav(scene)
    messages = [*pieces(content[:60], 1), *pieces(content[60:], 10_000)]
    assert [one["word"] for one in of_type(listened(server, messages), "word")] == SAID


@pytest.mark.parametrize(
    ("messages", "query", "code", "said"),
    [
        (["hello"], "", 1008, "object of JSON"),
        (["[" * 100_000], "", 1008, "object of JSON"),
        (['{"type": "start"}'], "", 1008, "finish"),
        ([b"RIFF____WAVE" + b"LIST\xff\xff\xff\xff"], "", 1007, "no samples"),
        ([wav(np.zeros(9))[:20] + b"\x02\0" + wav(np.zeros(9))[22:]], "", 1007, "compressed"),
        ([wav(np.zeros(9), rate=1)], "", 1008, "rate=1"),
    ],
)
def test_wrong_messages_are_reported_and_closed(server, messages, query, code, said):
    with connect(url(server, f"/listen{query}", "ws")) as socket:
        for message in messages:
            socket.send(message)
        answers, found = to_the_end(socket)
    assert said in answers[-1]["error"]
    assert found == code


@pytest.mark.parametrize("path", ["/listen", "/vosk"])
def test_a_message_beyond_the_limit_is_closed(server, path):
    with connect(url(server, path, "ws")) as socket:
        socket.send(bytes(300_000))
        assert to_the_end(socket)[1] == 1009


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/listen?model=none", 404),
        ("/vosk?model=none", 404),
        ("/listen?sample_rate=x", 400),
        ("/listen?sample_rate=5", 400),
        ("/nothing", 403),
    ],
)
def test_a_handshake_is_refused_with_a_status(server, path, status):
    assert refusal(url(server, path, "ws"))[0] == status
    until(lambda: server.service.capacity.n_open == 0)


def test_token_and_origin_are_asked_of_sockets(scene):
    with running(token="secret") as server:
        address = url(server, "/listen", "ws")
        own = url(server)
        for query, headers, origin, status in [
            ("", {}, None, 401),
            ("?token=wrong", {}, None, 401),
            ("?token=secret", {}, "https://evil.example", 403),
            ("?token=secret", {}, own, 101),
            ("", {"Authorization": "Bearer secret"}, None, 101),
        ]:
            settings = {"additional_headers": headers, "origin": origin}
            if status == 101:
                with connect(address + query, **settings) as socket:
                    assert json.loads(socket.recv())["type"] == "ready"
                continue
            assert refusal(address + query, **settings)[0] == status


def test_streams_beyond_the_capacity_are_refused_and_the_others_go_on(server, scene):
    with ExitStack() as held:
        held.enter_context(connect(url(server, "/listen", "ws")))
        held.enter_context(connect(url(server, "/vosk", "ws")))
        with connect(url(server, "/listen", "ws")):
            for path in ("/listen", "/vosk"):
                status, body = refusal(url(server, path, "ws"))
                assert status == 503
                assert "3 of 3" in body
        until(lambda: server.service.capacity.n_open == 2)
        assert [one["word"] for one in of_type(listened(server, [pcm(scene)[:90_000]]), "word")]
    until(lambda: server.service.capacity.n_open == 0)


def test_streams_end_with_the_words_so_far_when_the_server_stops(scene):
    with running() as server, ExitStack() as held:
        listening = held.enter_context(connect(url(server, "/listen", "ws")))
        vosk = held.enter_context(connect(url(server, "/vosk", "ws")))
        vosk.send('{"config": {"sample_rate": 16000}}')
        cut = pcm(load_audio(CLIPS / "yes.flac"))  # ends within the word, or just after it
        for socket in (listening, vosk):
            socket.send(cut)
        partial = json.loads(vosk.recv())
        assert "result" not in partial
        until(lambda: listened_seconds(server) >= 2)
        server.ask_to_stop()
        answers, codes = {}, {}
        for name, socket in (("listen", listening), ("vosk", vosk)):
            answers[name], codes[name] = to_the_end(socket)
    assert codes == {"listen": 1001, "vosk": 1001}
    assert [one["word"] for one in of_type(answers["listen"], "word")] == ["yes"]
    assert answers["listen"][-1]["type"] == "end"
    assert answers["vosk"][-1]["text"] == "yes"


def listened_seconds(server):
    """Return the seconds of sound that the streams have computed."""
    text = server.service.metrics.text().decode()
    lines = [line for line in text.splitlines() if line.startswith("speech_rnn_sound_seconds_t")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def vosk_client(server, sound, config, size=8000):
    """Speak as Vosk's test.py does: one answer is awaited after each message."""
    answers = []
    with connect(url(server, "/vosk", "ws")) as socket:
        socket.send(json.dumps({"config": config}))
        for piece in pieces(sound, size):
            socket.send(piece)
            answers.append(json.loads(socket.recv()))
        socket.send('{"eof" : 1}')
        answers.append(json.loads(socket.recv()))
        with pytest.raises(ConnectionClosed):
            socket.recv()
    return answers


def test_vosks_client_hears_each_utterance(server, scene):
    answers = vosk_client(server, pcm(scene), {"sample_rate": RATE, "words": True})
    results = [one for one in answers if "result" in one]
    assert [one["text"] for one in results] == SAID
    truth = streamed(scene)
    for one, word in zip(results, truth, strict=True):
        (found,) = one["result"]
        assert found.keys() == {"conf", "start", "end", "word"}
        assert (found["start"], found["end"]) == pytest.approx((word.start, word.end), abs=1e-5)
    assert all(one.keys() in ({"partial"}, {"result", "text"}, {"text"}) for one in answers)
    assert "stop" in [one.get("partial") for one in answers]
    assert answers[-1] == {"text": ""}


def test_vosks_phrase_list_leaves_other_words_out(server, scene):
    config = {"sample_rate": RATE, "phrase_list": ["yes no", "[unk]"], "words": False}
    answers = vosk_client(server, pcm(scene), config)
    texts = [one["text"] for one in answers if one.get("text")]
    assert texts == ["yes", "no"]
    assert not any("result" in one for one in answers)


def test_vosks_reset_forgets_the_words_so_far(server, scene):
    with connect(url(server, "/vosk", "ws")) as socket:
        socket.send('{"config": {"sample_rate": 16000}}')
        socket.send(pcm(scene[: round(2.3 * RATE)]))
        assert json.loads(socket.recv())["partial"] == "stop"
        socket.send('{"reset": 1}')
        socket.send('{"eof": 1}')
        assert json.loads(socket.recv()) == {"text": ""}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ('{"config": {"phrase_list": ["stopp"]}}', "did you mean 'stop'"),
        ('{"config": {"phrase_list": "stop"}}', "list of texts"),
        ('{"config": {"sample_rate": "fast"}}', "must be a number"),
        ('{"config": {"sample_rate": 1e999}}', "must be a number"),
        ('{"config": {"sample_rate": 7}}', "rate=7"),
        ('{"config": 1}', "object"),
        ('{"hello": 1}', "config, reset or eof"),
        ("eof", "object of JSON"),
    ],
)
def test_what_vosk_cannot_mean_is_reported(server, message, said):
    with connect(url(server, "/vosk", "ws")) as socket:
        socket.send(message)
        assert said in json.loads(socket.recv())["error"]
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd.code == 1008
