"""Speech Commands on a likeness of it: lists, hash rule, both versions, tasks and test sets."""

import hashlib
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import load_audio, write_audio
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import SPLITS
from speech_rnn.data.speech_commands import (
    ARCHIVES,
    COMMANDS,
    URL,
    WORDS,
    SpeechCommands,
    share_of,
    which_set,
)
from speech_rnn.errors import ConfigurationError, DataError
from tests.archives import (
    corpus_files,
    official_test_files,
    serve,
    speakers,
    write_archive,
    write_tree,
)
from tests.real import SHARED, needs_shared

SHORT = {"seconds": 0.01, "noise_seconds": 1.2}
V1_TREE, V2_TREE = "speech_commands_v0.01", "speech_commands_v0.02"
V2_TEST = "speech_commands_test_set_v0.02"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Hold V2, V1 and the official test clips of V2 as unpacked folders."""
    root = tmp_path_factory.mktemp("data")
    write_tree(root / V2_TREE, corpus_files(takes=2, **SHORT))
    write_tree(root / V1_TREE, corpus_files(WORDS[1], **SHORT))
    write_tree(root / V2_TEST, official_test_files(seconds=0.01))
    return root


def corpus(data, **changes):
    return SpeechCommands(str(data), download=False, **changes).prepare()


def counts(corpus, split):
    return Counter(row.text for row in corpus.split(split))


# The hash rule


@pytest.mark.parametrize(
    ("split", "names"),
    [  # lines of the official lists
        ("test", "cat/2aa787cf_nohash_0.wav go/85834399_nohash_0.wav four/b97c9f77_nohash_4.wav"),
        ("test", "bed/0c40e715_nohash_0.wav bird/42beb5eb_nohash_0.wav go/5828dfa2_nohash_1.wav"),
        ("validation", "right/5fadb538_nohash_1.wav house/8b775397_nohash_0.wav"),
        ("validation", "three/fd32732a_nohash_1.wav right/7c1d8533_nohash_5.wav"),
        ("train", "zero/004ae714_nohash_0.wav yes/0132a06d_nohash_4.wav no/0165e0e8_nohash_0.wav"),
    ],
)
def test_the_hash_rule_equals_the_official_lists(split, names):
    assert {which_set(name) for name in names.split()} == {split}


@given(st.from_regex(r"[0-9a-f]{8}", fullmatch=True), st.integers(0, 99), st.integers(0, 99))
def test_a_speaker_never_crosses_sets(speaker, one, other):
    first = which_set(f"yes/{speaker}_nohash_{one}.wav")
    assert first == which_set(f"/some/where/no/{speaker}_nohash_{other}.wav") == which_set(speaker)


def test_the_shares_of_the_hash_rule():
    found = Counter(which_set(f"{number:08x}_nohash_0.wav") for number in range(20_000))
    assert found["validation"] == pytest.approx(2000, rel=0.1)
    assert found["test"] == pytest.approx(2000, rel=0.1)


# All words


@pytest.mark.parametrize(("version", "n_words"), [(1, 30), (2, 35)])
def test_all_words(data, version, n_words):
    found = corpus(data, version=version)
    assert found.words == tuple(sorted(found.words)) == WORDS[version]
    assert len(found.words) == n_words
    takes = version
    for split, n_speakers in (("train", 6), ("validation", 2), ("test", 2)):
        assert counts(found, split) == dict.fromkeys(found.words, takes * n_speakers)
    row = found.utterances[0]
    assert row.audio.startswith(str(data))
    assert Path(row.audio).name == f"{row.speaker}_nohash_0.wav"
    assert (row.start_seconds, row.duration_seconds, row.gain) == (0.0, None, 1.0)
    assert [file.name for file in found.noise] == [
        *("doing_the_dishes.wav", "dude_miaowing.wav", "exercise_bike.wav"),
        *("pink_noise.wav", "white_noise.wav"),  # without running_tap.wav
    ]


def test_lists_and_hash_rule_give_the_same_corpus(data, tmp_path):
    tree = shutil.copytree(data / V1_TREE, tmp_path / V1_TREE)
    (tree / "testing_list.txt").unlink()
    assert corpus(tmp_path, version=1).fingerprint() == corpus(data, version=1).fingerprint()


def test_lists_rule_over_the_hash(data, tmp_path, caplog):
    tree = shutil.copytree(data / V1_TREE, tmp_path / V1_TREE)
    tested = (tree / "testing_list.txt").read_text().splitlines()
    moved = next(name for name in tested if name.startswith("yes/"))
    (tree / "testing_list.txt").write_text("\n".join(name for name in tested if name != moved))
    found = corpus(tmp_path, version=1)
    assert [row.split for row in found.utterances if row.audio.endswith(moved)] == ["train"]
    assert not caplog.records
    (tree / moved).unlink()
    (tree / "testing_list.txt").write_text("\n".join(tested))
    corpus(tmp_path, version=1)
    assert f"lacks 1 clips of its lists, such as {moved.removesuffix('.wav')}" in caplog.text


def test_no_speaker_is_in_two_splits(data):
    found = corpus(data)
    heard = {split: {row.speaker for row in found.split(split)} for split in SPLITS}
    assert not heard["train"] & heard["validation"]
    assert not heard["train"] & heard["test"]
    assert not heard["validation"] & heard["test"]
    assert set.union(*heard.values()) == set(speakers({"train": 6, "validation": 2, "test": 2}))


def test_the_root_may_be_the_tree_itself(data):
    assert corpus(data / V2_TREE) == corpus(data)
    assert corpus(data / V2_TREE, task="12") == corpus(data, task="12")  # test clips beside it


def test_some_words_in_their_order(data):
    found = corpus(data, words=["yes", "backward"])
    assert found.words == ("yes", "backward")
    assert {row.text for row in found.utterances} == {"yes", "backward"}


def test_all_but_some_words_are_unknown(data):
    some = corpus(data, words=("yes", "one"), others_unknown=True)
    every = corpus(data)
    assert some.words == ("yes", "one")
    for split in SPLITS:
        texts = counts(every, split)
        known = {word: texts[word] for word in ("yes", "one")}
        others = sum(texts.values()) - sum(known.values())
        assert counts(some, split) == Counter({**known, "_unknown_": others})
    with pytest.raises(ConfigurationError, match="needs the words that are known"):
        corpus(data, others_unknown=True)


def test_words_that_are_unknown_come_equally_often_in_training(tmp_path):
    members = corpus_files(("yes", "bird", "tree"), takes=4, **SHORT)
    rare = [name for name in members if "/tree/" in name or name.startswith("tree/")]
    write_tree(
        tmp_path / V2_TREE, {name: members[name] for name in members if name not in rare[6:]}
    )
    of_all, some = corpus(tmp_path), corpus(tmp_path, words=("yes",), others_unknown=True)
    clips = counts(of_all, "train")
    assert 0 < clips["tree"] < clips["bird"]
    heard = Counter(
        Path(row.audio).parent.name for row in some.split("train") if row.text == "_unknown_"
    )
    assert heard["tree"] == heard["bird"] == (clips["tree"] + clips["bird"]) // 2
    validation = [row.audio for row in some.split("validation") if row.text == "_unknown_"]
    assert (
        len(set(validation))
        == len(validation)
        == counts(of_all, "validation").total() - counts(of_all, "validation")["yes"]
    )


def test_the_order_does_not_depend_on_the_file_system(data, tmp_path):
    members = corpus_files(takes=2, **SHORT)
    write_tree(tmp_path / V2_TREE, dict(reversed(members.items())))
    assert corpus(tmp_path).fingerprint() == corpus(data).fingerprint()


def test_strange_files_are_passed_over(data, tmp_path):
    tree = shutil.copytree(data / V1_TREE, tmp_path / V1_TREE)
    (tree / "yes" / ".DS_Store").write_bytes(b"")
    (tree / "yes" / "._0132a06d_nohash_0.wav").write_bytes(b"")
    (tree / "yes" / "notes.txt").write_text("")
    (tree / "_something_").mkdir()
    assert corpus(tmp_path, version=1).fingerprint() == corpus(data, version=1).fingerprint()
    (tree / "yes" / "mine.wav").write_bytes(b"")
    [mine] = [row for row in corpus(tmp_path, version=1).utterances if "mine" in row.audio]
    assert (mine.speaker, mine.split) == ("", "train")


# Twelve classes


def test_twelve_classes(data):
    found = corpus(data, task="12")
    assert found.words == ("_silence_", "_unknown_", *COMMANDS)
    for split, n_speakers in (("train", 6), ("validation", 2)):
        known = 10 * 2 * n_speakers
        expected = dict.fromkeys(COMMANDS, 2 * n_speakers)
        expected |= {"_unknown_": known // 10, "_silence_": known // 10}
        assert counts(found, split) == expected
    assert found == corpus(data, task=12)  # as a command line gives it


def test_unknown_words_are_a_seeded_choice_of_all_others(data):
    found = corpus(data, task="12", unknown_percentage=200.0)
    for split, most in (("train", 240), ("validation", 80)):
        unknown = [row for row in found.split(split) if row.text == "_unknown_"]
        assert len({row.audio for row in unknown}) == len(unknown) == most
        said = {Path(row.audio).parent.name for row in unknown}
        assert said <= set(WORDS[2]) - set(COMMANDS)
        assert len(said) > 20
        splits = {which_set(Path(row.audio).name) for row in unknown}
        assert splits == {split}
    everything = corpus(data, task="12", unknown_percentage=1000.0)
    assert counts(everything, "train")["_unknown_"] == 25 * 6 * 2  # there are no more


def test_a_rare_unknown_word_is_not_lost_among_frequent_ones(tmp_path):
    """Of a part of the corpus all clips of a rare word are taken, before more of the others."""
    names = speakers({"train": 40})
    for word in (*COMMANDS, "bed", "cat", "dog"):
        (tmp_path / word).mkdir()
        for speaker in names if word != "dog" else names[:3]:
            (tmp_path / word / f"{speaker}_nohash_0.wav").touch()
    found = SpeechCommands(str(tmp_path), task="12", test_set="A", unknown_percentage=5.0).prepare()
    said = [Path(row.audio).parent.name for row in found.split("train") if row.text == "_unknown_"]
    assert Counter(said)["dog"] == 3
    assert sorted(Counter(said).values()) == [3, 8, 9]


def test_draws_are_the_same_in_every_version_of_python(data, monkeypatch):
    """`Random.random` alone is promised to give the same."""
    found = corpus(data, task="12", test_set="A")
    for name in ("sample", "choice", "randrange"):
        monkeypatch.delattr(Random, name)
    assert corpus(data, task="12", test_set="A") == found


def test_silence_is_crops_of_noise_and_digital_zeros(data):
    found = corpus(data, task="12", silence_percentage=100.0)
    crops = {}
    for split, count in (("train", 120), ("validation", 40)):
        silence = [row for row in found.split(split) if row.text == "_silence_"]
        zeros = [row for row in silence if row.gain == 0]
        crops[split] = [row for row in silence if row.gain > 0]
        assert len(silence) == count
        assert len(zeros) == 0.2 * count
        assert all(row.gain < 1 and row.speaker == "" for row in silence)
        assert all(row.duration_seconds == 1.0 for row in silence)
        assert len({row.gain for row in crops[split]}) == len(crops[split])
    # 1.2 seconds of each noise: a crop starts in the first 0.2, and is always whole.
    starts = [row.start_seconds for row in crops["train"]]
    assert 0 <= min(starts) < 0.02
    assert 0.18 < max(starts) <= 0.2
    for row in crops["train"][:5]:
        kept = {"start_seconds": row.start_seconds, "duration_seconds": row.duration_seconds}
        assert len(load_audio(row.audio, 16000, check=False, **kept)) == 16000
    heard = {Path(row.audio).name for row in crops["train"]}
    assert heard == {file.name for file in found.noise}
    assert {Path(row.audio).name for row in crops["validation"]} == {"running_tap.wav"}


def test_test_set_b_is_the_official_archive(data):
    found = corpus(data, task="12")
    rows = found.split("test")
    assert counts(found, "test") == dict.fromkeys(found.words, 3)
    assert all(V2_TEST in row.audio and row.gain == 1.0 for row in rows)
    assert {row.speaker for row in rows if row.text in COMMANDS} == set(speakers({"test": 3}))
    # bed_3ff840aa_nohash_0.wav.wav is said by 3ff840aa; silence by nobody
    assert {row.speaker for row in rows if row.text == "_unknown_"} <= set(speakers({"test": 3}))
    assert {row.speaker for row in rows if row.text == "_silence_"} == {""}


def test_test_set_a_is_the_split_and_zeros(data):
    found = corpus(data, task="12", test_set="A")
    rows = found.split("test")
    expected = dict.fromkeys(COMMANDS, 4) | {"_unknown_": 4, "_silence_": 4}
    assert Counter(row.text for row in rows) == expected
    assert {row.gain for row in rows if row.text == "_silence_"} == {0.0}
    assert not any(V2_TEST in row.audio for row in rows)
    assert found.split("train") == corpus(data, task="12").split("train")


def test_test_set_a_has_408_of_each_where_the_corpus_is_whole():
    assert share_of(10.0, [None] * 4074) == 408  # 4,074 commands in V2's test split


@pytest.mark.slow
def test_the_seed_decides_in_any_process(data):
    one, same, other = (corpus(data, task="12", seed=seed) for seed in (1, 1, 2))
    assert one == same
    for text in ("_silence_", "_unknown_"):
        for split in ("train", "validation"):
            rows = [{r for r in c.split(split) if r.text == text} for c in (one, other)]
            assert rows[0] != rows[1]
    code = (
        "import sys; from speech_rnn.data.speech_commands import SpeechCommands\n"
        "print(SpeechCommands(sys.argv[1], task='12', seed=1).prepare().fingerprint())"
    )
    command = [sys.executable, "-c", code, data]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == one.fingerprint()


def test_percentages_of_zero_leave_the_classes_out(data):
    changes = {"silence_percentage": 0, "unknown_percentage": 0, "test_set": "A"}
    found = corpus(data, task="12", **changes)
    assert set(counts(found, "train")) == set(counts(found, "test")) == set(COMMANDS)


@needs_shared
def test_the_real_noise_makes_real_silence(data, tmp_path):
    tree = shutil.copytree(data / V2_TREE, tmp_path / V2_TREE)
    shutil.rmtree(tree / "_background_noise_")
    (tree / "_background_noise_").symlink_to(SHARED / "noise")
    found = corpus(tmp_path, task="12", test_set="A")
    row = next(row for row in found.split("train") if row.text == "_silence_" and row.gain > 0)
    sound = load_audio(row.audio, 16000, start_seconds=row.start_seconds, duration_seconds=1.0)
    assert len(sound) == 16000
    assert 0 < abs(sound).max() <= 1


# Archives


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Hold the archives of V2 and its test set, as small as they may be."""
    folder = tmp_path_factory.mktemp("served")
    members = corpus_files(counts={"train": 1, "validation": 1, "test": 1}, **SHORT)
    return (
        folder,
        write_archive(folder / f"{V2_TREE}.tar.gz", members),
        write_archive(folder / f"{V2_TEST}.tar.gz", official_test_files(clips=1, seconds=0.01)),
    )


