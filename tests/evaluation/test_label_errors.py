"""Doubtful labels: folds, ranking and exclusion; and that planted ones are found."""

import base64
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from speech_rnn.audio import load_audio, write_audio
from speech_rnn.data.combining import exclude
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.manifest import Manifest
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.label_errors import Doubt, audit
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting.audit_page import write_page
from speech_rnn.vocabulary import Vocabulary
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared
from tests.test_recognizer import untrained
from tests.tones import TONES_HZ, tone, write_corpus


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return Manifest(str(write_corpus(tmp_path_factory.mktemp("tones"))), tuple(TONES_HZ))


@dataclass(frozen=True)
class Given:
    """A source of a corpus that is there already."""

    corpus: Corpus

    def prepare(self):
        return self.corpus


def untaught(source, folder):
    """Stand for a training: a recogniser that knows nothing."""
    folder.mkdir(parents=True)
    untrained().save(folder / "recognizer.safetensors")
    return folder / "recognizer.safetensors"


def trained_on(manifest, folder, **settings):
    """Return the corpora that an audit trains on, a fold each."""
    corpora = []

    def train(source, place):
        corpora.append(source.prepare())
        return untaught(source, place)

    audit(manifest, train, folder, **settings)
    return corpora


def test_each_clip_is_tested_once_and_labels_are_dealt_evenly(manifest, tmp_path):
    corpora = trained_on(manifest, tmp_path / "a", folds=4)
    assert corpora == trained_on(manifest, tmp_path / "b", folds=4)
    assert corpora != trained_on(manifest, tmp_path / "c", folds=4, seed=1)
    tested = [row.audio for corpus in corpora for row in corpus.split("test")]
    assert sorted(tested) == sorted(row.audio for row in manifest.prepare().utterances)
    for word in TONES_HZ:
        counts = [sum(row.text == word for row in corpus.split("test")) for corpus in corpora]
        assert max(counts) - min(counts) <= 1
    for corpus in corpora:
        sizes = Counter(row.split for row in corpus.utterances)
        assert 0 < sizes["validation"] < sizes["test"] < sizes["train"]


def test_planted_labels_are_wrong_and_as_many_as_asked(manifest, tmp_path):
    right = {row.audio: row.text for row in manifest.prepare().utterances}
    doubts = audit(manifest, untaught, tmp_path, folds=2, planted_share=0.25).doubts
    assert sum(doubt.is_planted for doubt in doubts) == round(0.25 * len(right))
    for doubt in doubts:
        assert (doubt.given != right[doubt.utterance.audio]) == doubt.is_planted
        assert doubt.given in TONES_HZ


def test_the_margin_ranks(manifest, tmp_path):
    found = audit(manifest, untaught, tmp_path, folds=2)
    margins = [doubt.margin for doubt in found.doubts]
    assert margins == sorted(margins)
    assert [doubt.rank for doubt in found.doubts] == list(range(1, 85))
    assert all((doubt.margin < 0) == (doubt.likely != doubt.given) for doubt in found.doubts)
    assert found.recall is None
    found.write(tmp_path)
    kept = exclude(manifest.prepare(), tmp_path / "disputed.csv")
    assert len(kept.utterances) == 84 - len(found.disputed)


