"""Wyoming, spoken by its own client as Home Assistant speaks it, over TCP and over pipes."""

import asyncio
import json
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, read_event, write_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from speech_rnn.audio import load_audio
from speech_rnn.recognizer import Recognizer
from speech_rnn.serving.limits import Limits
from tests.real import SHARED, needs_shared
from tests.serving.load import describe
from tests.serving.running import CLIPS, running, until

RATE = 16_000
CHUNK = 1024
WORDS = sorted(path.stem for path in CLIPS.glob("*.flac"))


@pytest.fixture(scope="module")
def server():
    limits = Limits(streams=6, seconds=4, idle_seconds=2, read_seconds=0.5, message_bytes=100_000)
    with running(limits=limits) as found:
        yield found


def with_silence(path, before=0.5, after=1.0):
    parts = [np.zeros(round(before * RATE)), load_audio(path), np.zeros(round(after * RATE))]
    return np.concatenate(parts).astype(np.float32)


def sound_events(waveform, rate=RATE, width=2, channels=1, timestamp=0):
    """Return the events of a sound, in chunks of 1,024 samples, as Home Assistant sends them."""
    form = {"rate": rate, "width": width, "channels": channels}
    full = 1 << (8 * width - 1)
    levels = np.rint(np.repeat(waveform, channels).astype(float) * full).clip(-full, full - 1)
    content = levels.astype(f"<i{width}").tobytes()
    size = CHUNK * width * channels
    yield AudioStart(**form, timestamp=timestamp).event()
    for first in range(0, len(content), size):
        at = timestamp + round(1000 * first / width / channels / rate)
        yield AudioChunk(**form, audio=content[first : first + size], timestamp=at).event()
    yield AudioStop(timestamp=timestamp).event()


def spoken(address, *events, until_type=None, seconds=60):
    """Send events, and return all that comes back until one of a type, or the close."""

    async def talk():
        answers = []
        async with AsyncTcpClient(*address) as client:
            for event in events:
                await client.write_event(event)
            while (answer := await asyncio.wait_for(client.read_event(), seconds)) is not None:
                answers.append(answer)
                if answer.type == until_type:
                    break
        return answers

    return asyncio.run(talk())


def described(address):
    (answer,) = spoken(address, Describe().event(), until_type="info")
    return Info.from_event(answer)


def test_describe_lists_what_home_assistant_reads(server):
    wake = described(server.addresses["wake"])
    (program,) = wake.wake
    assert program.installed
    assert not wake.asr
    assert wake.satellite is None
    phrases = {
        model.name: (model.phrase, model.installed, model.languages) for model in program.models
    }
    assert phrases["smart mirror"] == ("smart mirror", True, ["en"])
    assert [*phrases] == [*Recognizer.load().vocabulary.words]
    (program,) = described(server.addresses["asr"]).asr
    assert [model.name for model in program.models] == ["starter"]
    assert program.models[0].languages == ["en"]


def test_describe_in_one_line_is_answered(server):
    """As by: echo '{"type":"describe"}' | nc HOST 10400."""
    with socket.create_connection(server.addresses["wake"]) as connection:
        connection.settimeout(30)
        connection.sendall(b'{"type":"describe"}\n')
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert json.loads(answer.splitlines()[0])["type"] == "info"


def test_home_assistant_need_not_wait_for_the_description(server, record_property):
    """It gives up after 1 s. The aim is 50 ms, on a machine that has nothing else to do."""
    times = [
        asyncio.run(describe(server.addresses[name][1]))
        for _ in range(20)
        for name in ("wake", "asr")
    ]
    record_property("median ms of a description", round(1000 * float(np.median(times)), 1))
    assert np.median(times) < 0.2
    assert max(times) < 1


def test_ping_is_answered(server):
    (answer,) = spoken(server.addresses["asr"], Ping(text="x").event(), until_type="pong")
    assert Pong.from_event(answer).text == "x"


def detected(server, waveform, names, **form):
    request = Detect(names=names).event()
    events = [request, *sound_events(waveform, **form), Ping().event()]
    return spoken(server.addresses["wake"], *events, until_type="pong")[:-1]


@pytest.mark.parametrize("word", WORDS)
def test_each_word_is_detected_as_a_stream_hears_it(server, word):
    waveform = with_silence(CLIPS / f"{word}.flac")
    stream = Recognizer.load().stream()
    truth = [*stream.push(waveform), *stream.finish()]
    answers = detected(server, waveform, [word])
    mine = [one for one in truth if one.word == word]
    assert [one.type for one in answers] == (["detection"] * len(mine) or ["not-detected"])
    for answer, one in zip(answers, mine, strict=False):
        found = Detection.from_event(answer)
        assert (found.name, found.timestamp) == (word, pytest.approx(1000 * one.end, abs=90))
        assert found.context["score"] == pytest.approx(one.confidence, abs=0.01)


def test_another_word_is_not_detected(server):
    (answer,) = detected(server, with_silence(CLIPS / "yes.flac"), ["alexa"])
    assert NotDetected.is_type(answer.type)