def remote(server, served, root, **changes):
    _, main, test = served
    return SpeechCommands(
        str(root),
        url=server.url(main.path.name),
        sha256=main.sha256,
        test_url=server.url(test.path.name),
        test_sha256=test.sha256,
        **changes,
    )


def test_the_archives_are_downloaded_through_two_cuts_and_used(served, tmp_path):
    _, main, _ = served
    root = tmp_path / "data"
    cut = main.size // 3
    with serve(served[0], cuts=(cut, cut)) as server:
        found = remote(server, served, root, task="12").prepare()
        assert [asked for _, asked in server.requests] == [
            *(None, f"bytes={cut}-", f"bytes={2 * cut}-"),
            None,
        ]
        assert remote(server, served, root, task="12").prepare() == found
        assert len(server.requests) == 4
    assert counts(found, "test") == dict.fromkeys(found.words, 1)
    assert counts(found, "train")["yes"] == 1
    assert corpus(root).split("train")  # and now without the network


def test_an_archive_placed_by_hand_needs_no_network(served, tmp_path):
    shutil.copy(served[1].path, tmp_path)
    found = SpeechCommands(str(tmp_path), sha256=served[1].sha256, download=False).prepare()
    assert len(found.split("train")) == 35


def test_another_archive_than_the_official_one_needs_its_hash(served, tmp_path):
    with serve(served[0]) as server:
        source = SpeechCommands(
            str(tmp_path), url=server.url(served[1].path.name), task="12", version=1
        )
        with pytest.raises(DataError) as caught:
            source.prepare()
    assert served[1].sha256 in str(caught.value)
    assert "743935421bb51cccdb6bdd152e04c5c70274e935c82119ad7faeec31780d811d" in str(caught.value)
    assert not list(tmp_path.glob("speech*"))


