import json
import time

import pytest

from speech_rnn import audit, train
from tests.commands import speech_rnn

SMALL = (
    "gradients.n_clips=64",
    "gradients.longest_noise_seconds=0.1",
    "gradients.hidden_size=8",
    "trainer.max_epochs=2",
)


def study(folder, *overrides):
    arguments = ("+recipe=gradients", f"output_dir={folder}", *overrides)
    result = speech_rnn("train", *arguments, cwd=folder.parent, module=True)
    assert result.returncode == 0, result.stderr
    return json.loads((folder / "gradients.json").read_text()), result.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradients") / "run"
    return folder, *study(folder, *SMALL, "gradients.cells=[rnn_tanh,lstm]")


def test_each_cell_is_studied_before_and_after(found):
    _, figures, _ = found
    assert [flow["cell"] for flow in figures["flows"]] == ["rnn_tanh", "lstm"]
    for flow in figures["flows"]:
        for shares in (flow["before"], flow["after"]):
            assert len(shares["hidden"]) == 21  # 0.2 s, a step every 10 ms
            assert shares["hidden"][-1] == 1
        assert flow["before"] != flow["after"]
    assert set(figures["flows"][1]["after"]) == {"hidden", "memory"}
    assert "max_epochs: 2" in figures["config"]


def test_it_prints_a_table_and_draws_the_picture(found):
    folder, _, printed = found
    assert "lstm, its memory" in printed
    pytest.importorskip("matplotlib", reason="pictures need the extra [report]")
    assert printed.splitlines()[-1] == f"picture: {folder / 'gradients.svg'}"
    assert (folder / "gradients.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("door", "message"),
    [(train, "holds a run already"), (audit, "an audit needs a recipe of classes")],
)
def test_what_cannot_be_is_told(door, message, found, monkeypatch, capsys):
    folder, _, _ = found
    monkeypatch.chdir(folder)
    arguments = ["+recipe=gradients", "output_dir=."]
    monkeypatch.setattr("sys.argv", ["speech_rnn", *arguments])
    with pytest.raises(SystemExit, match="2"):
        door.main()
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_gates_keep_what_an_elman_network_loses(tmp_path):
    started = time.monotonic()
    figures, _ = study(tmp_path / "run")
    first = {flow["cell"]: flow["before"]["hidden"][0] for flow in figures["flows"]}
    last = {flow["cell"]: flow["after"]["hidden"][0] for flow in figures["flows"]}
    right = {flow["cell"]: flow["accuracy"] for flow in figures["flows"]}
    assert first["rnn_tanh"] < 1e-12 < first["lstm"]
    assert last["rnn_tanh"] < 1e-12 < last["gru"]
    assert right["gru"] > 0.99
    assert right["lstm"] > 0.99
    assert time.monotonic() - started < 300  # two minutes where nothing else runs
