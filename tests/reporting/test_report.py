"""The report: what is in it, that it needs no network, and how a browser shows it."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from speech_rnn.config.callbacks import report_on
from speech_rnn.data.corpus import Composition, Part, Utterance
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.detection.det_curve import DetectionReport
from speech_rnn.detection.matching import Detections, DetPoint, Quantiles
from speech_rnn.errors import DataError, MissingExtraError, install_line
from speech_rnn.evaluation.results import Row
from speech_rnn.evaluation.scoring import evaluate, score
from speech_rnn.metrics import Accuracy
from speech_rnn.reporting import mistakes, pictures
from speech_rnn.reporting.report_page import write_report
from speech_rnn.reporting.run_folder import RunFolder
from speech_rnn.streaming.spotter import Spotting
from tests.commands import speech_rnn
from tests.shared import made_once
from tests.test_recognizer import untrained
from tests.tones import write_corpus

pytest.importorskip("matplotlib", reason="pictures need the extra [report]")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
STRESS = [
    {"condition": "snr_db", "value": value, "accuracy": Accuracy(correct, 20).to_dict()}
    for value, correct in {10: 19, 0: 16}.items()
]


@pytest.fixture(scope="module")
def run():
    """A training that gets some clips wrong, one word with a name that would be markup."""
    return made_once("reported", train_badly) / "run"


def train_badly(folder):
    manifest = write_corpus(folder / "tones", clips=(8, 2, 3))  # each mistake is a picture
    rows = manifest.read_text().replace('"low"', '"<b>low</b>"')
    manifest.write_text(rows)
    arguments = ["data=manifest", f"data.path={manifest}", "features.n_mfcc=13", "augment=none"]
    arguments += ["model.hidden_size=4", "trainer.max_epochs=2", "trainer.batch_size=32"]
    result = speech_rnn("train", *arguments, "output_dir=run", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert f"report: {folder / 'run/report.html'}" in result.stdout


@pytest.mark.slow
def test_a_training_leaves_its_report(run):
    page = (run / "report.html").read_text()
    figures = json.loads((run / "evaluation.json").read_text())
    share = figures["accuracy"]
    assert f"{100 * share['accuracy']:.2f} %" in page
    assert f"{share['correct']} of {share['total']}" in page
    for heading in ("Training", "Answers", "Speakers", "Confidence", "Model card", "Command"):
        assert f"<h2>{heading}</h2>" in page
    assert "python -m speech_rnn.train data=manifest" in page
    assert "max_epochs: 2" in page
    assert page.count("<audio") == min(12, share["total"] - share["correct"]) > 0
    assert page.count("attention") >= page.count("<audio")  # by which the model pools
    names = re.findall(r'<svg [^>]*role="img" aria-label="([^"]+)"', page)
    assert len(names) == page.count("<svg") == len(set(names))
    assert len(page) < 3e6
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["corpus_sha256"] in page
    assert f"real-time factor {metrics['cost']['real_time_factor']:.4f} on one thread" in page


class Markup(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, attributes))


def assert_alone_and_inert(page):
    """Nothing comes from elsewhere, nothing runs, and no name is markup."""
    elements = Markup(page).elements
    assert not {tag for tag, _ in elements} & {"script", "iframe", "link", "img", "i", "a"}
    for _, attributes in elements:
        for name, value in attributes:
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "srcset"):
                assert value.startswith(("data:", "#"))
    assert not re.search(r"@import|url\((?!#)", page)


def test_the_page_is_self_contained_and_names_are_escaped(run):
    page = (run / "report.html").read_text()
    assert_alone_and_inert(page)
    assert "<b>low" not in page
    assert "&lt;b&gt;low" in page


def test_case_34_an_epoch_alone_is_a_point():
    one = pictures.curves({"validation/loss": [(1, 0.5)]})["loss"]
    two = pictures.curves({"validation/loss": [(1, 0.5), (2, 0.4)]})["loss"]
    circles = [len(re.findall(r'd="[^"]*C [^"]*"', drawn)) for drawn in (one, two)]
    assert circles == [1, 0]


@pytest.fixture
def bare(run, tmp_path):
    """The run without a test split and without curves: few pictures take no time."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("metrics.json", "recognizer.safetensors"):
        shutil.copy(run / name, folder)
    return folder


def test_stress_is_shown_where_it_was_measured(bare, tmp_path):
    folder = bare
    assert "Noise, rooms" not in write_report(folder, tmp_path / "a.html").read_text()
    (folder / "stress.json").write_text(json.dumps({"rows": STRESS}))
    result = speech_rnn("report", folder, cwd=tmp_path, module=True)
    assert result.returncode == 0, result.stderr
    assert "ratio (dB): 10: 95.0 %, 0: 80.0 %" in (folder / "report.html").read_text()
    kinds = [row | {"kind": kind} for kind in ("babble", "hum") for row in STRESS]
    (folder / "stress.json").write_text(json.dumps({"rows": kinds}))
    page = write_report(folder).read_text()
    assert page.index("under babble: signal") < page.index("under hum: signal")