@pytest.mark.slow
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
    assert not (tmp_path / "out/disputed.csv").exists()  # it would name right labels' clips
    most = (tmp_path / "out/ranking.csv").read_text().splitlines()[:5]
    (tmp_path / "wrong.csv").write_text("\n".join(most) + "\n")
    left_out = ("exclude=wrong.csv", "output_dir=more", "report=false", "+debug=fast")
    trained = speech_rnn("train", *arguments[:2], *left_out, cwd=tmp_path, module=True)
    assert trained.returncode == 0, trained.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_audit_goes_on_with_its_own_folds_alone(manifest, tmp_path):
    arguments = [
        *("data=manifest", f"data.path={manifest.path}", "features.n_mfcc=13", "augment=none"),
        *("model.hidden_size=4", "trainer.max_epochs=1", "folds=2", "output_dir=out"),
    ]
    first = speech_rnn("audit", *arguments, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    ranking = (tmp_path / "out/ranking.csv").read_bytes()
    more = ("resume=true", "page_clips=3")
    again = speech_rnn("audit", *arguments, *more, cwd=tmp_path, module=True)
    assert again.returncode == 0, again.stderr
    for result, is_trained in ((first, True), (again, False)):
        assert ("epoch" in result.stderr + result.stdout) == is_trained
    assert (tmp_path / "out/ranking.csv").read_bytes() == ranking
    for other in ("planted_share=0.1", "seed=1", "folds=3"):
        refused = speech_rnn("audit", *arguments, "resume=true", other, cwd=tmp_path)
        assert refused.returncode == 2
        assert "the configuration differs" in refused.stderr


def test_a_clip_that_cannot_be_read_is_reported_and_not_ranked(manifest, tmp_path):
    corpus = manifest.prepare()
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    rows = (*corpus.utterances, Utterance(str(tmp_path / "broken.wav"), "low"))
    found = audit(Given(Corpus(rows, corpus.words)), untaught, tmp_path / "out", folds=2)
    assert len(found.doubts) == len(corpus.utterances)
    (failure,) = found.failures
    assert "broken.wav" in failure.error
    assert len(found.to_dict()["failures"]) == 1


def test_texts_outside_of_the_classes_count_as_unknown(manifest, tmp_path):
    rows = manifest.prepare().utterances
    tokens = ("low", "middle", "_unknown_")

    def train(source, folder):
        folder.mkdir(parents=True)
        plain = untrained()
        known = Recognizer.from_modules(plain.features, plain.model, Vocabulary(tokens))
        known.save(folder / "recognizer.safetensors")
        return folder / "recognizer.safetensors"

    foreign = {row.audio for row in rows if row.text == "high"}
    doubts = audit(Given(Corpus(rows, tokens)), train, tmp_path, folds=2).doubts
    for doubt in doubts:
        assert (doubt.given == "_unknown_") == (doubt.utterance.audio in foreign)
        assert (doubt.margin > 0) == (doubt.likely == doubt.given)


def test_excluded_clips_are_not_ranked(manifest, tmp_path):
    first, *others = manifest.prepare().utterances
    (tmp_path / "out.csv").write_text(f"audio,start_seconds\n{first.audio},0\n")
    found = audit(manifest, untaught, tmp_path / "a", folds=2, exclude=tmp_path / "out.csv")
    assert {doubt.utterance.audio for doubt in found.doubts} == {row.audio for row in others}


def test_the_page_plays_the_stretch_at_its_level(tmp_path):
    samples = np.concatenate([tone("low", 0.5), tone("high", 0.25), tone("low", 0.5)])
    write_audio(tmp_path / "long.wav", samples)
    row = Utterance(str(tmp_path / "long.wav"), "high", "", "test", 0.5, 0.25, gain=0.5)
    write_page([Doubt(1, row, "high", "low", -0.5, 0)], tmp_path / "page.html")
    sound = re.search(r"base64,([^\"]+)", (tmp_path / "page.html").read_text())[1]
    heard = load_audio(io.BytesIO(base64.b64decode(sound)), 16_000)
    np.testing.assert_allclose(heard, 0.5 * samples[8_000:12_000], atol=1e-4)


def test_labels_are_text_on_the_page(manifest, tmp_path):
    (doubt, *_) = audit(manifest, untaught, tmp_path, folds=2).doubts
    evil = type(doubt)(**{**vars(doubt), "given": "<script>alert(1)</script>"})
    write_page([evil], tmp_path / "page.html")
    assert "<script" not in (tmp_path / "page.html").read_text()


def test_corpora_that_cannot_be_audited_are_reported(manifest, tmp_path):
    with pytest.raises(
        DataError, match=r"folds=40 are more folds than there are clips of low, middle, high"
    ):
        audit(manifest, None, tmp_path, folds=40)
    with pytest.raises(ConfigurationError, match="folds=1 must be 2 or more"):
        audit(manifest, None, tmp_path, folds=1)
    with pytest.raises(ConfigurationError, match=r"planted_share=1 must lie in \[0, 1\)"):
        audit(manifest, None, tmp_path, planted_share=1)
    lows = Corpus(
        tuple(row for row in manifest.prepare().utterances if row.text == "low"), ("low",)
    )
    for share in (0, 0.1):
        with pytest.raises(DataError, match=r"words=\['low'\] leave no other label; .* two words"):
            audit(Given(lows), None, tmp_path, planted_share=share)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("audio,label\na.wav,go\n", "has no column start_seconds"),
        ("audio,start_seconds\na.wav,0\nb.wav,0\n", "2 of 2 clips are not in the corpus"),
        ("audio,start_seconds\na.wav,soon\n", "start_seconds must be a number"),
    ],
)
def test_exclusions_that_do_not_fit_are_reported(manifest, content, message, tmp_path):
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
@pytest.mark.slow(minutes=3)
def test_planted_labels_of_real_digits_are_found(tmp_path):
    arguments = [
        *("+recipe=digits", f"data.root={SHARED / 'digits'}", "extra=null", "output_dir=out"),
        *("trainer.max_epochs=5", "model.hidden_size=64", "folds=3", "planted_share=0.05"),
    ]
    result = speech_rnn("audit", *arguments, cwd=tmp_path, timeout=600)
    assert result.returncode == 0, result.stderr
    found = re.search(r"planted: (\d+) of 100 wrong labels", result.stdout)
    assert int(found[1]) >= 80
