"""Several processes that train together, which here are forks that talk by gloo."""

import json
import shutil
import signal

import pytest
from safetensors.torch import load_file

from speech_rnn.audio import write_audio
from tests.commands import speech_rnn
from tests.tones import tone, write_corpus
from tests.training.ranks import Ranks
from tests.training.small import SMALL

pytestmark = pytest.mark.slow

PLAIN = ("augment=none", "model.dropout=0", "test=false")
CRNN = ("model=crnn", "model.hidden_size=16", "model.dense=[16]")
FIFTY_STEPS = ("trainer.max_epochs=13", "trainer.batch_size=13")
"""An epoch has four batches; the last one has 9 clips."""

# Each process notes the clips of its steps; SIGNAL_AT says which one a signal ends, and when.
NOTES = """
import signal
from speech_rnn.training.module import SpeechModule

loss = SpeechModule.loss

def noted(self, given):
    batch = getattr(given, "clips", given)  # of embeddings that were computed once
    rank, step = int(os.environ["RANK"]), self.global_step
    with open(f"steps-{rank}.jsonl", "a") as notes:
        print(json.dumps([step, batch.part.indices, batch.part.batch]), file=notes)
    if "SIGNAL_AT" in os.environ:
        signum, victim, last = map(int, os.environ["SIGNAL_AT"].split(","))
        if (rank, step) == (victim, last):
            os.kill(os.getpid(), signum)
    return loss(self, given)

SpeechModule.loss = noted
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    write_corpus(folder / "tones", (16, 4, 2))
    settings = ("data=manifest", "data.path=tones/rows.jsonl", "output=shards", "shard_mb=0.1")
    done = speech_rnn("shard", *settings, cwd=folder, module=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def forks(folder):
    ranks = Ranks(folder, NOTES)
    yield ranks
    ranks.close()


@pytest.fixture
def train(forks, folder, tmp_path):
    """Return a function that trains with some settings in a folder of its own."""

    def train(name, *overrides, signal_at=None, **ranks):
        for notes in folder.glob("steps-*.jsonl"):
            notes.unlink()
        environment = {"SIGNAL_AT": ",".join(map(str, map(int, signal_at)))} if signal_at else {}
        settings = (*SMALL, "data.path=tones/rows.jsonl", f"output_dir={tmp_path / name}")
        ended = forks.train(*settings, *overrides, environment=environment, **ranks)
        assert signal_at or "others" in ranks or "others_in" in ranks or not any(ended.codes)
        return ended

    return train


def steps(folder):
    """Return for each process the steps with the clips of its part and of the whole batch."""
    files = sorted(folder.glob("steps-*.jsonl"))
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]


def clips_of(notes, first, last):
    """Return the clips of the steps from one to another, in all processes."""
    return [
        index for lines in notes for step, own, _ in lines if first <= step < last for index in own
    ]


def furthest(one, other):
    """Return the largest difference between two weights of two Recognizers."""
    first, second = (load_file(folder / "recognizer.safetensors") for folder in (one, other))
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


def test_two_processes_come_to_the_weights_of_one(train, folder, tmp_path):
    settings = (*SMALL, *CRNN, *PLAIN, *FIFTY_STEPS)
    train("one", *settings)
    (alone,) = steps(folder)
    ended = train("two", *settings, ranks=2)
    assert ended.printed[1] == ""
    first, second = steps(folder)
    assert len(alone) == 13 * 4
    for one, *parts in zip(alone, first, second, strict=True):
        assert [part[2] for part in parts] == [one[2]] * 2
        assert sorted(parts[0][1] + parts[1][1]) == sorted(one[1])
    assert furthest(tmp_path / "one", tmp_path / "two") < 1e-5
    found = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two")]
    assert found[1]["validation"] == pytest.approx(found[0]["validation"], abs=1e-5)
    epochs = [
        [line for line in run.printed[0].splitlines() if "of 13: validation loss" in line][-1]
        for run in (ended, train("again", *settings))
    ]
    assert epochs[0].partition("epoch")[2] == epochs[1].partition("epoch")[2]


def test_two_processes_share_the_embeddings_of_a_frozen_front(train, folder, tmp_path):
    parts = ("front=embedding", "model=gru_on_front", "features.n_mels=40", "~features.n_mfcc")
    settings = (*SMALL, *PLAIN, *parts, "trainer.views=2", "trainer.max_epochs=4")
    train("one", *settings)
    ended = train("two", *settings, ranks=2)
    assert "the frozen front end is computed once: 2 views" in ended.printed[0]
    first, second = steps(folder)
    assert first
    assert all(not set(one[1]) & set(two[1]) for one, two in zip(first, second, strict=True))
    assert furthest(tmp_path / "one", tmp_path / "two") < 1e-5


def test_parts_of_a_batch_have_the_gradient_of_the_whole(train, tmp_path):
    settings = (*PLAIN, *FIFTY_STEPS, "model.input_normalization=false")
    settings += ("features.normalization=global",)
    train("whole", *settings)
    train("turns", *settings, "trainer.accumulate=3")
    train("both", *settings, "trainer.accumulate=2", ranks=2)
    assert furthest(tmp_path / "whole", tmp_path / "turns") < 1e-5
    assert furthest(tmp_path / "whole", tmp_path / "both") < 1e-5


def test_a_run_from_shards_goes_on_with_two_processes(train, folder):
    settings = ("data=shards", "data.path=shards", "data.buffer=24", *PLAIN, "workers=1")
    settings += ("trainer.max_epochs=2", "trainer.checkpoint_minutes=1e-9")
    ended = train("run", *settings, signal_at=(signal.SIGTERM, 0, 6))
    assert ended.codes == [143]
    assert "interrupted in epoch 2 of 2; resume=true continues" in ended.printed[0]
    before = clips_of(steps(folder), 4, 6)
    train("run", *settings, "resume=true", ranks=2)
    assert sorted(before + clips_of(steps(folder), 6, 8)) == list(range(48))
    assert min(step for lines in steps(folder) for step, *_ in lines) == 6


def test_a_killed_process_ends_all_and_one_goes_on(train, folder):
    settings = (*PLAIN, "trainer.max_epochs=2", "trainer.checkpoint_minutes=1e-9")
    settings += ("trainer.accumulate=2",)
    ended = train("run", *settings, ranks=2, signal_at=(signal.SIGKILL, 1, 6))
    assert ended.codes == [1, -signal.SIGKILL]
    last = ended.printed[0].splitlines()[-1]
    assert last.startswith("error: another of the 2 processes has ended; resume=true continues")
    before = clips_of(steps(folder), 4, 6)
    train("run", *settings, "resume=true")
    assert sorted(before + clips_of(steps(folder), 6, 8)) == list(range(48))


def test_a_process_with_other_settings_is_refused(train, tmp_path):
    ended = train("run", ranks=2, others=("seed=1",))
    assert ended.codes == [2, 2]
    assert ended.printed[0].startswith("error: process 1 (on ")
    assert "seed=1 there, 0 in process 0" in ended.printed[0]
    assert ended.printed[1] == ""
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_process_with_other_clips_is_refused(train, folder, tmp_path):
    shutil.copytree(folder / "tones", tmp_path / "other/tones")
    clip = tmp_path / "other/tones/low_train_0.wav"
    write_audio(clip, tone("low", 0.3, seed=1234))
    ended = train("run", ranks=2, others_in=tmp_path / "other")
    assert ended.codes == [2, 2]
    assert "differs from process 0" in ended.printed[0]
    assert "clips of train=" in ended.printed[0]
    assert "corpus=" not in ended.printed[0]
    assert ended.printed[1] == ""


def test_more_processes_than_shards_are_refused(train):
    settings = ("data=shards", "data.path=shards/train-000.tar", "test=false")
    ended = train("run", *settings, ranks=2, others=("test=false",))
    assert ended.codes == [2, 2]
    assert "2 processes cannot share 1 shards" in ended.printed[0]
    assert ended.printed[1] == ""