def test_detection_is_shown_if_it_was_measured(bare, tmp_path):
    folder = bare
    assert "Listening" not in write_report(folder, tmp_path / "a.html").read_text()
    hits = {0.1: (100, 40), 0.5: (97, 3), 0.9: (80, 0)}
    curve = [
        DetPoint(threshold, {EVIL: Detections(100, n_hits, n_false, 10.0)})
        for threshold, (n_hits, n_false) in hits.items()
    ]
    found = DetectionReport(
        Spotting(),
        0.5,
        curve[1].per_word,
        *(Quantiles.of([0.1, 0.2, 0.3]) for _ in range(3)),
        tuple(curve),
    )
    (folder / "detection.json").write_text(json.dumps(found.to_dict()))
    page = write_report(folder).read_text()
    assert_alone_and_inert(page)
    assert "Detection in hours of sound" in page
    assert "3 false accepts in 10.00 hours (95 % interval 0.06 to 0.88 an hour)" in page
    assert "A word is reported 200 ms after its end (median;" in page
    assert 'aria-label="Misses over false accepts: 3.0 % missed at 0.30' in page
    nothing = DetPoint(0.5, {"low": Detections(0, 0, 0, 0.5)})  # no word was said
    bare = replace(found, per_word=nothing.per_word, latency=None, curve=(nothing,))
    (folder / "detection.json").write_text(json.dumps(bare.to_dict()))
    assert "0 false accepts in 0.50 hours" in write_report(folder).read_text()


EVIL = """"><script>alert('$x^2$ {{ 7*7 }}')</script>"""


def composed(folder):
    """A composed utterance, a stretch of a file, silence, and a file that has gone since."""
    tones = write_corpus(folder / "tones", clips=(1, 1, 1)).parent
    low, high = (str(tones / f"{word}_test_0.wav") for word in ("low", "high"))
    parts = (Part(low, "low", 0.1, 0.0, 0.2), Part(high, EVIL, 0.5, 0.0, 0.2, 0.5))
    joined = Composition(parts, noise_snr_db=20.0)
    return [
        Utterance("test/0", f"low {EVIL}", EVIL, duration_seconds=0.9, composition=joined),
        Utterance(high, "high low high low", "two", start_seconds=0.05, duration_seconds=0.1),
        Utterance(low, "_silence_", gain=0.0),
        Utterance(str(tones / "high_train_0.wav"), "middle low"),
    ]


TOLD = ("seed", "commit", "source", "corpus_sha256", "epochs", "command", "config", "speech_rnn")


@pytest.fixture
def sequences(tmp_path):
    """A run of sequences, by a model that has learnt nothing."""
    folder = tmp_path / "run"
    utterances = composed(tmp_path)
    recognizer = untrained("words", pooling="attention", stack=1)
    evaluation = evaluate(recognizer, utterances)
    evaluation.write(folder)
    recognizer.save(folder / "recognizer.safetensors")
    (folder / "metrics.json").write_text(json.dumps(dict.fromkeys(TOLD, EVIL)))
    return folder


def test_sequences_are_shown_word_above_word(sequences, tmp_path):
    gone = tmp_path / "tones" / "high_train_0.wav"
    gone.unlink()
    page = write_report(sequences, tmp_path / "page.html").read_text()
    rows = [json.loads(line) for line in (sequences / "hypotheses.jsonl").read_text().splitlines()]
    evaluation = RunFolder.load(sequences).evaluation
    assert [row.utterance for row in evaluation.rows] == [
        replace(row, split="test") for row in composed(tmp_path)
    ]
    kept = json.loads((sequences / "evaluation.json").read_text())
    for name in ("accuracy", "word_error_rate", "calibration_error", "rejection"):
        assert evaluation.summary()[name] == kept[name], name
    assert "word error rate" in page
    assert "<h2>Number of words</h2>" in page
    n_wrong = sum(row["label"] != row["reference"] for row in rows)
    assert page.count('<table class="words">') == n_wrong >= 3
    assert page.count("<audio") == sum(  # what has gone is told without its sound
        row["label"] != row["reference"] and row["file"] != str(gone) for row in rows
    )
    heard = (sequences / "evaluation.json").read_text()
    assert f"{json.loads(heard)['word_error_rate']['reference_length']}; 95" in page
    assert_alone_and_inert(page)
    assert page.count("7*7") >= len(TOLD)


def test_words_are_aligned(sequences):
    run = RunFolder.load(sequences)
    texts = [("one two three four", "two three five four"), ("_silence_", "one")]
    rows = [
        Row(
            Utterance("gone.wav", said),
            said,
            Hypothesis(tuple(Word(word, 0.0, 0.1, 0.5) for word in heard.split()), 0.5),
        )
        for said, heard in texts
    ]
    first, second = mistakes.mistakes(replace(run, evaluation=score(rows)))
    said, heard = first.words
    assert said == [("one", False), ("two", True), ("three", True), ("", False), ("four", True)]
    assert [word for word, _ in heard] == ["", "two", "three", "five", "four"]
    assert second.words == ([("", False)], [("one", False)])