def test_an_archive_of_something_else(tmp_path):
    archive = write_archive(tmp_path / "served" / "a.tar.gz", {"other/a.wav": b""})
    with serve(archive.path.parent) as server:
        source = SpeechCommands(
            str(tmp_path), url=server.url("a.tar.gz"), sha256=archive.sha256, version=1
        )
        with pytest.raises(DataError, match=r"speech_commands_v0\.01' holds none of the folders"):
            source.prepare()


def test_the_defaults_are_the_official_archives():
    assert set(ARCHIVES) == {V1_TREE, V2_TREE, V2_TEST, V2_TEST.replace("2", "1")}
    assert URL.startswith("https://storage.googleapis.com/")
    for archive in ARCHIVES.values():
        assert archive.sha256 is None or len(bytes.fromhex(archive.sha256)) == 32
    assert ARCHIVES[V2_TREE].size == 2_428_923_189


def test_without_a_url_the_official_archive_is_asked_for(tmp_path, monkeypatch):
    asked = []

    def note(url, folder, **options):
        asked.append((url, options))
        raise DataError("noted")

    monkeypatch.setattr("speech_rnn.data.speech_commands.fetch", note)
    with pytest.raises(DataError, match="noted"):
        SpeechCommands(str(tmp_path)).prepare()
    [(url, options)] = asked
    assert url.endswith("/download.tensorflow.org/data/speech_commands_v0.02.tar.gz")
    assert options == {
        "sha256": ARCHIVES[V2_TREE].sha256,
        "size": ARCHIVES[V2_TREE].size,
        "archive": tmp_path / f"{V2_TREE}.tar.gz",
    }


