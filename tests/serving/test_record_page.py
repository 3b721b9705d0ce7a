"""The page ``/record`` in a real Chromium with a fake microphone: takes, a training, its result."""

import json
import re

import numpy as np
import pytest
import soundfile

from speech_rnn.audio import load_audio
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.studio import Studio
from tests.browser.chromium import BROWSER, browser
from tests.browser.sounds import RATE, noise
from tests.serving.running import CLIPS, running, url

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]

A_FEW_STEPS = (
    *("+debug=fast", "trainer.limit_batches=1", "trainer.max_epochs=2", "test=false"),
    *("data.kokoro=null", "data.flite=null", "data.espeak.train_clips=12", "report=false"),
    *("data.espeak.validation_clips=3", "data.espeak.test_clips=3", "device=cpu"),
    *("negatives.others.n_words=16", "negatives.others.n_talk=8", "negatives.others.clips=1"),
    *(f"connected.{split}_utterances=16" for split in ("train", "validation", "test")),
)
IS_OFF = "document.getElementById('record').ariaPressed === 'false'"
N_TAKES = "document.querySelectorAll('#takes li').length"
STATUS = "document.getElementById('status')?.textContent"


def click(tab, name):
    tab.run(f"document.getElementById('{name}').click()")


def write(tab, name, text):
    tab.run(f"document.getElementById('{name}').focus()")
    tab.call("Input.insertText", text=text)


@pytest.fixture
def microphone(tmp_path):
    """Flags for a microphone that hears the same word every two seconds."""
    said = np.concatenate([noise(0.5), load_audio(CLIPS / "stop.flac", RATE), noise(0.5)])
    soundfile.write(tmp_path / "said.wav", said, RATE, subtype="PCM_16")
    return (
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={tmp_path / 'said.wav'}",
    )


def record(tab, n_takes):
    """Record until there are so many takes; a take that is cut off pauses the page."""
    while tab.run(N_TAKES) < n_takes:
        click(tab, "record")
        tab.until(f"{N_TAKES} >= {n_takes} || {IS_OFF}")
    tab.run(f"{IS_OFF} || document.getElementById('record').click()")
    tab.until(IS_OFF)


@pytest.mark.slow(minutes=1)
def test_takes_are_saved_and_a_training_starts_and_its_result_listens(
    microphone, tmp_path, record_property
):
    pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")
    studio = Studio(tmp_path / "lights", A_FEW_STEPS)
    limits = Limits(streams=4)
    with (
        running(studio=studio, token="secret", limits=limits) as server,
        browser(tmp_path, *microphone) as new_tab,
    ):
        tab = new_tab()
        tab.open(url(server, "/record"))
        tab.until("document.activeElement?.id === 'token'")
        tab.call("Input.insertText", text="secret")
        tab.press("Enter")
        tab.until(f"{STATUS}?.startsWith('Write the words')")
        tab.events.clear()  # the answer 401 to the first request is meant

        write(tab, "words", "stop\ngo")
        click(tab, "save-words")
        tab.until(f"{STATUS} === 'The words are saved.'")
        missing = "[...document.querySelectorAll('#missing li')].map(one => one.textContent)"
        assert tab.run(missing) == [
            "10 more of 'stop', one in a noisy room",
            "10 more of 'go', one in a noisy room",
        ]

        write(tab, "speaker", "Anna")
        click(tab, "record")  # without consent, nothing is recorded
        assert tab.run(IS_OFF)
        click(tab, "consent")
        record(tab, 3)
        takes = studio.takes.rows
        assert {take.word for take in takes[:2]} == {"stop", "go"}  # they take turns
        for take in takes:
            assert (take.speaker, take.room, take.consent) == (
                "Anna",
                "quiet",
                tab.run("document.getElementById('consent-text').textContent"),
            )
            assert "Fake" in take.device
            samples, _ = soundfile.read(studio.takes.path(take.file))
            assert np.abs(samples).max() > 0.1
            assert take.seconds == pytest.approx(2, abs=0.1)

        tab.run("document.querySelector('#takes details').open = true")
        tab.run("document.querySelector('#takes li button').click()")
        tab.until("document.getElementById('player').currentTime > 0")
        assert tab.run("document.getElementById('player').duration") == pytest.approx(2, abs=0.1)
        tab.run("document.querySelector('#takes li button:last-child').click()")
        tab.until(f"{STATUS} === 'The take is deleted.'")
        assert len(studio.takes.rows) == len(takes) - 1

        click(tab, "train")
        text = "document.getElementById('training-text')"
        tab.until(f"{text}.dataset.status === 'running'")
        assert tab.run("document.getElementById('stop-training').hidden") is False
        seconds = tab.until(f"{text}.dataset.status !== 'running'", 300)
        record_property("seconds of the training", seconds)
        error = tab.run("document.getElementById('training-error').textContent")
        assert tab.run(f"{text}.dataset.status") == "done", error
        assert re.search(r"Last epoch: .*validation error rate \d", tab.run(f"{text}.textContent"))

        tab.until("document.getElementById('listen').dataset.loaded === 'true'")
        click(tab, "listen")
        listening = "document.getElementById('listening').textContent"
        tab.until(f"{listening} === 'Listening for stop, go.'")
        tab.run("new Promise(resolve => setTimeout(resolve, 2000))")
        click(tab, "listen")
        tab.until(f"/^Listened for [1-9][.0-9]* s/.test({listening})")
        assert [model.name for model in server.service.shelf.models] == ["starter", "lights"]
        assert tab.mistakes()[0] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_the_page_fits_the_window_and_the_keyboard(scheme, width, height, tmp_path):
    studio = Studio(tmp_path / "lights")
    studio.use_words(["stop", "turn off all the lights in the house at once"])
    with running(studio=studio) as server, browser(tmp_path) as new_tab:
        tab = new_tab()
        tab.open(url(server, "/record"), width, height, scheme)
        tab.until(f"{STATUS} === 'Ready.'")
        found = json.loads(
            tab.run("""JSON.stringify({
              overflow: document.scrollingElement.scrollWidth - innerWidth,
              paper: getComputedStyle(document.body).backgroundColor,
              unnamed: [...document.querySelectorAll("button, input, textarea, [role=meter]")]
                .filter(e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length,
            })""")
        )
        assert found["overflow"] <= 0
        assert found["unnamed"] == 0
        light = sum(map(int, re.findall(r"\d+", found["paper"])[:3])) / 765
        assert (light < 0.2) == (scheme == "dark")
        reached = set()
        for _ in range(8):
            tab.press("Tab")
            reached.add(tab.run("document.activeElement.id || document.activeElement.name"))
        assert {"words", "save-words", "speaker", "device", "room", "consent", "record"} <= reached
        assert tab.mistakes()[0] == []
