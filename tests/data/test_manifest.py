import json
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.manifest import Manifest, read_manifest, write_manifest
from speech_rnn.errors import ConfigurationError, DataError

letters = st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\\")
texts = st.text(letters, min_size=1, max_size=9).map(lambda text: normalize("NFC", text))
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
def test_written_files_are_read_back(tmp_path_factory, utterances, suffix):
    path = tmp_path_factory.mktemp("manifest") / f"rows{suffix}"
    write_manifest(path, utterances)
    assert read_manifest(path) == utterances


@pytest.mark.parametrize("text", ["go\u2028left", "go\x85left", "go\fleft", "go\nleft", "go\rleft"])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_case_21_a_line_separator_inside_a_text_is_a_blank(tmp_path, text, suffix):
    rows = [Utterance("/a.wav", text), Utterance("/b.wav", "stop")]
    write_manifest(tmp_path / f"rows{suffix}", rows)
    assert [row.text for row in read_manifest(tmp_path / f"rows{suffix}")] == ["go left", "stop"]


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
        '{"audio": "a.wav", "text": "yes", "split": "tets"}\n'
        '{"audio": "a.wav", "text": "yes", "start_seconds": "soon"}\n'
        "[]\n"
    )
    with pytest.raises(DataError, match="has wrong rows") as raised:
        read_manifest(path)
    lines = str(raised.value).splitlines()[1:]
    assert [line.split(":")[0].strip() for line in lines] == [f"line {n}" for n in range(2, 8)]
    assert "lacks 'text'" in lines[1]
    assert "unknown columns ['splitt']; did you mean 'split'?" in lines[2]
    assert "split='tets' must be one of train, validation, test" in lines[3]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", None, "cannot be read"),
        ("rows.jsonl", "", "holds no rows"),
        ("rows.txt", "a", r"must end in \.jsonl or \.csv"),
    ],
)
def test_files_that_are_not_manifests(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / name)


def written(path, content):
    path.write_text(content, encoding="utf-8")
    return path


def test_case_02_numbers_are_taken_as_texts(tmp_path):
    values = [1, 0, 2.0, 2.5, "3"]
    lines = [json.dumps({"audio": f"{i}.wav", "text": text}) for i, text in enumerate(values)]
    rows = read_manifest(written(tmp_path / "rows.jsonl", "\n".join(lines)))
    assert [row.text for row in rows] == ["1", "0", "2", "2.5", "3"]
    row = json.dumps({"audio": "a.wav", "text": 7, "speaker": 3})
    assert read_manifest(written(tmp_path / "a.jsonl", row))[0].speaker == "3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("true", "text=true must be a text; words such as yes, no, true and false need quotes"),
        ('["yes"]', r"text=\['yes'\] must be a text"),
        ("{}", r"text=\{\} must be a text"),
        ("null", "text must not be empty"),
        ('" "', "text must not be empty"),
        ("NaN", "text=nan must be a text"),
    ],
)
def test_case_02_values_that_are_not_texts_are_reported_with_their_lines(tmp_path, text, message):
    lines = '{"audio": "a.wav", "text": "go"}\n{"audio": "b.wav", "text": ' + text + "}"
    with pytest.raises(DataError, match=f"line 2: {message}"):
        read_manifest(written(tmp_path / "rows.jsonl", lines))


@pytest.mark.parametrize("words", [[True, False], [None, "go"], [["go"]], "go", ["a", "a "], []])
def test_case_03_words_that_are_no_texts_are_refused(words):
    with pytest.raises(
        ConfigurationError,
        match=r"words=.* must (be a list of texts|name at least one word, and none twice)",
    ):
        Manifest("rows.jsonl", words)


def test_case_22_spaces_and_accents_do_not_change_a_word(tmp_path):
    texts = ["yes", "yes ", " yes", "gr\u00fcn", "gru\u0308n", "go  left", "go\u00a0left"]
    lines = "\n".join(json.dumps({"audio": "a.wav", "text": text}) for text in texts)
    found = Manifest(str(written(tmp_path / "rows.jsonl", lines))).prepare()
    assert found.words == ("go left", "gr\u00fcn", "yes")


CLIPS = [("a.wav", "yes", "train"), ("b.wav", "no", "test")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolons.csv", "audio;text;split\na.wav;yes;train\nb.wav;no;test\n"),
        ("tabs.csv", "audio\ttext\tsplit\na.wav\tyes\ttrain\nb.wav\tno\ttest\n"),
        ("tabs.tsv", "audio\ttext\tsplit\na.wav\tyes\ttrain\nb.wav\tno\ttest\n"),
        ("ending.CSV", "audio,text,split\na.wav,yes,train\nb.wav,no,test\n"),
        ("mark.csv", "\ufeffAudio, Text ,SPLIT\na.wav,yes,train\nb.wav,no,test\n"),
        ("windows.csv", "audio,text,split\r\n.\\a.wav,yes,train\r\n.\\b.wav,no,test\r\n"),
        ("voice.tsv", "client_id\tpath\tsentence\tup_votes\tsplit\n"
                      "x\ta.wav\tyes\t2\ttrain\ny\tb.wav\tno\t2\ttest\n"),
        ("deepspeech.csv", "wav_filename,wav_filesize,transcript,split\n"
                           "a.wav,32044,yes,train\nb.wav,32044,no,test\n"),
        ("metadata.csv", "file_name,transcription,split\na.wav,yes,train\nb.wav,no,test\n"),
        ("array.json", '[{"audio": "a.wav", "text": "yes"},\n\n'
                       '{"audio": "b.wav", "text": "no", "split": "test"}]'),
        ("nemo.json", '{"audio_filepath": "a.wav", "text": "yes", "duration": 1.0, "offset": 0}\n'
                      '{"audio_filepath": "b.wav", "command": "no", "split": "eval"}\n'),
    ],
)  # fmt: skip
def test_case_23_manifests_as_others_write_them(tmp_path, name, content):
    rows = read_manifest(written(tmp_path / name, content))
    found = [(row.audio.removeprefix(f"{tmp_path}/"), row.text, row.split) for row in rows]
    assert found == CLIPS


