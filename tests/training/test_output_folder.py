"""The folder of a run: refused in one line, held by one run, and never left half written."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from speech_rnn.errors import ConfigurationError, DataError, ModelError, Stopped
from speech_rnn.training.checkpoints import read_checkpoint
from speech_rnn.training.claiming import claimed, refuse_other_settings
from speech_rnn.training.whole_checkpoints import WholeCheckpoints
from tests.tones import write_corpus
from tests.training.small import run


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones"))


SWEEP = ("-m", "seed=1,2")


def full_at(monkeypatch, name, times=1):
    """Let the disk be full when the file is written for the last of so many times, halfway."""
    write, left = Path.write_bytes, [times]

    def written(self, content):
        if self.name.startswith(f".{name}."):
            left[0] -= 1
            if not left[0]:
                write(self, bytes(content)[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", written)


@pytest.mark.parametrize(
    ("command", "sweep", "name", "reason"),
    [
        ("train", (), "file", "File exists"),
        ("train", (), "file/below", "Not a directory"),
        ("train", (), "link", "File exists"),
        ("train", (), "n" * 300, "File name too long"),
        ("train", SWEEP, "file", "File exists"),
        ("train", SWEEP, "file/below", "Not a directory"),
        ("evaluate", (), "file/below", "Not a directory"),
        ("evaluate", SWEEP, "link", "File exists"),
    ],
)
def test_case_05_a_folder_that_cannot_be_made_is_one_line(
    manifest, tmp_path, command, sweep, name, reason
):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    model = ("model=no.safetensors",) if command == "evaluate" else ()
    ended = run(manifest, name, *model, *sweep, cwd=tmp_path, command=command)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"error: output_dir='{name}' cannot be written ({reason}); ")
    assert ended.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_case_05_a_full_disk_is_reported_before_the_training(manifest, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 100_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    ended = run(manifest, "run", cwd=tmp_path)
    assert ended.returncode == 1
    assert "error: output_dir='run' has room for 0.1 MB and the checkpoints need" in ended.stderr
    assert not (tmp_path / "run/checkpoints").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["best", "last"])
def test_case_f01_a_full_disk_leaves_the_last_good_checkpoint(
    manifest, tmp_path, monkeypatch, name
):
    full_at(monkeypatch, name, times=3)
    ended = run(manifest, "run", "trainer.max_epochs=4", cwd=tmp_path)
    checkpoints = tmp_path / "run/checkpoints"
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: output_dir='run' cannot be written (checkpoints/{name}.ckpt: No space left on "
        "device); make room and go on with resume=true\n"
    )
    assert read_checkpoint(checkpoints / "last.ckpt")["epoch"] == 1
    assert {path.name for path in checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    monkeypatch.undo()
    resumed = run(manifest, "run", "trainer.max_epochs=4", "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.parametrize(
    "name",
    [
        "hypotheses",
        "metrics",
        pytest.param("evaluation", marks=pytest.mark.slow),
        pytest.param("recognizer", marks=pytest.mark.slow),
    ],
)
def test_case_f05_a_full_disk_at_the_end_is_one_line_and_resumed(
    manifest, tmp_path, monkeypatch, name
):
    full_at(monkeypatch, name)
    ended = run(manifest, "run", "trainer.max_epochs=1", cwd=tmp_path)
    assert ended.returncode == 1
    assert f"({name}." in ended.stderr
    assert ended.stderr.endswith("make room and go on with resume=true\n")
    assert not [*(tmp_path / "run").glob(f"*{name}*")]
    monkeypatch.undo()
    resumed = run(manifest, "run", "trainer.max_epochs=1", "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr


def test_case_f02_a_checkpoint_is_written_beside_the_last_one(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"epoch": 0}, path)
    before = path.read_bytes()
    written = []
    replace = Path.replace

    def replaced(self, target):
        assert path.read_bytes() == before
        written.append(self)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    WholeCheckpoints().save_checkpoint({"epoch": 1, "state": torch.ones(3)}, path)
    assert [file.parent for file in written] == [tmp_path]
    assert WholeCheckpoints().load_checkpoint(path)["epoch"] == 1


@pytest.mark.parametrize("content", [b"", b"half", b"PK\x03\x04 and no more"])
def test_case_f02_a_damaged_checkpoint_is_one_line(manifest, tmp_path, content):
    folder = tmp_path / "run/checkpoints"
    folder.mkdir(parents=True)
    (folder / "last.ckpt").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged"):
        read_checkpoint(folder / "last.ckpt")
    ended = run(manifest, "run", "trainer.max_epochs=1", "resume=true", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: checkpoint=")
    assert ended.stderr.count("\n") == 1


def test_only_partial_files_of_a_kill_are_removed(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    left = [".metrics.12.345.part.json", "checkpoints/.last.12.345.part.ckpt"]
    mine = [".notes.part", "a.12.345.part.json", ".x.12.345.part.tar.gz"]
    for name in left + mine:
        (tmp_path / name).touch()
    with claimed(tmp_path, "", resume=True):
        pass
    assert [name for name in left + mine if (tmp_path / name).exists()] == mine


def test_case_f05_the_same_configuration_is_not_written_again(tmp_path):
    kept = tmp_path / "config.yaml"
    for _ in range(2):
        with claimed(tmp_path, "seed: 1\n", resume=True):
            assert kept.read_text() == "seed: 1\n"
        kept.chmod(0o400)
    inode = kept.stat().st_ino
    with claimed(tmp_path, "seed: 1\n", resume=True):
        assert kept.stat().st_ino == inode  # a file that is written is a new one


def test_case_f06_a_second_run_in_the_folder_is_refused_at_once(tmp_path):
    with claimed(tmp_path / "run", "seed: 1", resume=False):
        pass
    code = (
        "import sys; from pathlib import Path; from speech_rnn.storage.folders import locked\n"
        "with locked(Path('run/.lock')):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout.readline() == b"held\n"
        for resume in (False, True):
            with (
                pytest.raises(ConfigurationError, match="another run is using it"),
                claimed(tmp_path / "run", "seed: 2", resume=resume),
            ):
                raise AssertionError("both run")
        assert (tmp_path / "run/config.yaml").read_text() == "seed: 1"
        first.kill()
    with claimed(tmp_path / "run", "seed: 2", resume=False):  # a dead run holds nothing
        pass


def test_case_26_differences_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = "seed: 0\ntrainer:\n  max_epochs: 2\n  lr: 0.1\ndata:\n  root: base\n"
    refuse_other_settings(before, before.replace("base", str(tmp_path / "x/../base")), Path("c"))
    now = before.replace("max_epochs: 2", "max_epochs: 4").replace("  lr: 0.1\n", "")
    with pytest.raises(ConfigurationError) as error:
        refuse_other_settings(before, now, Path("c.yaml"))
    assert (
        "differs from c.yaml: trainer.max_epochs=2 there, 4 here (the schedule of a run cannot be "
        "made longer); trainer.lr=0.1 there, absent here; give the same overrides"
    ) in str(error.value)
    with pytest.raises(ConfigurationError, match="the clips differ"):
        refuse_other_settings(before, before + "# corpus 12\n", Path("c.yaml"))


def test_an_interrupted_search_goes_on_in_its_own_folder(tmp_path):
    trial = tmp_path / "search/trials/0"
    loops = {"fit_loop": {"epoch_progress": {"current": {"processed": 3}}}}
    checkpoint = {"epoch": 2, "loops": loops}
    WholeCheckpoints().save_checkpoint(checkpoint, trial / "checkpoints/last.ckpt")
    with (
        pytest.raises(Stopped, match=r"interrupted after epoch 3; .*\(output_dir=.*search\)$"),
        claimed(tmp_path / "search", "", resume=True, work="trials"),
        claimed(trial, "", resume=True),
    ):
        raise KeyboardInterrupt


def test_errors_of_other_files_are_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), claimed(tmp_path / "run", "", resume=False):
        (tmp_path / "elsewhere").read_text()
    with pytest.raises(DataError, match="output_dir"), claimed(tmp_path / "run", "", resume=False):
        (tmp_path / "run/logs/absent").write_text("")
