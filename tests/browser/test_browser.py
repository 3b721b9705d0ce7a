"""The page in a real Chromium: files, the microphone, thresholds, keyboard, light and dark."""

import json
import re
import time

import numpy as np
import pytest
import soundfile

from speech_rnn import Recognizer
from speech_rnn.audio import load_audio
from speech_rnn.browser.description import for_browser
from speech_rnn.browser.writing import write_folder, write_single_file
from speech_rnn.streaming.spotter import Spotting
from tests.browser.chromium import BROWSER, browser, served
from tests.browser.driving import DONE, READY, drop, wav, words_of
from tests.browser.node import runtime_or_skip
from tests.browser.sounds import (
    RATE,
    assert_same,
    events_of,
    minute_of_phrases,
    noise,
    phrases,
    twenty_minutes,
)
from tests.real import needs_shared
from tests.serving.running import CLIPS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer.load()


@pytest.fixture(scope="module")
def runtime():
    return runtime_or_skip()


@pytest.fixture(scope="module")
def address(recognizer, runtime, tmp_path_factory):
    """The address of the page of the package's recogniser, at any web server."""
    folder = tmp_path_factory.mktemp("page")
    write_folder(for_browser(recognizer, "starter"), folder, runtime)
    with served(folder) as found:
        yield found


@pytest.fixture(scope="module")
def new_tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def tab(new_tab):
    found = new_tab()
    yield found
    found.close()


@pytest.fixture(scope="module")
def sound():
    return phrases(12)


