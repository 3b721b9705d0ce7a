import json

import pytest

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.parallel.part_files import Manifest, part_files

NAMES = [(f"{number}.wav", f"{number} bytes") for number in range(7)]
MANIFEST = Manifest.of(NAMES, 3, {"verb": "transcribe", "beam": None})


def test_what_was_written_is_kept(tmp_path):
    with part_files(tmp_path / "a/b", MANIFEST) as kept:
        assert kept.missing == [0, 1, 2]
        kept.write(2, ['{"file": "ö"}'], 1)
        kept.write(0, ["{}", "{}"], 0)
        assert kept.missing == [1]
    with part_files(tmp_path / "a/b", MANIFEST) as kept:
        assert (kept.missing, kept.n_done, kept.n_failed) == ([1], 4, 1)
        assert kept.summary().endswith("b: 4 files, 1 of them failed")
    assert (tmp_path / "a/b/part-00002.jsonl").read_text(encoding="utf-8") == '{"file": "ö"}\n'
    assert [list(MANIFEST.part(number, NAMES)) for number in range(3)] == [
        NAMES[:3],
        NAMES[3:6],
        NAMES[6:],
    ]


def test_a_part_that_is_torn_is_missing(tmp_path):
    with part_files(tmp_path, MANIFEST) as kept:
        for number in range(3):
            kept.write(number, ["{}"], 0)
    (tmp_path / "part-00000.done").write_bytes(b"")
    (tmp_path / "part-00001.jsonl").write_bytes(b"")
    (tmp_path / "part-00002.jsonl").unlink()
    (tmp_path / ".part-00000.1.2.part.jsonl").write_bytes(b"half")
    with part_files(tmp_path, MANIFEST) as kept:
        assert kept.missing == [0, 1, 2]
    assert not list(tmp_path.glob(".part*"))


@pytest.mark.parametrize(
    ("manifest", "differing"),
    [
        (Manifest.of(NAMES[:-1], 3, MANIFEST.settings), "another list of files;"),
        (Manifest.of(NAMES[::-1], 3, MANIFEST.settings), "another list of files;"),
        (
            Manifest.of([*NAMES[:6], ("6.wav", "5 bytes")], 3, MANIFEST.settings),
            "size or time of a",
        ),
        (Manifest.of(NAMES, 3, {**MANIFEST.settings, "beam": 5}), "another beam;"),
        (Manifest.of([], 3, {"verb": "spot"}), "another verb;"),
    ],
    ids=["fewer", "order", "replaced", "option", "all"],
)
def test_another_run_is_refused(tmp_path, manifest, differing):
    with part_files(tmp_path, MANIFEST):
        pass
    with pytest.raises(ConfigurationError, match=differing), part_files(tmp_path, manifest):
        pass


def test_a_folder_that_says_nothing_of_its_run_is_refused(tmp_path):
    (tmp_path / "part-00000.jsonl").touch()
    with pytest.raises(DataError, match=r"no run\.json"), part_files(tmp_path, MANIFEST):
        pass
    for content in ("{", "[]", json.dumps({"n_files": 7})):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(DataError, match="is damaged"), part_files(tmp_path, MANIFEST):
            pass


def test_a_folder_that_another_run_writes_is_refused(tmp_path):
    with (
        part_files(tmp_path, MANIFEST),
        pytest.raises(ConfigurationError, match="is being written by another run"),
        part_files(tmp_path, MANIFEST),
    ):
        pass
