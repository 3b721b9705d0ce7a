import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.manifest import Manifest, read_manifest, write_manifest
from speech_rnn.errors import DataError

texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)
rows = st.builds(
    Utterance,
    audio=texts.map(lambda name: "/" + name.replace("/", "").replace(".", "") + "x.wav"),
    text=texts,
    speaker=texts,
    split=st.sampled_from(SPLITS),
    start_seconds=st.floats(0, 100),
    duration_seconds=st.one_of(st.none(), st.floats(0.1, 100)),
    gain=st.floats(0, 2),
)


@given(st.lists(rows, min_size=1, max_size=5), st.sampled_from([".jsonl", ".csv"]))
def test_what_is_written_is_read(tmp_path_factory, utterances, suffix):
    path = tmp_path_factory.mktemp("manifest") / f"rows{suffix}"
    write_manifest(path, utterances)
    assert read_manifest(path) == utterances


@pytest.mark.parametrize("text", ["go\u2028left", "go\x85left", "go\fleft", "go\nleft", "go\rleft"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_text_keeps_its_line_separators(tmp_path, text, suffix):
    rows = [Utterance("/a.wav", text), Utterance("/b.wav", "stop")]
    write_manifest(tmp_path / f"rows{suffix}", rows)
    assert read_manifest(tmp_path / f"rows{suffix}") == rows


def test_paths_start_at_the_manifest(tmp_path):
    (tmp_path / "rows.csv").write_text("audio,text\nclips/a.wav,yes\n/b.wav,no\n")
    assert [row.audio for row in read_manifest(tmp_path / "rows.csv")] == [
        str(tmp_path / "clips/a.wav"),
        "/b.wav",
    ]


def test_all_wrong_rows_come_at_once(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"audio": "a.wav", "text": "yes"}\n'
        "{oops\n"
        '{"audio": "a.wav"}\n'
        '{"audio": "a.wav", "text": "yes", "splitt": "test"}\n'
        '{"audio": "a.wav", "text": "yes", "split": "dev"}\n'
        '{"audio": "a.wav", "text": "yes", "start_seconds": "soon"}\n'
        "[]\n"
    )
    with pytest.raises(DataError, match="has wrong rows") as raised:
        read_manifest(path)
    lines = str(raised.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"line {n}" for n in range(2, 8)]
    assert "text must not be empty" in lines[1]
    assert "unknown columns ['splitt']" in lines[2]
    assert "split='dev' must be one of train, validation, test" in lines[3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", None, "cannot be read"),
        ("rows.jsonl", "", "holds no rows"),
        ("rows.txt", "a", r"must end in \.jsonl or \.csv"),
    ],
)
def test_manifests_that_are_none(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / name)


def test_a_manifest_is_a_source(tmp_path):
    write_manifest(tmp_path / "rows.jsonl", [Utterance("a.wav", "yes"), Utterance("b.wav", "no")])
    corpus = Manifest(str(tmp_path / "rows.jsonl")).prepare()
    assert corpus.words == ("no", "yes")
    assert len(corpus.split("train")) == 2


def test_words_of_a_text_are_words_for_ctc(tmp_path):
    said = {"train": ["turn left", "go left"], "validation": ["turn"], "test": ["go right now"]}
    rows = [Utterance("a.wav", text, split=split) for split in said for text in said[split]]
    write_manifest(tmp_path / "rows.jsonl", rows)
    corpus = Manifest(str(tmp_path / "rows.jsonl")).prepare()
    assert corpus.vocabulary("words").tokens == ("_blank_", "go", "left", "turn")
    assert corpus.vocabulary("classes").tokens == ("go left", "turn", "turn left")
    assert "w" not in corpus.vocabulary("characters").tokens
    named = Manifest(str(tmp_path / "rows.jsonl"), ("turn left", "go")).prepare()
    assert named.vocabulary("words").tokens == ("_blank_", "turn left", "go")


def test_rows_of_the_test_alone_have_their_own_words(tmp_path):
    write_manifest(tmp_path / "rows.jsonl", [Utterance("a.wav", "go left", split="test")])
    corpus = Manifest(str(tmp_path / "rows.jsonl")).prepare()
    assert corpus.words == ("go left",)


def test_a_fingerprint_is_of_rows_not_of_places():
    first = Corpus((Utterance("/a/yes/1.wav", "yes"),), ("yes",))
    moved = Corpus((Utterance("/b/c/yes/1.wav", "yes"),), ("yes",))
    other = Corpus((Utterance("/a/yes/1.wav", "no"),), ("yes",))
    assert first.fingerprint() == moved.fingerprint() != other.fingerprint()
