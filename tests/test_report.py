"""The report: what is in it, that it needs no network, and how a browser shows it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from speech_rnn.errors import DataError, MissingExtraError
from speech_rnn.reporting.page import write_report
from tests.commands import speech_rnn
from tests.tones import write_corpus

pytest.importorskip("matplotlib", reason="pictures need the extra [report]")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
SHARES = {10: 0.95, 0: 0.8}
STRESS = [
    {"condition": "snr_db", "value": value, "accuracy": {"accuracy": share, "interval": [0.7, 1]}}
    for value, share in SHARES.items()
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A training that gets some clips wrong, one word with a name that would be markup."""
    folder = tmp_path_factory.mktemp("report")
    manifest = write_corpus(folder / "tones")
    rows = manifest.read_text().replace('"low"', '"<b>low</b>"')
    manifest.write_text(rows)
    arguments = ["data=manifest", f"data.path={manifest}", "features.n_mfcc=13", "augment=none"]
    arguments += ["model.hidden_size=4", "trainer.max_epochs=2", "trainer.batch_size=32"]
    result = speech_rnn("train", *arguments, "output_dir=run", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert f"report: {folder / 'run/report.html'}" in result.stdout
    return folder / "run"


def test_a_training_leaves_its_report(run):
    page = (run / "report.html").read_text()
    figures = json.loads((run / "evaluation.json").read_text())
    share = figures["accuracy"]
    assert f"{100 * share['accuracy']:.2f} %" in page
    assert f"{share['correct']} of {share['total']}" in page
    for heading in ("Training", "Answers", "Speakers", "How sure it is", "Model card", "Command"):
        assert f"<h2>{heading}</h2>" in page
    assert "python -m speech_rnn.train data=manifest" in page
    assert "max_epochs: 2" in page
    assert page.count("<audio") == min(12, share["total"] - share["correct"]) > 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["corpus_sha256"] in page


def test_it_needs_no_network_and_names_are_no_markup(run):
    page = (run / "report.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "<b>low" not in page
    assert "&lt;b&gt;low" in page


def test_stress_is_shown_where_it_was_measured(run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    assert "Under stress" not in write_report(folder, tmp_path / "a.html").read_text()
    (folder / "stress.json").write_text(json.dumps({"rows": STRESS}))
    result = speech_rnn("report", folder, cwd=tmp_path, module=True)
    assert result.returncode == 0, result.stderr
    assert "Under stress" in (folder / "report.html").read_text()


def test_what_is_no_run_is_told(tmp_path, run, monkeypatch):
    result = speech_rnn("report", tmp_path, cwd=tmp_path)
    assert result.returncode == 1
    assert "holds no metrics.json; give the output_dir of a training" in result.stderr
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        write_report(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"speech-rnn\[report\]"):
        write_report(run, tmp_path / "page.html")


CHECK = """<script>
addEventListener("load", () => setTimeout(() => {
  const wide = document.scrollingElement.scrollWidth;
  const pictures = [...document.querySelectorAll("svg")];
  const sounds = [...document.querySelectorAll("audio")];
  const loaded = performance.getEntriesByType("resource");
  document.body.dataset.found = JSON.stringify({
    overflow: wide - innerWidth,
    flat: pictures.filter(p => p.getBoundingClientRect().height < 20).length,
    pictures: pictures.length,
    silent: sounds.filter(s => !(s.duration > 0)).length,
    sounds: sounds.length,
    requests: loaded.filter(r => !r.name.startsWith("data:")).length,
    ink: getComputedStyle(document.body).color,
    paper: getComputedStyle(document.body).backgroundColor,
  });
}, 1500));
</script>"""


def shown(page, folder, width, height, *flags):
    """Open a page in a real browser and return what it says of itself."""
    # A script of ours measures the page as it stands.
    (folder / "checked.html").write_text(page.read_text().replace("</body>", f"{CHECK}</body>"))
    result = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", *flags),
            *("--virtual-time-budget=20000", f"--window-size={width},{height}"),
            *("--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"),
            (folder / "checked.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in result.stderr
    found = re.search(r'data-found="([^"]*)"', result.stdout)
    return json.loads(found[1].replace("&quot;", '"'))


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "height"), [(500, 844), (1280, 900)])
def test_a_browser_shows_it(run, tmp_path, width, height):
    """500 is the narrowest window of a headless Chromium; `max-width` rules hold below 640."""
    page = Path(run / "report.html")
    found = shown(page, tmp_path, width, height)
    assert found["overflow"] <= 0
    assert found["pictures"] >= 4
    assert found["flat"] == 0
    assert found["sounds"] > 0
    assert found["silent"] == 0
    assert found["requests"] == 0


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_it_is_dark_in_the_dark(run, tmp_path):
    def light(colour):
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / (3 * 255)

    for scheme, is_dark in ((0, True), (1, False)):
        flag = f"--blink-settings=preferredColorScheme={scheme}"
        found = shown(run / "report.html", tmp_path, 1280, 900, flag)
        assert (light(found["paper"]) < 0.2) == is_dark
        assert abs(light(found["paper"]) - light(found["ink"])) > 0.7