def test_without_names_any_word_is_detected(server):
    (answer,) = detected(server, with_silence(CLIPS / "yes.flac"), None)
    assert Detection.from_event(answer).name == "yes"


@pytest.mark.parametrize(("rate", "width", "channels"), [(48_000, 2, 1), (16_000, 4, 2)])
def test_sound_of_other_formats_is_recognised(server, rate, width, channels):
    waveform = with_silence(CLIPS / "stop.flac").repeat(rate // RATE)
    form = {"rate": rate, "width": width, "channels": channels, "timestamp": 5000}
    (answer,) = detected(server, waveform, ["stop"], **form)
    found = Detection.from_event(answer)
    assert found.timestamp == 5000 + round(1000 * found.context["end"])


def test_home_assistant_detects_while_it_sends(server):
    """A connection for each run; the first detection of the wanted name ends it."""

    async def run(word, names):
        waveform = np.concatenate(
            [with_silence(CLIPS / "no.flac"), with_silence(CLIPS / f"{word}.flac")]
        )
        async with AsyncTcpClient(*server.addresses["wake"]) as client:
            await client.write_event(Detect(names=names).event())
            sending = asyncio.ensure_future(send(client, waveform))
            try:
                while (event := await asyncio.wait_for(client.read_event(), 60)) is not None:
                    if Detection.is_type(event.type):
                        found = Detection.from_event(event)
                        if found.name in names:
                            return found
                    elif NotDetected.is_type(event.type):
                        return None
            finally:
                sending.cancel()
        return None

    async def send(client, waveform):
        for event in sound_events(waveform):
            await client.write_event(event)

    assert asyncio.run(run("down", ["down"])).name == "down"
    assert asyncio.run(run("down", ["alexa"])) is None
    until(lambda: server.service.capacity.n_open == 0)


def test_two_runs_on_one_connection_begin_anew(server):
    waveform = with_silence(CLIPS / "go.flac")
    events = [Detect(names=["go"]).event(), *sound_events(waveform), *sound_events(waveform),
              *sound_events(np.zeros(RATE, np.float32)), Ping().event()]  # fmt: skip
    answers = spoken(server.addresses["wake"], *events, until_type="pong")
    assert [one.type for one in answers] == ["detection", "detection", "not-detected", "pong"]
    assert answers[0].data == answers[1].data


@pytest.mark.parametrize("word", WORDS)
def test_a_command_is_transcribed_as_transcribe_does(server, word):
    events = [Transcribe(language="en").event(), *sound_events(load_audio(CLIPS / f"{word}.flac"))]
    (answer,) = spoken(server.addresses["asr"], *events, until_type="transcript")
    found = Transcript.from_event(answer)
    assert (found.text, found.language) == (
        Recognizer.load().transcribe(CLIPS / f"{word}.flac").text,
        "en",
    )


def test_silence_and_no_sound_have_an_empty_text(server):
    for waveform in (np.zeros(RATE), np.zeros(0)):
        events = [Transcribe().event(), *sound_events(waveform)]
        (answer,) = spoken(server.addresses["asr"], *events, until_type="transcript")
        assert Transcript.from_event(answer).text == ""


@needs_shared
@pytest.mark.slow
def test_fifty_key_phrases_are_transcribed_as_transcribe_does(server):
    folders = sorted((SHARED / "keywords").iterdir())
    clips = [clip for folder in folders for clip in sorted(folder.glob("*.flac"))[-9:]][:50]
    recognizer = Recognizer.load()
    answers, truth = [], []
    for clip in clips:
        waveform = load_audio(clip)[: 4 * RATE]
        events = [Transcribe(name="starter").event(), *sound_events(waveform)]
        (answer,) = spoken(server.addresses["asr"], *events, until_type="transcript")
        answers.append(Transcript.from_event(answer).text)
        truth.append(recognizer.transcribe(waveform).text)
    assert len(answers) == 50
    assert answers == truth
    named = [clip.parent.name.replace("_", " ") for clip in clips]
    assert np.mean([name in text for name, text in zip(named, answers, strict=True)]) > 0.9


def start(rate, width=2):
    return Event("audio-start", {"rate": rate, "width": width, "channels": 1})


@pytest.mark.parametrize(
    ("port", "event", "code", "said"),
    [
        ("wake", Detect(names=["alexia"]).event(), "word_not_found", "did you mean 'alexa'"),
        ("wake", Event("detect", {"names": "alexa"}), "bad_request", "list"),
        ("asr", Transcribe(name="other").event(), "model_not_found", "starter"),
        ("asr", Event("audio-start", {"rate": 16000}), "bad_request", "form"),
        ("asr", start("a"), "bad_sound", "rate"),
        ("wake", start(5), "bad_request", "rate"),
        ("wake", start(8000, width=9), "bad_sound", "width"),
    ],
)
def test_what_cannot_be_meant_is_an_error_and_closes(server, port, event, code, said):
    (answer,) = spoken(server.addresses[port], event)
    found = Error.from_event(answer)
    assert found.code == code
    assert said in found.text


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no json\n", "bad_request"),
        (b"\x00\xff\xfe\n", "bad_request"),
        (b"[]\n", "bad_request"),
        (b"{}\n", "bad_request"),
        (b"[" * 50_000 + b"\n", "bad_request"),
        (b'{"type":"ping","data":3}\n', "bad_request"),
        (b'{"type":"ping","data_length":"x"}\n', "bad_request"),
        (b'{"type":"audio-chunk","payload_length":1000000000}\n', "too_large"),
        (b'{"type":"audio-chunk","data_length":1000000000}\n', "too_large"),
        (b'{"type":"' + b"x" * 200_000, "too_large"),
        (b'{"type":"desc', "too_slow"),
        (b'{"type":"audio-chunk","payload_length":100}\nabc', "too_slow"),
        (b"", "too_slow"),
    ],
)
def test_wrong_frames_are_reported_and_closed(server, content, code):
    with socket.create_connection(server.addresses["wake"]) as connection:
        connection.settimeout(30)
        connection.sendall(content)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    header, data = answer.split(b"\n", 1)
    assert json.loads(header)["type"] == "error"
    assert json.loads(data)["code"] == code


