"""An evaluation over several processes has the figures of one, to the byte."""

import pytest

from speech_rnn.decoding.decoder import Decoder
from speech_rnn.errors import ConfigurationError, SpeechRnnError
from speech_rnn.evaluation.batches import RecognizeClips
from speech_rnn.parallel.crews import Spread
from speech_rnn.starter import STARTER
from tests.commands import speech_rnn
from tests.test_clips import CLIPS


@pytest.mark.slow
def test_processes_give_the_figures_of_one_process(tmp_path):
    for clip in CLIPS:
        (tmp_path / "clips" / clip.stem).mkdir(parents=True)
        (tmp_path / "clips" / clip.stem / clip.name).symlink_to(clip)
    command = (f"model={STARTER}", "data=folder", "data.root=clips", "split=all")
    for jobs in (1, 2):
        done = speech_rnn(
            "evaluate",
            *command,
            "trainer.batch_size=3",
            f"jobs={jobs}",
            f"output_dir=out-{jobs}",
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
    for name in ("evaluation.json", "hypotheses.jsonl"):
        one, two = ((tmp_path / f"out-{jobs}" / name).read_bytes() for jobs in (1, 2))
        assert one == two
    assert len(one.splitlines()) == len(CLIPS)
    refused = speech_rnn("evaluate", *command, "ray=127.0.0.1:1", cwd=tmp_path)
    assert refused.returncode == 2
    assert "ray='127.0.0.1:1' does not answer" in refused.stderr


@pytest.mark.parametrize("jobs", [0, -1, 1.5, "two"])
def test_a_number_of_processes_is_checked(jobs):
    with pytest.raises(ConfigurationError, match=f"jobs={jobs!r} must be a whole number above 0"):
        Spread(jobs)


def test_a_clip_that_ends_each_process_is_an_error():
    job = RecognizeClips(STARTER, "cpu", Decoder())
    with pytest.raises(SpeechRnnError, match="a clip of 3 samples ended each process"):
        job.lost([0, 0, 0], "exit code -9")