def test_case_23_a_spreadsheet_in_utf_16(tmp_path):
    content = "audio\ttext\tsplit\na.wav\tgr\u00fcn\tdev\n"
    (tmp_path / "rows.csv").write_text(content, encoding="utf-16")
    (row,) = read_manifest(tmp_path / "rows.csv")
    assert (row.text, row.split) == ("gr\u00fcn", "validation")
    (tmp_path / "rows.csv").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"text is not UTF-8 .*; save it as UTF-8"):
        read_manifest(tmp_path / "rows.csv")


def test_common_voice_has_its_clips_in_a_folder(tmp_path):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.mp3").touch()
    path = written(tmp_path / "dev.tsv", "path\tsentence\na.mp3\tGo!\n")
    assert read_manifest(path)[0].audio == str(tmp_path / "clips/a.mp3")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "sound,words\n" + "a.wav,yes\n" * 50_000,
            "has no column audio, text; its first line must name",
        ),
        ("a.wav,yes,train\n" * 50_000, "name the columns, and reads 'a.wav,yes"),
        ("audio,txt\n" + "a.wav,yes\n" * 50_000, r"unknown columns \['txt'\]; did you mean 'text'"),
        ("audio,text,Text\n" + "a.wav,yes,no\n" * 9, "column 'text' occurs twice"),
    ],
)
def test_case_23_a_wrong_header_is_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as raised:
        read_manifest(written(tmp_path / "rows.csv", content))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_case_23_many_wrong_rows_are_counted(tmp_path):
    path = written(tmp_path / "rows.csv", "audio,text\n" + "a.wav,\n" * 20_000)
    with pytest.raises(DataError) as raised:
        read_manifest(path)
    assert len(str(raised.value).splitlines()) == 12
    assert str(raised.value).endswith("and 19,990 more")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('"gain": NaN', "gain=nan must lie in"),
        ('"gain": "loud"', "gain='loud' must be a number"),
        ('"start_seconds": NaN', "start_seconds=nan must lie in"),
        ('"start_seconds": [1]', r"start_seconds='\[1\]' must be a number"),
        ('"duration_seconds": -1', "duration_seconds=-1 must lie in"),
        ('"duration_seconds": 0', "duration_seconds=0 must lie in"),
        ('"gain": 1' + "0" * 5000, "a number has too many digits"),
        ('"gain": ' + "[" * 100_000, "nested too deep"),
        ('"composition": 3', "composition is wrong"),
        ('"composition": {"parts": [{"audio": "a.wav", "text": "go", "at_seconds": NaN,'
         ' "start_seconds": 0, "duration_seconds": 1}]}', "at_seconds=nan must lie in"),
        ('"composition": {"parts": [{"audio": "a.wav", "text": 1}]}', "composition is wrong"),
        ('"composition": {"parts": []}', "needs a duration of at most"),
    ],
)  # fmt: skip
def test_case_f12_rows_that_cannot_be_right(tmp_path, row, message):
    lines = '{"audio": "a.wav", "text": "go"}\n{"audio": "b.wav", "text": "go", ' + row + "}"
    with pytest.raises(DataError, match=f"has wrong rows:\n  line 2: .*{message}"):
        read_manifest(written(tmp_path / "rows.jsonl", lines))


@pytest.mark.parametrize("audio", ["1", "null", "[]", "true"])
def test_case_f12_audio_is_a_path(tmp_path, audio):
    with pytest.raises(DataError, match=r"line 1: .*must (be the path|not be empty)"):
        read_manifest(written(tmp_path / "rows.jsonl", '{"text": "go", "audio": ' + audio + "}"))


def test_case_f12_a_cell_of_a_book(tmp_path):
    path = written(tmp_path / "rows.csv", f"audio,text\na.wav,{'x' * 200_000}\n")
    with pytest.raises(DataError, match=r"line 2: .*field limit"):
        read_manifest(path)
    path = written(tmp_path / "rows.csv", "audio,text\na.wav,yes,train,x\n")
    with pytest.raises(DataError, match="line 2: has 4 cells, and the header line 2"):
        read_manifest(path)


def test_a_manifest_without_splits_is_split_by_its_paths(tmp_path):
    lines = "".join(f"{word}/{i}.wav,{word}\n" for word in ("yes", "no") for i in range(12))
    corpus = Manifest(str(written(tmp_path / "rows.csv", f"audio,text\n{lines}"))).prepare()
    for split in SPLITS:
        assert {row.text for row in corpus.split(split)} == {"yes", "no"}
    again = Manifest(str(written(tmp_path / "more.csv", f"audio,text\n{lines}yes/99.wav,yes\n")))
    before = {row.audio: row.split for row in corpus.utterances}
    after = {row.audio: row.split for row in again.prepare().utterances}
    assert sum(after[audio] != split for audio, split in before.items()) <= 2


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