def test_sounds_of_a_page_have_a_limit(sequences, tmp_path, monkeypatch):
    monkeypatch.setattr(mistakes, "MOST_SOUND", 1)
    page = write_report(sequences, tmp_path / "page.html").read_text()
    assert "<audio" not in page
    assert "its sound is left out" in page


@pytest.mark.parametrize("left", [0, 10, -5])
def test_case_f05_half_a_log_of_a_killed_run_is_read(run, tmp_path, left):
    folder = tmp_path / "killed"
    shutil.copytree(run, folder)
    log = folder / "logs/csv/version_0/metrics.csv"
    whole = RunFolder.load(folder).curves
    log.write_bytes(log.read_bytes()[:left])
    found = RunFolder.load(folder).curves
    assert whole
    assert all(curve == whole[name][: len(curve)] for name, curve in found.items())
    assert bool(found) == (left < 0)


def test_a_folder_without_a_run_is_reported(tmp_path, run, bare, monkeypatch, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    result = speech_rnn("report", empty, cwd=tmp_path)
    assert result.returncode == 2
    assert "holds no metrics.json; give the output_dir of a training" in result.stderr
    assert "Traceback" not in result.stderr
    (empty / "metrics.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        write_report(empty)
    with pytest.raises(DataError, match="cannot be written"):
        write_report(bare, tmp_path)
    assert "holds no evaluation of a test split" in write_report(bare).read_text()
    (bare / "hypotheses.jsonl").write_text('{"file": "a.wav"}\n')
    with pytest.raises(DataError, match=r"(?s)hypotheses=.* has wrong rows:.*line 1: lacks 'refer"):
        write_report(bare)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[report\]"):
        write_report(run, tmp_path / "page.html")
    report_on(run)  # as training does, which goes on
    assert capsys.readouterr().out == (
        f"no report: package='matplotlib' is not installed: run  {install_line('report')}\n"
    )


# The page measures itself and tells the page around it, which has a frame as wide as a phone:
# no window of a headless Chromium is narrower than 500.
CHECK = """<script>
let mistakes = 0;
addEventListener("error", () => mistakes += 1, true);
addEventListener("load", () => setTimeout(() => {
  const pictures = [...document.querySelectorAll("svg")];
  const sounds = [...document.querySelectorAll("audio")];
  const loaded = performance.getEntriesByType("resource");
  parent.postMessage(JSON.stringify({
    width: innerWidth,
    overflow: document.scrollingElement.scrollWidth - document.documentElement.clientWidth,
    flat: pictures.filter(p => p.getBoundingClientRect().height < 20).length,
    pictures: pictures.length,
    silent: sounds.filter(s => !(s.duration > 0)).length,
    sounds: sounds.length,
    requests: loaded.filter(r => !r.name.startsWith("data:")).length,
    mistakes,
    ink: getComputedStyle(document.body).color,
    paper: getComputedStyle(document.body).backgroundColor,
  }), "*");
}, 1500));
</script>"""
FRAME = """<!doctype html><meta name="color-scheme" content="light dark">
<iframe src="checked.html" style="width: {width}px; height: {height}px; border: 0"></iframe>
<script>addEventListener("message", told => document.body.dataset.found = told.data)</script>"""


def shown(page, folder, width, height, *flags):
    """Open a page in a real browser and return what it says of itself."""
    (folder / "checked.html").write_text(page.read_text().replace("<head>", f"<head>{CHECK}"))
    (folder / "frame.html").write_text(FRAME.format(width=width, height=height))
    result = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", *flags),
            *("--virtual-time-budget=20000", "--window-size=1400,1000"),
            *("--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"),
            (folder / "frame.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in result.stderr
    found = re.search(r'data-found="([^"]*)"', result.stdout)
    return json.loads(found[1].replace("&quot;", '"'))


def light(colour):
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desk"])
@pytest.mark.parametrize("kind", ["run", "sequences"])
def test_a_browser_shows_it(kind, request, tmp_path, width, height, is_dark):
    folder = request.getfixturevalue(kind)
    page = write_report(folder, tmp_path / "page.html")
    flag = f"--blink-settings=preferredColorScheme={int(not is_dark)}"
    found = shown(page, tmp_path, width, height, flag)
    assert found["width"] == width
    assert found["overflow"] <= 0
    assert found["pictures"] >= 4
    assert found["flat"] == 0
    assert found["sounds"] > 0
    assert found["silent"] == found["requests"] == found["mistakes"] == 0
    assert (light(found["paper"]) < 0.2) == is_dark
    assert abs(light(found["paper"]) - light(found["ink"])) > 0.7