def test_a_command_that_is_too_long_is_refused(server):
    answers = spoken(server.addresses["asr"], *sound_events(np.zeros(5 * RATE, np.float32)))
    assert Error.from_event(answers[-1]).code == "too_large"


def test_a_client_that_vanishes_gives_its_place_back(server):
    connection = socket.create_connection(server.addresses["wake"])
    file = connection.makefile("wb")
    for event in [*sound_events(np.zeros(CHUNK, np.float32))][:2]:
        write_event(event, file)
    until(lambda: server.service.capacity.n_open == 1)
    file.close()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
    connection.close()
    until(lambda: server.service.capacity.n_open == 0)


def test_streams_end_with_the_words_so_far_when_the_server_stops():
    with running() as server:
        answers, connections, readers = {}, {}, {}
        for name, first in (("wake", Detect(names=["yes"])), ("asr", Transcribe())):
            connections[name] = connection = socket.create_connection(server.addresses[name])
            connection.settimeout(60)
            with connection.makefile("wb") as file:
                events = [first.event(), *sound_events(load_audio(CLIPS / "yes.flac"))][:-1]
                for event in [*events, Ping().event()]:
                    write_event(event, file)
            # the answer shows that all before it was heard
            reading = connection.makefile("rb", buffering=0)
            readers[name] = reading
            assert read_event(reading).type == "pong"
        server.ask_to_stop()
        for name, connection in connections.items():
            with connection, readers[name] as file:
                answers[name] = [*iter(lambda file=file: read_event(file), None)]
    assert [one.data.get("name") for one in answers["wake"]] == ["yes"]
    assert [one.data["text"] for one in answers["asr"]] == ["yes"]


def served_over_pipes(service, folder):
    """Return a process that serves one stream over its standard input and output."""
    command = [sys.executable, "-m", "speech_rnn.serve", "--stdio", service, "--max-streams", "1"]
    return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_pipes_are_served_until_they_close(tmp_path):
    """As others test a server of wake words: describe, detect, and an end of 0."""
    with served_over_pipes("wake", tmp_path) as process:
        write_event(Describe().event(), process.stdin)
        assert len(Info.from_event(read_event(process.stdout)).wake[0].models) == 26
        write_event(Detect(names=["right"]).event(), process.stdin)
        for word, kind in (("right", "detection"), ("yes", "not-detected")):
            for event in sound_events(with_silence(CLIPS / f"{word}.flac")):
                write_event(event, process.stdin)
            assert read_event(process.stdout).type == kind
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(60) == 0


def test_a_command_is_transcribed_over_pipes(tmp_path):
    with served_over_pipes("asr", tmp_path) as process:
        write_event(Describe().event(), process.stdin)
        assert Info.from_event(read_event(process.stdout)).asr[0].installed
        for word in ("yes", "stop"):
            events = sound_events(load_audio(CLIPS / f"{word}.flac"))
            for event in (Transcribe(language="en").event(), *events):
                write_event(event, process.stdin)
            assert Transcript.from_event(read_event(process.stdout)).text == word
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(60) == 0


@pytest.mark.slow
def test_the_command_stops_gracefully_and_logs_json(tmp_path):
    command = [sys.executable, "-m", "speech_rnn.serve", "--port", "0", "--wake-port", "0",
               "--asr-port", "0", "--only", "http", "--only", "asr"]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == "ready":
            break
    ports = {line["protocol"]: line["port"] for line in lines if line["event"] == "listening"}
    assert ports.keys() == {"http", "asr"}
    events = sound_events(load_audio(CLIPS / "yes.flac"))
    (answer,) = spoken(("127.0.0.1", ports["asr"]), *events, until_type="transcript")
    assert answer.data["text"] == "yes"
    process.send_signal(signal.SIGTERM)
    left = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert process.wait(60) == 0
    assert left[-1]["event"] == "stopped"
    assert not any(tmp_path.iterdir())
