from collections import Counter

import pytest

from speech_rnn.data.free_spoken_digits import DIGITS, FreeSpokenDigits
from speech_rnn.errors import ConfigurationError, DataError
from tests.real import SHARED, needs_shared

SPEAKERS = ("george", "jackson", "nicolas")


@pytest.fixture
def root(tmp_path):
    for digit in range(10):
        for speaker in SPEAKERS:
            for index in range(12):
                (tmp_path / f"{digit}_{speaker}_{index}.wav").touch()
    (tmp_path / "README.md").touch()
    (tmp_path / "._3_george_7.wav").touch()
    return tmp_path


def of(corpus, split):
    """The (speaker, index) pairs of a split."""
    rows = corpus.split(split)
    return {(row.speaker, int(row.audio.rpartition("_")[2].split(".")[0])) for row in rows}


def test_own_split(root):
    corpus = FreeSpokenDigits(root=str(root)).prepare()
    assert corpus.words == DIGITS
    assert len(corpus.utterances) == 10 * 3 * 12
    for split, indices in {"test": range(5), "validation": range(5, 10), "train": (10, 11)}.items():
        assert of(corpus, split) == {(name, index) for name in SPEAKERS for index in indices}
        assert set(Counter(row.text for row in corpus.split(split)).values()) == {3 * len(indices)}
    for row in corpus.utterances:
        assert row.text == DIGITS[int(row.audio.rpartition("/")[2][0])]


@pytest.mark.parametrize("held_out", ["george", ["george"], ("george", "nicolas")])
def test_held_out_speakers_alone_are_the_test(root, held_out):
    names = {held_out} if isinstance(held_out, str) else set(held_out)
    corpus = FreeSpokenDigits(root=str(root), held_out_speakers=held_out).prepare()
    others = set(SPEAKERS) - names
    assert of(corpus, "test") == {(name, index) for name in names for index in range(12)}
    assert of(corpus, "validation") == {(name, i) for name in others for i in range(5, 10)}
    assert of(corpus, "train") == {(name, i) for name in others for i in (0, 1, 2, 3, 4, 10, 11)}
    assert len(corpus.utterances) == 360


def test_files_may_be_in_recordings(root):
    expected = FreeSpokenDigits(root=str(root)).prepare()
    (root / "recordings").mkdir()
    for file in [*root.glob("*.wav")]:
        file.rename(root / "recordings" / file.name)
    corpus = FreeSpokenDigits(root=str(root)).prepare()
    assert [row.text for row in corpus.utterances] == [row.text for row in expected.utterances]
    assert "recordings" in corpus.utterances[0].audio


def test_validation_indices_are_chosen(root):
    corpus = FreeSpokenDigits(root=str(root), validation_indices=[11]).prepare()
    assert {index for _, index in of(corpus, "validation")} == {11}
    assert {index for _, index in of(corpus, "train")} == {5, 6, 7, 8, 9, 10}


def test_unknown_speakers_are_named_with_the_nearest(root):
    source = FreeSpokenDigits(root=str(root), held_out_speakers=["goerge", "nicolas", "jack"])
    with pytest.raises(DataError, match=r"'goerge', 'jack'\] did .* mean 'george', 'jackson'"):
        source.prepare()


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_absent_corpus_says_where_it_comes_from(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"clone https://github.com/Jakobovski/free-spoken-digit"):
        FreeSpokenDigits(root=str(tmp_path / name)).prepare()


def test_a_digit_that_lacks_a_split_is_named(root):
    for speaker in SPEAKERS:
        for index in range(5):
            (root / f"3_{speaker}_{index}.wav").unlink()
    with pytest.raises(DataError, match="in the test split: three;"):
        FreeSpokenDigits(root=str(root)).prepare()


def test_holding_out_everybody_leaves_only_a_test_split(root):
    corpus = FreeSpokenDigits(root=str(root), held_out_speakers=SPEAKERS).prepare()
    assert {row.split for row in corpus.utterances} == {"test"}


def test_validation_must_not_be_the_test(root):
    with pytest.raises(ConfigurationError, match=r"validation_indices=\[4, 5\] must be above 4"):
        FreeSpokenDigits(root=str(root), validation_indices=(4, 5))
    with pytest.raises(ConfigurationError, match=r"validation_indices=\[\] must name"):
        FreeSpokenDigits(root=str(root), validation_indices=())


@needs_shared
def test_real_set():
    corpus = FreeSpokenDigits(root=str(SHARED / "digits")).prepare()
    sizes = {split: len(corpus.split(split)) for split in ("train", "validation", "test")}
    assert sizes == {"train": 1600, "validation": 200, "test": 200}
    held_out = FreeSpokenDigits(root=str(SHARED / "digits"), held_out_speakers="nicolas").prepare()
    sizes = {split: len(held_out.split(split)) for split in ("train", "validation", "test")}
    assert sizes == {"train": 1350, "validation": 150, "test": 500}


@needs_shared
def test_a_few_training_clips_are_of_all_speakers_in_turn():
    corpus = FreeSpokenDigits(str(SHARED / "digits"), ["george"], train_clips=5).prepare()
    rows = [row for row in corpus.split("train") if row.text == "seven"]
    assert len(corpus.split("train")) == 50
    assert sorted(row.speaker for row in rows) == ["jackson"] * 2 + ["nicolas"] * 2 + ["yweweler"]
    assert len(corpus.split("validation")) == 150
    assert len(corpus.split("test")) == 500
    with pytest.raises(ConfigurationError, match="train_clips=0 must be 1 or more"):
        FreeSpokenDigits("x", train_clips=0)