def wait_for_words(tab, mine, step_seconds):
    """Wait until the page lists these words; the answers to earlier thresholds come before."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return assert_same(words_of(tab), mine, step_seconds)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@needs_shared
def test_a_dropped_file_gives_the_events_of_python(address, tab, recognizer, sound):
    tab.open(address)
    tab.until(READY)
    drop(tab, wav(sound))
    assert_same(words_of(tab), events_of(sound, recognizer=recognizer), recognizer.step_seconds)
    assert len(words_of(tab)) > 8
    # Live regions speak for those who do not see.
    spoken = tab.run("document.querySelector('[aria-live]').textContent")
    last = words_of(tab)[-1]
    assert spoken.endswith(f"{last['word']}, at {last['start']:.1f} seconds, 100 percent")
    # Thresholds that are moved answer again; all of it also by the keyboard.
    tab.run("document.querySelector('#all input').focus()")
    for _ in range(45):
        tab.press("ArrowRight")
    spotting = Spotting(**recognizer.spotting.to_dict() | {"threshold": 0.95})
    stream = recognizer.stream(spotting=spotting, check=False)
    mine = [*stream.push(sound), *stream.finish()]
    wait_for_words(tab, mine, recognizer.step_seconds)
    told, addresses = tab.mistakes()
    assert told == []
    assert all(one.startswith((address, "data:", "blob:")) for one in addresses)


@needs_shared
def test_a_file_that_is_silent_or_no_sound_is_answered(address, tab):
    tab.open(address)
    tab.until(READY)
    drop(tab, wav(noise(3)))
    assert words_of(tab) == []
    drop(tab, b"no sound", "/is no sound/.test(document.getElementById('status').textContent)")


@needs_shared
@pytest.mark.slow(minutes=2)
@pytest.mark.timeout(900)
def test_twenty_minutes_give_the_events_of_python(address, tab, recognizer, tmp_path):
    """The samples are floats: Chromium divides positive 16-bit samples by 32,767, not by 32,768."""
    sound = twenty_minutes()
    assert len(sound) == 20 * 60 * RATE
    (tmp_path / "long.wav").write_bytes(wav(sound))
    mine = events_of(sound, recognizer=recognizer)
    assert len(mine) > 150
    tab.open(address)
    tab.until(READY)
    tab.choose("#file", tmp_path / "long.wav")
    tab.until(DONE, seconds=800)
    assert_same(words_of(tab), mine, recognizer.step_seconds)


def microphone_flags(folder, sound):
    """Return flags for a microphone that hears a sound once."""
    soundfile.write(folder / "said.wav", sound, RATE, subtype="PCM_16")
    return (
        *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
        f"--use-file-for-fake-audio-capture={folder / 'said.wav'}%noloop",
    )


def listened(tab, n_words, seconds):
    """Listen for so many seconds, or until there are so many words, and return the words."""
    start = time.monotonic()
    tab.run("document.getElementById('listen').click()")
    time.sleep(seconds)
    tab.until(f"document.querySelectorAll('#detections li').length >= {n_words}")
    tab.run("document.getElementById('listen').click()")
    tab.until("document.getElementById('status').textContent === 'Stopped.'")
    assert time.monotonic() - start < seconds + 60
    return [one["word"] for one in words_of(tab)]


@needs_shared
@pytest.mark.slow(minutes=2)
def test_ten_key_phrases_in_a_minute_are_each_heard_once(address, tmp_path, record_property):
    sound, names = minute_of_phrases()
    with browser(tmp_path, *microphone_flags(tmp_path, np.append(sound, noise(2)))) as new_tab:
        tab = new_tab()
        tab.open(address)
        tab.until(READY)
        assert listened(tab, len(names), 62) == names
        share = float(tab.run("document.getElementById('speed').dataset.share"))
        record_property("share of the time that is computed", share)
        assert tab.mistakes()[0] == []


def test_the_first_word_comes_soon_after_the_page_is_opened(address, tmp_path, record_property):
    """A new browser has an empty cache. The aim is 3 s, on a machine with nothing else to do."""
    said = np.append(load_audio(CLIPS / "yes.flac", RATE), noise(5))
    with browser(tmp_path, *microphone_flags(tmp_path, said)) as new_tab:
        tab = new_tab()
        start = time.monotonic()
        tab.open(address)
        tab.until(READY)
        record_property("seconds until the page is ready", time.monotonic() - start)
        tab.run("document.getElementById('listen').click()")
        tab.until("document.querySelector('#detections li') !== null")
        seconds = time.monotonic() - start
        record_property("seconds to the first word", seconds)
        assert words_of(tab)[0]["word"] == "yes"
        assert seconds < 60


def test_a_recogniser_that_is_missing_is_told(recognizer, runtime, tmp_path, tab):
    write_folder(for_browser(recognizer, "starter"), tmp_path, runtime)
    (tmp_path / "recogniser.onnx").unlink()
    with served(tmp_path) as address:
        tab.open(address)
        tab.until("/cannot start: .* .404.*/.test(document.getElementById('status')?.textContent)")
        assert tab.run("document.getElementById('listen').disabled")


@needs_shared
def test_the_page_of_a_single_file_listens(recognizer, runtime, tmp_path):
    spoken = phrases(2, first=12)
    mine = [one.word for one in events_of(spoken, recognizer=recognizer)]
    found = for_browser(recognizer, "starter")
    address = write_single_file(found, tmp_path / "page.html", runtime).path.as_uri()
    said = np.concatenate([noise(1), spoken, noise(2)])
    with browser(tmp_path, *microphone_flags(tmp_path, said)) as new_tab:
        tab = new_tab()
        tab.open(address)
        tab.until(READY)
        assert listened(tab, len(mine), len(said) / RATE) == mine
        assert tab.mistakes()[0] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desk"])
def test_the_page_fits_the_window(scheme, width, height, address, tab):
    tab.open(address, width, height, scheme)
    tab.until(READY)
    found = json.loads(
        tab.run("""JSON.stringify({
          overflow: document.scrollingElement.scrollWidth - innerWidth,
          flat: [...document.querySelectorAll("canvas")].filter(c => c.clientHeight < 40).length,
          paper: getComputedStyle(document.body).backgroundColor,
          ink: getComputedStyle(document.body).color,
          unnamed: [...document.querySelectorAll("button, input, canvas")].filter(
            e => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).length,
        })""")
    )
    assert found["overflow"] <= 0
    assert found["flat"] == found["unnamed"] == 0
    light = [sum(map(int, re.findall(r"\d+", found[name])[:3])) / 765 for name in ("paper", "ink")]
    assert (light[0] < 0.2) == (scheme == "dark")
    assert abs(light[0] - light[1]) > 0.7


def test_the_keyboard_reaches_everything(address, tab):
    tab.open(address)
    tab.until(READY)
    reached = []
    for _ in range(5):
        tab.press("Tab")
        reached.append(tab.run("document.activeElement.id || document.activeElement.tagName"))
    assert reached[:3] == ["listen", "file", "gate"]
    assert "threshold-All words" in reached
