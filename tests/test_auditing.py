"""Doubtful labels: folds, ranking and exclusion; and that planted ones are found."""

import csv
import re
from collections import Counter

import pytest

from speech_rnn.auditing import _folds, _planted, _split, audit
from speech_rnn.data.exclusion import exclude
from speech_rnn.data.manifest import Corpus, Manifest, Utterance
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.listening_page import write_page
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared
from tests.test_recognizer import untrained
from tests.tones import TONES_HZ, write_corpus


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return Manifest(str(write_corpus(tmp_path_factory.mktemp("tones"))), tuple(TONES_HZ))


def test_each_clip_is_tested_once_and_labels_are_dealt_evenly(manifest):
    rows = manifest.prepare().utterances
    places = _folds(rows, 4, seed=0)
    assert places == _folds(rows, 4, seed=0) != _folds(rows, 4, seed=1)
    for word in TONES_HZ:
        counts = Counter(place for place, row in zip(places, rows, strict=True) if row.text == word)
        assert max(counts.values()) - min(counts.values()) <= 1
    for fold in range(4):
        split = _split(rows, places, fold, 4)
        sizes = Counter(row.split for row in split)
        assert sizes["test"] == places.count(fold)
        assert 0 < sizes["validation"] < sizes["test"]
        assert {row.text for row in split if row.split == "validation"} <= set(TONES_HZ)


def test_planted_labels_are_wrong_and_as_many_as_asked(manifest):
    corpus = manifest.prepare()
    labels = _planted(corpus.utterances, corpus.words, 0.25, 0)
    wrong = [new != row.text for new, row in zip(labels, corpus.utterances, strict=True)]
    assert sum(wrong) == round(0.25 * len(labels))
    assert set(labels) <= set(corpus.words)


def test_the_margin_ranks(manifest, tmp_path):
    def train(source, folder):
        folder.mkdir(parents=True)
        untrained().save(folder / "recognizer.safetensors")
        return folder / "recognizer.safetensors"

    found = audit(manifest, train, tmp_path, folds=2)
    margins = [doubt.margin for doubt in found.doubts]
    assert margins == sorted(margins)
    assert [doubt.rank for doubt in found.doubts] == list(range(1, 85))
    assert all((doubt.margin < 0) == (doubt.likely != doubt.given) for doubt in found.doubts)
    assert found.recall is None
    found.write(tmp_path)
    kept = exclude(manifest.prepare(), tmp_path / "disputed.csv")
    assert len(kept.utterances) == 84 - len(found.disputed)


@pytest.mark.timeout(300)
def test_planted_labels_are_found_from_the_command_line(manifest, tmp_path):
    arguments = [
        *("data=manifest", f"data.path={manifest.path}", "features.n_mfcc=13", "augment=none"),
        *("model.hidden_size=16", "trainer.max_epochs=8", "trainer.batch_size=8", "folds=2"),
        *("optim.learning_rate=1e-2", "planted_share=0.05", "output_dir=out", "page_clips=5"),
    ]
    result = speech_rnn("audit", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "planted: 4 of 4 wrong labels" in result.stdout
    rows = list(csv.DictReader((tmp_path / "out/ranking.csv").open()))
    assert [row["is_planted"] for row in rows[:4]] == ["True"] * 4
    page = (tmp_path / "out/audit.html").read_text()
    assert page.count("<audio") == 5
    assert not re.search(r"https?://", page)
    left_out = ("exclude=out/disputed.csv", "output_dir=more", "report=false", "+debug=fast")
    trained = speech_rnn("train", *arguments[:2], *left_out, cwd=tmp_path, module=True)
    assert trained.returncode == 0, trained.stderr


def test_labels_are_text_on_the_page(manifest, tmp_path):
    def train(source, folder):
        folder.mkdir(parents=True)
        untrained().save(folder / "recognizer.safetensors")
        return folder / "recognizer.safetensors"

    (doubt, *_) = audit(manifest, train, tmp_path, folds=2).doubts
    evil = type(doubt)(**{**vars(doubt), "given": "<script>alert(1)</script>"})
    write_page([evil], tmp_path / "page.html")
    assert "<script" not in (tmp_path / "page.html").read_text()


def test_what_cannot_be_audited_is_told(manifest, tmp_path):
    with pytest.raises(DataError, match=r"folds=40 are more than the clips of low, middle, high"):
        audit(manifest, None, tmp_path, folds=40)
    with pytest.raises(ConfigurationError, match="folds=1 must be 2 or more"):
        audit(manifest, None, tmp_path, folds=1)
    with pytest.raises(ConfigurationError, match=r"planted_share=1 must lie in \[0, 1\)"):
        audit(manifest, None, tmp_path, planted_share=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("audio,label\na.wav,go\n", "has no column start_seconds"),
        ("audio,start_seconds\na.wav,0\nb.wav,0\n", "2 of 2 clips are not in the corpus"),
        ("audio,start_seconds\na.wav,soon\n", "start_seconds must be a number"),
    ],
)
def test_exclusions_that_do_not_fit_are_told(manifest, content, message, tmp_path):
    (tmp_path / "out.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        exclude(manifest.prepare(), tmp_path / "out.csv")
    with pytest.raises(DataError, match="cannot be read"):
        exclude(manifest.prepare(), tmp_path / "none.csv")


def test_a_stretch_is_excluded_by_its_start(tmp_path):
    rows = tuple(Utterance("a.wav", "go", start_seconds=start) for start in (0.0, 1.5))
    (tmp_path / "out.csv").write_text("audio,start_seconds,why\na.wav,1.5,noise\n")
    assert exclude(Corpus(rows, ("go",)), tmp_path / "out.csv").utterances == rows[:1]


@needs_shared
@pytest.mark.slow
def test_planted_labels_of_real_digits_are_found(tmp_path):
    arguments = [
        *("+recipe=digits", f"data.root={SHARED / 'digits'}", "extra=null", "output_dir=out"),
        *("trainer.max_epochs=5", "model.hidden_size=64", "folds=3", "planted_share=0.05"),
    ]
    result = speech_rnn("audit", *arguments, cwd=tmp_path, timeout=600)
    assert result.returncode == 0, result.stderr
    found = re.search(r"planted: (\d+) of 100 wrong labels", result.stdout)
    assert int(found[1]) >= 80
