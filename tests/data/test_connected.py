"""Words joined into utterances: what is drawn, what is heard, and that a model learns from it."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from speech_rnn.audio import write_audio
from speech_rnn.data.batching import batches
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.connected import Connected, ConnectedClips
from speech_rnn.data.corpus import Composition, Part, Utterance
from speech_rnn.data.manifest import Manifest, read_manifest, write_manifest
from speech_rnn.data.mixing import compose, pink_noise, spoken, trim
from speech_rnn.data.negatives import Negatives
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.samples.integers import FULL_SCALE
from speech_rnn.training import step_targets
from speech_rnn.vocabulary import SILENCE, UNKNOWN, Vocabulary
from tests.commands import speech_rnn
from tests.tones import TONES_HZ, tone, write_corpus
from tests.training.small import SMALL

SPLITS = {"validation_utterances": 5, "test_utterances": 20, "train_utterances": 30}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def corpus(manifest):
    return Manifest(str(manifest), tuple(TONES_HZ)).prepare()


def clips_of(corpus, connected):
    cache = AudioCache(corpus.split("train"), 16_000)
    return ConnectedClips(cache, connected, connected.join(corpus))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(0, 3),
    st.tuples(st.integers(-100, 50), st.integers(50, 300)),
    st.integers(0, 50),
)
def test_draws_stay_in_their_ranges(corpus, fewest, more, gap_ms, seed):
    connected = Connected((fewest, fewest + more), gap_ms=gap_ms, seed=seed, **SPLITS)
    joined = connected.join(corpus)
    assert joined.split("train") == corpus.split("train")
    for split in ("validation", "test"):
        rows = joined.split(split)
        assert len(rows) == SPLITS[f"{split}_utterances"]
        allowed = {row.audio: row for row in corpus.split(split)}
        for row in rows:
            parts = row.composition.parts
            assert fewest <= len(parts) <= fewest + more
            assert row.text == " ".join(part.text for part in parts)
            assert {allowed[part.audio].speaker for part in parts} == {row.speaker}
            assert all(allowed[part.audio].text == part.text for part in parts)
            ends = [part.at_seconds + part.duration_seconds for part in parts]
            assert max(ends) < row.duration_seconds
            for end, before, after in zip(ends, parts, parts[1:], strict=False):
                gap = 1000 * (after.at_seconds - end)
                assert gap <= gap_ms[1] + 1e-6
                assert gap >= gap_ms[0] - 1e-6 or after.at_seconds == before.at_seconds


def test_validation_and_test_never_change(corpus):
    one = Connected(**SPLITS).join(corpus)
    again = Connected(**SPLITS).join(corpus)
    assert one == again
    assert one.fingerprint() == again.fingerprint()
    more = Connected(**SPLITS | {"test_utterances": 25}).join(corpus)
    assert more.split("test")[:20] == one.split("test")
    other = Connected(seed=1, **SPLITS).join(corpus)
    assert other.fingerprint() != one.fingerprint()


def test_the_list_is_enough(corpus, tmp_path):
    """Written to a manifest and read again, an utterance is the same to the sample."""
    rows = Connected(**SPLITS).join(corpus).split("test")
    samples = list(AudioCache(rows, 16_000))
    for name in ("rows.jsonl", "rows.csv"):
        write_manifest(tmp_path / name, rows)
        read = read_manifest(tmp_path / name)
        assert [row.composition for row in read] == [row.composition for row in rows]
        for clip, before in zip(AudioCache(read, 16_000), samples, strict=True):
            np.testing.assert_array_equal(clip, before)


def test_a_composition_is_the_sum_of_its_parts(tmp_path):
    write_audio(tmp_path / "one.wav", np.full(1600, 0.25, np.float32), 16_000)
    parts = (
        Part("one.wav", "low", 0.05, 0.0, 0.1, 1.0),
        Part("one.wav", "low", 0.13, 0.02, 0.05, 0.5),
    )
    row = Utterance("x", "low low", duration_seconds=0.2, composition=Composition(parts))
    waveform = compose(row, 16_000, lambda part: np.full(1600, 0.25, np.float32))
    assert len(waveform) == 3200
    assert not waveform[:800].any()
    np.testing.assert_allclose(waveform[1000:2000], 0.25)
    np.testing.assert_allclose(waveform[2300:2310], 0.125 + 0.25)  # both, behind the ramps' ends
    # The second file's stretch is cut to its 50 ms.
    assert not waveform[2881:].any()


@given(st.floats(-10, 40), st.sampled_from([1600, 16_000]))
def test_the_noise_has_the_given_snr(snr_db, n_samples):
    word = np.sin(np.arange(n_samples) / 5).astype(np.float32) * 0.1
    seconds = n_samples / 16_000
    parts = (Part("a", "low", 0.0, 0.0, seconds, 1.0),)

    def samples(snr):
        composition = Composition(parts, noise_snr_db=snr)
        row = Utterance("x", "low", duration_seconds=seconds, composition=composition)
        return compose(row, 16_000, lambda part: word).astype(np.float64)

    clean, noisy = samples(None), samples(snr_db)
    scale = np.dot(noisy, clean) / np.dot(clean, clean)  # loud noise turns the whole down
    noise = noisy / scale - clean if snr_db > 0 else noisy - clean
    measured = 10 * np.log10(np.mean(clean**2) / np.mean(noise**2))
    if np.abs(noisy).max() < 0.99 and snr_db > 15:
        assert measured == pytest.approx(snr_db, abs=1)


def test_pink_noise_falls_by_three_decibels_an_octave():
    power = np.abs(np.fft.rfft(pink_noise(2**16, seed=1))) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].mean() for k in range(6, 14)]
    falls = 10 * np.log10(np.array(octaves[:-1]) / octaves[1:])
    assert falls.mean() == pytest.approx(3, abs=0.3)
    np.testing.assert_array_equal(pink_noise(100, 2), pink_noise(100, 2))


@given(st.integers(0, 8000), st.integers(1600, 8000), st.integers(0, 8000))
def test_trimming_finds_the_word(lead, size, trail):
    word = tone("middle", size / 16_000)
    samples = np.pad(word, (lead, trail))
    samples += np.random.default_rng(0).normal(0, 1e-5, len(samples)).astype(np.float32)
    start, stop = trim(samples, 16_000, 35.0)
    assert lead - 500 <= start <= lead
    assert lead + size - 200 <= stop <= lead + size + 700
    assert trim(samples[:100], 16_000, 35.0) == (0, 100)


@given(
    st.integers(8000, 16_000), st.integers(3200, 8000), st.integers(8000, 16_000),
    st.sampled_from([-30.0, -40.0, -60.0]), st.integers(0, 8000),
)  # fmt: skip
def test_in_a_loud_room_the_word_is_found(lead, size, trail, room_db, cut):
    """Beside it the room may be heard, a click, and nothing at all: a file that was padded."""
    word = tone("middle", size / 16_000)
    room = pink_noise(lead + size + trail, seed=1)
    samples = np.pad(word, (lead, trail)) + room * np.float32(
        np.sqrt(np.mean(word**2)) * 10 ** (room_db / 20) / np.sqrt(np.mean(room**2))
    )
    samples[:400] += 2 * np.abs(word).max()  # 0.5 s before it and more
    samples = np.pad(samples, (0, cut))
    start, stop = spoken(samples, 16_000, 12.0)
    assert lead - 700 <= start <= lead + 200
    assert lead + size - 200 <= stop <= lead + size + 900
    assert spoken(samples[:100], 16_000, 12.0) == (0, 100)


def test_a_close_cut_loses_little_of_a_word():
    word = tone("middle", 0.4)
    start, stop = spoken(word, 16_000, 12.0)
    assert start <= 800
    assert stop >= len(word) - 800


def test_epochs_differ_and_repeat(corpus):
    connected = Connected((2, 6), curriculum_epochs=4, **SPLITS)
    clips = clips_of(corpus, connected)
    seen = {}
    for epoch in (0, 1, 5, 1):
        clips.set_epoch(epoch)
        assert [len(clips[index]) for index in range(len(clips))] == clips.n_samples.tolist()
        if epoch in seen:
            assert seen[epoch] == clips.utterances
        seen[epoch] = clips.utterances
        longest = max(len(row.composition.parts) for row in clips.utterances)
        assert longest <= min(6, max(2, -(-6 * (epoch + 1) // 4)))
    assert seen[0] != seen[1] != seen[5]


def test_training_samples_match_their_rows(corpus):
    """What is composed in memory equals what is read from the files of the same row."""
    connected = Connected((3, 3), noise_snr_db=None, **SPLITS)
    clips = clips_of(corpus, connected)
    files = AudioCache(clips.utterances[:5], 16_000)
    for index in range(5):
        difference = np.abs(clips[index].astype(int) - files[index])
        assert difference.max() <= 2  # of 16 bits, rounded once more


@pytest.mark.parametrize("seconds", [0.4, 5.0, 29.0, 60.0])
def test_noise_of_any_length_lies_beneath_to_the_end(corpus, tmp_path, seconds):
    noise = tmp_path / "noise.wav"
    write_audio(noise, pink_noise(round(16_000 * seconds), 0) / 100, 16_000)
    joined = Connected(**SPLITS).join(replace(corpus, noise=(noise,)))
    rows = joined.split("validation") + joined.split("test")
    assert AudioCache(rows, 16_000).failures == {}
    for row in rows:
        start = row.composition.noise_seconds
        assert start == 0 or 0 < start <= min(30, seconds - row.duration_seconds)


@pytest.mark.filterwarnings("ignore:.*DC offset")
def test_recorded_noise_lies_beneath(corpus, tmp_path):
    noise = tmp_path / "hum.wav"
    write_audio(noise, np.full(16_000 * 32, 0.5, np.float32), 16_000)
    noisy = Manifest(str(tmp_path / "x"), noise=(str(noise),))
    with_noise = type(corpus)(corpus.utterances, corpus.words, tuple(map(type(noise), noisy.noise)))
    connected = Connected((1, 2), edge_ms=(50, 90), noise_snr_db=(0, 0), **SPLITS)
    clips = clips_of(with_noise, connected)
    edge = clips[0][:400] / FULL_SCALE
    assert edge.std() < 1e-3
    assert edge.mean() > 0.02
    row = connected.join(with_noise).split("test")[0]
    assert row.composition.noise == str(noise)


def test_batches_have_the_times_of_words(corpus):
    connected = Connected((2, 4), gap_ms=(50, 100), noise_snr_db=None, **SPLITS)
    clips = clips_of(corpus, connected)
    vocabulary = Vocabulary.of(corpus.words, "words")
    for batch in batches(clips, vocabulary, 8, seed=0):
        for clip, spans, n_words in zip(
            batch.waveform, batch.spans, batch.target_lengths, strict=True
        ):
            quiet = torch.ones(len(clip), dtype=torch.bool)
            for start, stop in spans[:n_words].round().int().tolist():
                assert clip[start + 500 : stop - 500].abs().mean() > 0.02
                quiet[start:stop] = False
            assert not clip[quiet].any()
    characters = next(iter(batches(clips, Vocabulary.of(corpus.words, "characters"), 8)))
    assert characters.spans is None


def test_step_targets_by_hand():
    nothing = [-torch.inf, -torch.inf]
    spans = torch.tensor([[[20.0, 50.0], [48.0, 80.0]], [[10.0, 30.0], nothing]])
    targets = torch.tensor([[2, 2], [1, 0]])
    steps = step_targets(spans, targets, torch.tensor([10, 5]), step=10)
    no = -100
    assert steps.tolist() == [
        [0, no, no, 0, 0, 0, 2, no, no, 0],
        [no, no, no, no, 0, no, no, no, no, no],
    ]


def test_step_targets_without_words():
    nobody = torch.zeros(2, 0, dtype=torch.int64)
    steps = step_targets(torch.zeros(2, 0, 2), nobody, torch.tensor([3, 2]), step=10)
    assert steps.tolist() == [[0, 0, 0], [0, 0, -100]]
    log_probs = torch.randn(3, 2, 4, requires_grad=True).log_softmax(dim=-1)
    lengths = torch.tensor([3, 2])
    loss = F.ctc_loss(
        log_probs, nobody, lengths, torch.zeros(2, dtype=torch.int64), reduction="sum"
    )
    torch.testing.assert_close(loss, -log_probs[:, 0, 0].sum() - log_probs[:2, 1, 0].sum())


def test_words_are_repeated_in_training_alone(corpus):
    often = Connected((4, 4), repeat_share=0.9, curriculum_epochs=0, **SPLITS)
    plain = Connected((4, 4), curriculum_epochs=0, **SPLITS)
    assert often.join(corpus) == plain.join(corpus)

    def share(connected):
        texts = [row.text.split() for row in clips_of(corpus, connected).utterances]
        pairs = [one == other for words in texts for one, other in itertools.pairwise(words)]
        return sum(pairs) / len(pairs)

    assert share(often) > 0.8
    assert share(plain) < 0.6


def test_sentences_are_joined_in_their_order(corpus, tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("low high\n\nmiddle middle  low\n")
    connected = Connected(sentences=str(path), **SPLITS)
    texts = {row.text for row in connected.join(corpus).split("test")}
    assert texts == {"low high", "middle middle low"}
    assert {row.text for row in clips_of(corpus, connected).utterances} == texts


def test_a_corpus_of_phrases_keeps_them_whole(tmp_path):
    rows = []
    for word in ("smart mirror", "go"):
        path = tmp_path / f"{word}.wav"
        write_audio(path, tone("low"), 16_000)
        rows += [Utterance(str(path), word, "anna", split) for split in ("train", "test")]
    write_manifest(tmp_path / "rows.jsonl", rows)
    (tmp_path / "said.txt").write_text("go smart mirror\n")
    corpus = Manifest(str(tmp_path / "rows.jsonl")).prepare()
    (row, *_) = Connected(sentences=str(tmp_path / "said.txt"), **SPLITS).join(corpus).split("test")
    assert [part.text for part in row.composition.parts] == ["go", "smart mirror"]


@pytest.fixture(scope="module")
def chatter(corpus):
    """The corpus with one of its words turned into what is none of them."""
    rows = [
        replace(row, text=UNKNOWN if row.text == "high" else row.text) for row in corpus.utterances
    ]
    return replace(corpus, utterances=tuple(rows), words=(UNKNOWN, "low", "middle"))


def test_chatter_is_between_the_words_and_no_word(chatter):
    connected = Connected(
        (0, 3),
        chatter_share=0.5,
        curriculum_epochs=0,
        noise_snr_db=None,
        **SPLITS | {"test_utterances": 300},
    )
    rows = connected.join(chatter).split("test")
    unknown = {row.audio for row in chatter.split("test") if row.text == UNKNOWN}
    for row in rows:
        parts = row.composition.parts
        assert row.text.split() == [part.text for part in row.composition.words]
        assert {part.audio for part in parts if not part.text} <= unknown
        assert not unknown & {part.audio for part in row.composition.words}
        assert parts, "without words there is chatter"
    texts = [row.text.split() for row in rows]
    assert sum(not words for words in texts) == pytest.approx(75, abs=30)
    places = sum(len(words) + 1 for words in texts if words)
    heard = sum(len(row.composition.parts) - len(row.text.split()) for row in rows if row.text)
    assert heard / places == pytest.approx(0.5, abs=0.1)


def test_batches_of_chatter_name_the_words_alone(chatter):
    connected = Connected((0, 2), chatter_share=0.8, noise_snr_db=None, **SPLITS)
    clips = clips_of(chatter, connected)
    vocabulary = Vocabulary.of(chatter.words, "words")
    for batch in batches(clips, vocabulary, 8, seed=0):
        for place, index in enumerate(batch.indices):
            words = clips.utterances[index].composition.words
            assert batch.target_lengths[place] == len(words)
            spans = batch.spans[place, : len(words)] / clips.sample_rate
            assert spans[:, 0].tolist() == pytest.approx([word.at_seconds for word in words])


def test_nothing_changes_without_chatter(corpus, chatter):
    """Unknown clips that a corpus happens to hold are left aside, and draw nothing."""
    words = tuple(row for row in corpus.utterances if row.text != "high")
    bare = replace(corpus, utterances=words, words=("low", "middle"))
    assert Connected(**SPLITS).join(chatter).split("test") == Connected(**SPLITS).join(bare).split(
        "test"
    )


def test_noise_alone_is_an_utterance(corpus):
    rows = Connected((0, 1), edge_ms=(0, 0), **SPLITS).join(corpus).split("test")
    silent = [row for row in rows if not row.text]
    assert silent
    assert all(row.duration_seconds == 0.5 and not row.composition.parts for row in silent)
    assert AudioCache(silent[:1], 16_000)[0].std() > 0


def test_chatter_needs_what_is_unknown(corpus):
    with pytest.raises(DataError, match=r"chatter_share=0.5 needs clips .*negatives=speech"):
        Connected(chatter_share=0.5, **SPLITS).join(corpus)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_words": (-1, 3)}, r"n_words=\[-1, 3\] must be .* within 0 and inf"),
        ({"n_words": (0, 0)}, r"n_words=\[0, 0\] must end with 1 or more"),
        ({"chatter_share": -0.1}, r"chatter_share=-0.1 must lie in \[0, 1\]"),
        ({"n_words": (4, 3)}, r"n_words=\[4, 3\]"),
        ({"repeat_share": 1.5}, r"repeat_share=1.5 must lie in \[0, 1\]"),
        ({"gap_ms": (5,)}, r"gap_ms=\[5\]"),
        ({"edge_ms": (-5, 5)}, r"edge_ms=\[-5, 5\] .* within 0 and inf"),
        ({"trim_db": 0}, "trim_db=0 must be above 0"),
        ({"test_utterances": 0}, "test_utterances=0 must be 1 or more"),
    ],
)
def test_wrong_settings(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Connected(**wrong)


def test_sentences_without_a_speaker(corpus, tmp_path):
    path = tmp_path / "sentences.txt"
    path.write_text("low\nlow zebra\n")
    with pytest.raises(DataError, match="line 2: no speaker has clips of all of 'low zebra'"):
        Connected(sentences=str(path)).join(corpus)
    with pytest.raises(DataError, match="cannot be read"):
        Connected(sentences=str(tmp_path / "missing.txt")).join(corpus)


def test_an_unreadable_file_is_reported_and_left_out(tmp_path, caplog):
    manifest = write_corpus(tmp_path / "tones", clips=(2, 1, 2))
    (tmp_path / "tones/low_test_0.wav").write_bytes(b"no sound")
    rows = Connected(**SPLITS).join(Manifest(str(manifest)).prepare()).split("test")
    assert not any("low_test_0" in part.audio for row in rows for part in row.composition.parts)
    assert "left out of test" in caplog.text
    assert "low_test_0.wav" in caplog.text


def test_made_silence_is_not_read(corpus, caplog):
    """Silence of a corpus without noise has no file; nothing is joined from it."""
    quiet = Negatives(silence_share=1.0).join(corpus)
    assert any(row.text == SILENCE and row.composition for row in quiet.split("test"))
    clips_of(quiet, Connected(**SPLITS))
    assert not caplog.text


def test_silence_alone_cannot_be_joined(tmp_path):
    write_audio(tmp_path / "a.wav", tone("low"), 16_000)
    rows = [Utterance(str(tmp_path / "a.wav"), "_silence_", split="test")]
    write_manifest(tmp_path / "rows.jsonl", rows)
    with pytest.raises(DataError, match="no words to join"):
        Connected().join(Manifest(str(tmp_path / "rows.jsonl")).prepare())


@pytest.mark.parametrize("composition", [{"parts": [{}]}, {"parts": 3}, "no", {"other": []}])
def test_a_wrong_composition_is_reported(composition, tmp_path):
    row = {"audio": "x", "text": "low", "composition": composition}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"line 1: "):
        read_manifest(tmp_path / "rows.jsonl")


CONNECTED = (
    "connected=words",
    "connected.train_utterances=96",
    "connected.validation_utterances=10",
    "connected.test_utterances=40",
    "connected.n_words=[1,4]",
    "vocabulary=words",
    "augment=none",
    "optim.learning_rate=1e-2",
)


def run(manifest, output_dir, *overrides, command="train"):
    folder = output_dir.parent
    arguments = (*SMALL, f"data.path={manifest}", f"output_dir={output_dir}", *CONNECTED)
    result = speech_rnn(command, *arguments, *overrides, cwd=folder, module=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_a_model_learns_words_and_their_times(manifest, tmp_path):
    settings = ("trainer.max_epochs=4", "trainer.frame_weight=1", "model.dense=null")
    printed = run(manifest, tmp_path / "run", *settings)
    assert "by number of words" in printed
    assert "median error of the start of" in printed
    test = json.loads((tmp_path / "run/metrics.json").read_text())["test"]
    assert test["word_error_rate"]["rate"] <= 0.1
    assert test["words"]["start_error"] <= 0.05
    assert test["words"]["end_error"] <= 0.05
    assert set(test["per_length"]) == {"1", "2", "3", "4"}

    model = f"model={tmp_path / 'run/recognizer.safetensors'}"
    versus = f"versus={tmp_path / 'run/recognizer.safetensors'}"
    printed = run(manifest, tmp_path / "again", model, versus, command="evaluate")
    again = json.loads((tmp_path / "again/evaluation.json").read_text())
    assert again["word_error_rate"] == test["word_error_rate"]
    assert "difference 0.00 (95 % interval 0.00 to 0.00), p = 1.0000" in printed


def test_a_text_too_long_for_its_clip_is_reported_with_the_file(tmp_path):
    manifest = write_corpus(tmp_path / "tones", clips=(2, 1, 1))
    rows = read_manifest(manifest)
    rows = [Utterance(row.audio, " ".join([row.text] * 30), "", row.split) for row in rows]
    write_manifest(tmp_path / "rows.jsonl", rows)
    arguments = (*SMALL, f"data.path={tmp_path / 'rows.jsonl'}", "data.words=[low,middle,high]")
    result = speech_rnn("train", *arguments, "vocabulary=words", cwd=tmp_path, module=True)
    assert result.returncode == 1
    assert "9 clips are too short for their texts" in result.stderr
    assert "low_train_0.wav" in result.stderr
    assert "needs 59 steps" in result.stderr


def test_a_word_of_few_clips_is_as_frequent_if_balanced(corpus):
    """One word has a clip, the others have all of theirs; each clip has a speaker of its own."""
    rows = [row for row in corpus.split("train") if row.text != "low"]
    rows += [next(row for row in corpus.split("train") if row.text == "low")]
    alone = tuple(replace(row, speaker=str(number)) for number, row in enumerate(rows))
    uneven = replace(corpus, utterances=(*alone, *corpus.split("validation")))
    counted = {}
    for balanced in (False, True):
        connected = Connected((1, 1), balanced=balanced, **SPLITS | {"train_utterances": 300})
        said = [row.text for row in clips_of(uneven, connected).utterances]
        counted[balanced] = said.count("low")
    assert counted[False] < 50
    assert 70 <= counted[True] <= 130
