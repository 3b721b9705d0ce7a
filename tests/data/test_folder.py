import hashlib
import os
import shutil
import sys
from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data.combining import exclude
from speech_rnn.data.corpus import SPLITS
from speech_rnn.data.folder import Folder
from speech_rnn.data.manifest import read_manifest, write_manifest
from speech_rnn.data.splits import hash_percentage
from speech_rnn.data.word_folders import folder_of
from speech_rnn.errors import ConfigurationError, DataError
from tests.real import SHARED, needs_shared

WORDS = ("go", "lights_on", "stop")
LATIN = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="the file system takes Unicode names alone"
)


def make(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "corpus"
    make(folder, [f"{word}/speaker{i % 20}_{i}.wav" for word in WORDS for i in range(60)])
    return folder


def splits(corpus, root):
    prefix = len(str(root)) + 1
    return {row.audio[prefix:]: row.split for row in corpus.utterances}


def test_folders_are_words_and_background_is_noise(root):
    make(root, ["_background_noise_/hum.wav", ".git/x.wav", "go/._a.wav", "go/notes.txt"])
    make(root, [f"_silence_/{i}.FLAC" for i in range(40)])
    make(root, [f"go/more/deep/{i}.ogg" for i in range(3)])
    corpus = Folder(root=str(root)).prepare()
    assert corpus.words == ("_silence_", "go", "lights on", "stop")
    counts = Counter(row.text for row in corpus.utterances)
    assert counts == {"_silence_": 40, "go": 63, "lights on": 60, "stop": 60}
    assert [file.name for file in corpus.noise] == ["hum.wav"]


@pytest.mark.parametrize("words", [["stop", "lights on"], ("stop", "lights_on")])
def test_words_are_chosen_in_their_order(root, words):
    corpus = Folder(root=str(root), words=words).prepare()
    assert corpus.words == ("stop", "lights on")
    assert {row.text for row in corpus.utterances} == {"stop", "lights on"}


def test_hash_is_sha1_of_the_relative_path(root):
    def expected(name):
        share = int(hashlib.sha1(name.encode()).hexdigest(), 16) / 16**40
        return "test" if share < 0.2 else "validation" if share < 0.3 else "train"

    found = splits(Folder(root=str(root)).prepare(), root)
    assert found == {name: expected(name) for name in found}
    assert Counter(found.values()) == {"train": 123, "test": 34, "validation": 23}


def test_split_depends_on_names_alone(root, tmp_path):
    before = splits(Folder(root=str(root)).prepare(), root)
    moved = tmp_path / "elsewhere" / "deep"
    shutil.copytree(root, moved)
    make(moved, [f"extra/{i}.wav" for i in range(60)])
    for i in range(0, 60, 2):
        (moved / f"stop/speaker{i % 20}_{i}.wav").unlink()
    after = splits(Folder(root=str(moved)).prepare(), moved)
    both = before.keys() & after.keys()
    assert len(both) == 150
    assert all(before[name] == after[name] for name in both)
    one = splits(Folder(root=str(root), words=["go"]).prepare(), root)
    assert one.items() <= before.items()


@pytest.mark.parametrize("validation", [5, 20, 60])
def test_test_split_does_not_depend_on_validation(root, validation):
    def test_names(**options):
        found = splits(Folder(root=str(root), **options).prepare(), root)
        return {name for name, split in found.items() if split == "test"}

    assert test_names(validation_percentage=validation) == test_names()


def test_a_share_of_zero_leaves_a_split_empty(root):
    corpus = Folder(root=str(root), test_percentage=0, validation_percentage=0).prepare()
    assert {row.split for row in corpus.utterances} == {"train"}


def test_seed_gives_another_split(root):
    assert Folder(root=str(root)).prepare() != Folder(root=str(root), seed=1).prepare()
    assert Folder(root=str(root), seed=1).prepare() == Folder(root=str(root), seed=1).prepare()


@pytest.mark.slow
@given(st.text(), st.integers(0, 5))
def test_hash_percentage_is_a_percentage(name, seed):
    assert 0 <= hash_percentage(name, seed) <= 100


@pytest.mark.parametrize("split", ["hash", "speaker"])
@pytest.mark.parametrize("pattern", [r"/(speaker\d+)_", r"(x)?/(?P<speaker>[^/]+)_\d+\.wav$"])
def test_no_speaker_crosses_splits(root, split, pattern):
    source = Folder(root=str(root), split=split, speaker_pattern=pattern, seed=1)
    homes = {}
    for row in source.prepare().utterances:
        assert f"/{row.speaker}_" in row.audio
        homes.setdefault(row.speaker, set()).add(row.split)
    assert len(homes) == 20
    assert all(len(home) == 1 for home in homes.values())


@pytest.mark.parametrize(
    "files",
    [("validation_list.txt", "testing_list.txt"), ("validation.txt", "test.txt")],
)
def test_lists(root, files):
    lists = {
        "validation": [f"{word}/speaker1_1.wav" for word in WORDS],
        "test": [f"{word}/speaker2_{i}.wav" for word in WORDS for i in (2, 22)],
    }
    for file, names in zip(files, lists.values(), strict=True):
        (root / file).write_text("\n".join(names) + "\n\n")
    found = splits(Folder(root=str(root), split="lists").prepare(), root)
    for split, names in lists.items():
        assert {name for name in found if found[name] == split} == set(names)
    assert Counter(found.values())["train"] == 180 - 3 - 6


def test_a_training_list_leaves_out_the_rest(root):
    for i, split in enumerate(("train", "validation", "test")):
        names = [f"{word}/speaker{i}_{i}.wav" for word in WORDS]
        # As Windows and find(1) write paths, and an editor that begins a file with a mark.
        lines = [names[0].replace("/", "\\"), f"./{names[1]}", names[2]]
        (root / f"{split}.txt").write_text("\r\n".join(lines), encoding="utf-8-sig")
    found = splits(Folder(root=str(root), split="lists").prepare(), root)
    assert Counter(found.values()) == {"train": 3, "validation": 3, "test": 3}


def test_lists_may_name_words_that_are_not_asked_for(root):
    (root / "test.txt").write_text("go/speaker1_1.wav\nstop/speaker1_1.wav\n")
    corpus = Folder(root=str(root), words=["go"], split="lists").prepare()
    assert len(corpus.split("test")) == 1
    assert {row.text for row in corpus.utterances} == {"go"}


def test_decomposed_names_are_the_same_names(tmp_path):
    # é as one letter, and as e with an accent, as some file systems store it.
    for name, letter in (("composed", "\u00e9"), ("decomposed", "e\u0301")):
        make(tmp_path / name, [f"caf{letter}/{letter}{i}.wav" for i in range(60)])
    one, other = (Folder(root=str(tmp_path / d)).prepare() for d in ("composed", "decomposed"))
    assert one.words == other.words == ("caf\u00e9",)
    assert [row.split for row in one.utterances] == [row.split for row in other.utterances]


def test_noise_is_chosen(root, tmp_path):
    make(tmp_path, ["noises/b.wav", "noises/a.flac", "one.wav", "noises/readme.md"])
    noise = [str(tmp_path / "noises"), str(tmp_path / "one.wav")]
    corpus = Folder(root=str(root), noise=noise).prepare()
    assert [file.name for file in corpus.noise] == ["a.flac", "b.wav", "one.wav"]
    corpus = Folder(root=str(root), noise=noise[0]).prepare()
    assert [file.name for file in corpus.noise] == ["a.flac", "b.wav"]
    assert Folder(root=str(root)).prepare().noise == ()
    with pytest.raises(DataError, match=r"noise='.*nowhere' is neither a sound file nor a folder"):
        Folder(root=str(root), noise=[str(tmp_path / "nowhere")]).prepare()


@LATIN
def test_case_04_a_clip_whose_name_is_no_utf_8_is_one_like_others(root, tmp_path):
    names = [root / "go" / os.fsdecode(f"caf\xe9_{i}.wav".encode("latin-1")) for i in range(60)]
    for name in names:
        name.touch()
    corpus = Folder(root=str(root)).prepare()
    found = {row.audio: row.split for row in corpus.utterances}
    assert {found[str(name)] for name in names} == {"train", "validation", "test"}
    content = f"go/{names[0].name}".encode(errors="surrogateescape")
    share = int(hashlib.sha1(content).hexdigest(), 16) * 100 / 2**160
    assert hash_percentage(f"go/{names[0].name}") == share
    assert len(corpus.fingerprint()) == 64
    for ending in ("csv", "jsonl"):  # an audit's table takes it out again
        write_manifest(tmp_path / f"some.{ending}", corpus.utterances[:9])
        left = exclude(corpus, tmp_path / f"some.{ending}").utterances
        assert left == corpus.utterances[9:]
    write_manifest(tmp_path / "all.jsonl", corpus.utterances)
    assert [row.audio for row in read_manifest(tmp_path / "all.jsonl")] == [*found]


@LATIN
def test_case_04_a_word_must_be_a_text(root):
    (root / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(DataError, match=r"not UTF-8 and cannot be words: caf.; rename"):
        Folder(root=str(root)).prepare()


def test_missing_root(tmp_path):
    with pytest.raises(DataError, match=r"root='.*nowhere' is not a folder"):
        Folder(root=str(tmp_path / "nowhere")).prepare()


def test_root_without_words(tmp_path):
    make(tmp_path, ["_background_noise_/a.wav", ".cache/b.wav", "c.wav"])
    with pytest.raises(DataError, match="holds no folders; it must hold one folder for each word"):
        Folder(root=str(tmp_path)).prepare()


def test_an_underscore_of_a_word_is_two_of_its_folder(tmp_path):
    for word in ("turn_on", "turn on"):
        file = tmp_path / folder_of(word) / "a.wav"
        file.parent.mkdir()
        file.touch()
    shares = {"test_percentage": 0, "validation_percentage": 0}
    assert Folder(str(tmp_path), **shares).prepare().words == ("turn on", "turn_on")
    assert Folder(str(tmp_path), ["turn_on"], **shares).prepare().words == ("turn_on",)


def test_words_without_a_folder_are_named_with_the_nearest(root):
    with pytest.raises(DataError, match=r"'stopp', 'light on'; did you mean 'stop', 'lights on'"):
        Folder(root=str(root), words=["stopp", "go", "light on"]).prepare()


def test_words_without_a_clip_are_named(root):
    make(root, ["left/readme.txt"])
    (root / "right").mkdir()
    with pytest.raises(
        DataError, match=r"has no sound file for left, right; known endings are .*\.wav"
    ):
        Folder(root=str(root)).prepare()


def test_case_12_a_dozen_clips_a_word(tmp_path):
    words = ("go", "left", "no", "right", "yes")
    for n_clips in (3, 4, 8, 12):
        root = tmp_path / str(n_clips)
        make(root, [f"{word}/c_{i}.wav" for word in words for i in range(n_clips)])
        for seed in range(40):
            rows = Folder(str(root), seed=seed).prepare().utterances
            assert {(row.text, row.split) for row in rows} == set(product(words, SPLITS))


def test_case_12_more_clips_move_few_of_the_others(tmp_path):
    make(tmp_path, [f"{word}/c_{i}.wav" for word in ("no", "yes") for i in range(12)])
    before = splits(Folder(str(tmp_path)).prepare(), tmp_path)
    make(tmp_path, [f"yes/more_{i}.wav" for i in range(12)])
    after = splits(Folder(str(tmp_path)).prepare(), tmp_path)
    moved = [name for name in before if before[name] != after[name]]
    assert len(moved) <= 2
    assert all(name.startswith("yes/") for name in moved)


@pytest.mark.parametrize(("n_clips", "found"), [(1, ["train"]), (2, ["test", "train"])])
def test_fewer_clips_than_splits_go_to_training_first(tmp_path, n_clips, found):
    make(tmp_path, [f"{word}/{i}.wav" for word in ("no", "yes") for i in range(n_clips)])
    rows = Folder(str(tmp_path)).prepare().utterances
    assert sorted(row.split for row in rows if row.text == "yes") == found


def test_case_12_three_speakers_are_one_a_split(tmp_path):
    make(tmp_path, [f"{word}/{who}_1.wav" for word in ("no", "yes") for who in ("a", "b", "c")])
    rows = Folder(str(tmp_path), speaker_pattern=r"/(\w)_").prepare().utterances
    assert {row.speaker for row in rows} == {"a", "b", "c"}
    assert len({(row.speaker, row.split) for row in rows}) == len({row.split for row in rows}) == 3


def test_case_13_all_of_a_folder_may_be_the_test(tmp_path):
    make(tmp_path, [f"{word}/{i}.wav" for word in ("no", "yes") for i in range(4)])
    source = Folder(str(tmp_path), test_percentage=100, validation_percentage=0)
    assert {row.split for row in source.prepare().utterances} == {"test"}


def test_case_07_a_root_one_level_too_high(tmp_path):
    make(tmp_path, [f"data/{word}/{i}.wav" for word in ("no", "yes") for i in range(9)])
    make(tmp_path, ["_background_noise_/hum.wav", "__MACOSX/data/._1.wav", "read.me"])
    with pytest.raises(
        DataError,
        match=r"holds one word, 'data', .* of their own \(no, yes\); did you mean root='.*/data'\?",
    ):
        Folder(str(tmp_path)).prepare()
    assert Folder(str(tmp_path / "data")).prepare().words == ("no", "yes")


def test_case_07_a_root_two_levels_too_high(tmp_path):
    make(tmp_path, [f"corpus/data/{word}/1.wav" for word in ("no", "yes")])
    with pytest.raises(DataError, match=r"'corpus', .*\(no, yes\); did you mean root='.*s/data'\?"):
        Folder(str(tmp_path)).prepare()


@pytest.mark.parametrize("names", [("train", "test"), ("Train", "val", "TEST"), ("dev",)])
def test_case_07_folders_of_splits_are_no_words(tmp_path, names):
    make(tmp_path, [f"{name}/{word}/1.wav" for name in names for word in ("no", "yes")])
    with pytest.raises(DataError, match=r"holds folders of splits \(.*\), not of words"):
        Folder(str(tmp_path)).prepare()


def test_case_07_two_folders_of_words_are_reported(tmp_path, caplog):
    make(tmp_path, [f"{name}/{word}/1.wav" for name in ("mine", "hers") for word in ("no", "yes")])
    assert Folder(str(tmp_path)).prepare().words == ("hers", "mine")
    assert (
        "clips of 'hers' and of each other word lie in folders of their own (no, yes)"
        in caplog.text
    )


def test_a_word_may_be_called_like_a_split(tmp_path):
    make(tmp_path, [f"{word}/{i}.wav" for word in ("test", "train") for i in range(9)])
    assert Folder(str(tmp_path)).prepare().words == ("test", "train")


def test_case_22_folders_that_differ_by_a_blank_are_one_word(tmp_path):
    make(
        tmp_path, [f"{name}/{i}.wav" for name in ("go", "go ", "turn on", "turn_on") for i in "ab"]
    )
    corpus = Folder(str(tmp_path)).prepare()
    assert Counter(row.text for row in corpus.utterances) == {"go": 4, "turn on": 4}


def test_case_02_words_that_are_numbers(tmp_path):
    make(tmp_path, [f"{digit}/{i}.wav" for digit in range(3) for i in range(4)])
    assert Folder(str(tmp_path), words=[2, 0]).prepare().words == ("2", "0")


def test_pattern_that_finds_no_speaker_lists_files(root):
    make(root, ["go/someone.wav", "stop/someone.wav"])
    source = Folder(root=str(root), speaker_pattern=r"(speaker\d+)")
    with pytest.raises(DataError, match=r"finds no speaker in go/someone.wav, stop/someone.wav;"):
        source.prepare()
    source = Folder(root=str(root), speaker_pattern=r"(zzz)")
    with pytest.raises(DataError, match=r"finds no speaker in (\S+, ){4}\S+ and 177 more"):
        source.prepare()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speaker_pattern": "(a"}, r"speaker_pattern='\(a' is not a regular expression"),
        ({"speaker_pattern": "a"}, "speaker_pattern='a' must have one group"),
        ({"speaker_pattern": "(a)(b)"}, "must have one group, or one named speaker"),
        ({"split": "speaker"}, "split='speaker' needs speaker_pattern"),
        ({"split": "random"}, "split='random' must be one of hash, speaker, lists"),
        ({"test_percentage": -1}, "test_percentage=-1 .* must be 0 or more"),
        ({"test_percentage": 60, "validation_percentage": 50}, "and 100 at most together"),
        ({"words": []}, r"words=\[\] must name at least one word"),
        ({"words": ["lights on", "lights_on"]}, "must name at least one word"),
        ({"words": [True, "up"]}, "words=.*True.* must be a list of texts; in YAML"),
        ({"words": "go"}, "words='go' must be a list of texts"),
    ],
)
def test_wrong_use(root, options, message):
    with pytest.raises(ConfigurationError, match=message):
        Folder(root=str(root), **options)


def test_wrong_lists(root):
    source = Folder(root=str(root), split="lists")
    with pytest.raises(DataError, match=r"holds none of the lists train.txt, .*testing_list.txt"):
        source.prepare()
    (root / "test.txt").write_text("go/gone.wav\nstop/gone.wav\ngo/speaker1_1.wav\n")
    with pytest.raises(
        DataError, match=r"missing files: go/gone.wav \(test.txt\), stop/gone.wav \(test.txt\)"
    ):
        source.prepare()
    (root / "test.txt").write_text("go/speaker1_1.wav\n")
    (root / "validation.txt").write_text("go/speaker1_1.wav\n")
    with pytest.raises(DataError, match="two lists name the same clips: go/speaker1_1"):
        source.prepare()
    (root / "validation.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"list='.*validation.txt' cannot be read"):
        source.prepare()
    (root / "validation_list.txt").touch()
    with pytest.raises(DataError, match=r"has validation.txt and validation_list.txt; keep one"):
        source.prepare()


@needs_shared
def test_real_keywords():
    corpus = Folder(root=str(SHARED / "keywords")).prepare()
    words = ("alexa", "computer", "jarvis", "smart mirror", "snowboy", "view glass")
    assert corpus.words == words
    assert len(corpus.utterances) == 1710
    assert 0.18 < len(corpus.split("test")) / 1710 < 0.22