# What may be wrong


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "version=3 must be 1 or 2"),
        ({"task": "35"}, "task='35' must be 'all' or '12'"),
        ({"test_set": "C"}, "test_set='C' must be 'A' or 'B'"),
        ({"silence_percentage": -1}, "silence_percentage=-1 must be 0 or more"),
        ({"unknown_percentage": float("nan")}, "unknown_percentage=nan must be 0 or more"),
        ({"words": ["yes", "jes"]}, r"words=\['jes'\] are not in version=2: choose from backward"),
        ({"words": ["visual"], "version": 1}, r"words=\['visual'\] are not in version=1"),
        ({"words": ["yes"], "task": "12"}, "needs task='all'"),
        ({"words": []}, "must name at least one word"),
    ],
)
def test_wrong_parameters(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        SpeechCommands("data", **changes)


def test_the_error_of_a_missing_corpus_says_how_to_get_it(data, tmp_path):
    with pytest.raises(
        DataError, match=r"does not hold Speech Commands.* set download=true, or place "
    ):
        corpus(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(DataError, match=r"test_set_v0\.01.*, or set test_set=A"):
        corpus(data, task="12", version=1)


def test_a_tree_without_any_word(tmp_path):
    (tmp_path / V2_TREE / "other").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds none of the folders backward, bed"):
        corpus(tmp_path)


def test_a_class_without_a_clip_in_a_split(data, tmp_path, caplog):
    tree = shutil.copytree(data / V2_TREE, tmp_path / V2_TREE)
    shutil.rmtree(tree / "wow")
    for clip in (tree / "yes").iterdir():
        if which_set(clip.name) == "test":
            clip.unlink()
    with pytest.raises(DataError, match="no clip for these words in the train split: wow;"):
        corpus(tmp_path, words=["no", "wow"])
    with caplog.at_level("WARNING"):
        found = corpus(tmp_path)
    assert "no training clip of 1 of 35 words, which are left out: wow" in caplog.text
    assert found.words == tuple(word for word in WORDS[2] if word != "wow")
    assert {row.text for row in found.utterances} == set(found.words)
    assert "yes" not in counts(found, "test")
    corpus(tmp_path, words=["no", "zero"])
    shutil.rmtree(tree / "stop")
    with pytest.raises(DataError, match="no clip for these words in the train split: stop;"):
        corpus(tmp_path, task="12", test_set="A")


def in_flac(tree):
    """Store the clips of a tree as FLAC, those of ``_unknown_`` as ``….wav.flac``."""
    for file in list(tree.rglob("*.wav")):
        name = file.name if file.parent.name == "_unknown_" else file.stem
        write_audio(file.with_name(f"{name}.flac"), load_audio(file, check=False), 16000)
        file.unlink()
    return tree


def places(corpus):
    """Return what a corpus holds, whatever its files end with."""
    return [
        replace(row, audio=f"{Path(row.audio).parent.name}/{Path(row.audio).name.split('.')[0]}")
        for row in corpus.utterances
    ]


@pytest.mark.parametrize("task", ["all", "12"])
@pytest.mark.parametrize("lists", [True, False])
def test_flac_is_read_as_wav(data, tmp_path, task, lists):
    tree = in_flac(shutil.copytree(data / V2_TREE, tmp_path / V2_TREE))
    in_flac(shutil.copytree(data / V2_TEST, tmp_path / V2_TEST))
    if not lists:
        (tree / "testing_list.txt").unlink()
    found = corpus(tmp_path, task=task)
    assert places(found) == places(corpus(data, task=task))
    assert {Path(row.audio).suffix for row in found.utterances} == {".flac"}
    assert [file.name for file in found.noise] == [
        *("doing_the_dishes.flac", "dude_miaowing.flac", "exercise_bike.flac"),
        *("pink_noise.flac", "white_noise.flac"),
    ]


def test_a_duplicate_clip_counts_once(data, tmp_path):
    tree = shutil.copytree(data / V2_TREE, tmp_path / V2_TREE)
    clip = next((tree / "yes").glob("*.wav"))
    shutil.copy(clip, clip.with_suffix(".flac"))
    shutil.copy(clip, clip.with_suffix(".aiff"))
    assert corpus(tmp_path).fingerprint() == corpus(data).fingerprint()


def test_a_part_without_noise_lists_and_test_clips(data, tmp_path, caplog):
    """As a part of the corpus comes: what is there is taken, silence is pink noise."""
    tree = shutil.copytree(data / V2_TREE, tmp_path / V2_TREE)
    shutil.rmtree(tree / "_background_noise_")
    for name in ("testing_list.txt", "validation_list.txt"):
        (tree / name).unlink()
    for clip in tree.rglob("*.wav"):
        if which_set(clip.name) == "test":
            clip.unlink()
    assert not corpus(tmp_path).split("test")
    shutil.copytree(data / V2_TEST, tmp_path / V2_TEST)
    with caplog.at_level("INFO"):
        found = corpus(tmp_path, task="12")
    assert f"the official test set, 36 clips in {tmp_path / V2_TEST}" in caplog.text
    assert found.split("test") == tuple(
        replace(row, audio=row.audio.replace(str(data), str(tmp_path)))
        for row in corpus(data, task="12").split("test")
    )
    silence = [row for row in found.split("train") if row.text == "_silence_"]
    cache = AudioCache(silence, 16000)
    clips = [cache[index] for index in range(len(silence))]
    assert len(clips) == 12
    assert {len(clip) for clip in clips} == {16000}
    assert sum(not clip.any() for clip in clips) == round(0.2 * 12)
    assert len({clip.tobytes() for clip in clips if clip.any()}) == 10


def test_near_silent_clips_are_left_out_of_training_and_validation(data, tmp_path, caplog):
    tree = shutil.copytree(data / V2_TREE, tmp_path / V2_TREE)
    hiss = np.random.default_rng(0).uniform(-1, 1, 400).astype(np.float32)
    silenced = {}
    for split in SPLITS:
        clip = next(clip for clip in (tree / "yes").glob("*.wav") if which_set(clip.name) == split)
        silenced[split] = str(clip)
        write_audio(clip, 0.1 + 0.0028 * hiss, 16000)  # -51 dB, beside an offset
    loud = next(clip for clip in (tree / "no").glob("*.wav") if which_set(clip.name) == "train")
    write_audio(loud, 0.0035 * hiss / abs(hiss).max(), 16000)  # -49.1 dB
    whole = corpus(tmp_path)
    with caplog.at_level("WARNING"):
        found = corpus(tmp_path, drop_silent=True)
    gone = {silenced["train"], silenced["validation"]}
    assert found.utterances == tuple(row for row in whole.utterances if row.audio not in gone)
    assert f"left out 2 of {len(whole.utterances)} clips" in caplog.text


def test_a_tree_of_the_other_version(data):
    with pytest.raises(DataError, match=r"is not version=1: it holds backward, .*; set version=2"):
        corpus(data / V2_TREE, version=1)
    assert corpus(data / V1_TREE, version=2).words == WORDS[1]


def test_silence_needs_noise_of_a_second(data, tmp_path):
    tree = shutil.copytree(data / V2_TREE, tmp_path / V2_TREE)
    write_tree(tree, corpus_files(("yes",), seconds=0.01, noise_seconds=0.5))
    with pytest.raises(DataError, match=r"noise=\['doing_the_dishes\.wav', .* at least one second"):
        corpus(tmp_path, task="12", test_set="A")
    corpus(tmp_path)
    corpus(tmp_path, task="12", test_set="A", silence_percentage=0)


def test_lists_that_are_not_texts(data, tmp_path):
    tree = shutil.copytree(data / V1_TREE, tmp_path / V1_TREE)
    (tree / "testing_list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"list=.* cannot be read"):
        corpus(tmp_path, version=1)


@pytest.mark.slow
def test_the_whole_corpus_is_listed_in_seconds(tmp_path):
    tree = tmp_path / V2_TREE
    names = [
        f"{hashlib.md5(str(i).encode()).hexdigest()[:8]}_nohash_{take}.wav"
        for i in range(1008)
        for take in range(3)
    ]
    for word in WORDS[2]:
        (tree / word).mkdir(parents=True)
        for name in names:
            (tree / word / name).touch()
    start = time.perf_counter()
    found = corpus(tmp_path)
    assert len(found.utterances) == 35 * 3024  # 105,840
    assert time.perf_counter() - start < 5
