import subprocess
import sys

import pytest
from hydra.utils import get_object, instantiate
from omegaconf import OmegaConf

from speech_rnn import detect, evaluate, stress, train, tune
from speech_rnn.cli import HYDRA_VERBS
from speech_rnn.config.app import CONF, as_typed, building, compose, primary, recipes
from speech_rnn.config.keys import check
from speech_rnn.config.moved import MOVED, moved
from speech_rnn.errors import ConfigurationError
from tests.commands import speech_rnn


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_has_only_keys_that_something_takes(name):
    needed = {"language_model": ["language_model.text=some.txt"]}
    needed |= {"digits_voices": [], "custom": []}
    cfg = compose("train", [f"+recipe={name}", *needed.get(name, ["data.root=somewhere"])])
    check(cfg, primary("train"))


@pytest.mark.parametrize("name", recipes())
def test_an_option_chosen_by_name_has_the_values_of_its_file(name):
    """A recipe's own numbers go with the option that it has chosen."""
    choice = {
        "features": "log_mel",
        "augment": "none",
        "negatives": "none",
        "connected": "none",
        "model": "crnn",
        "front": "none",
    }
    line = [*(f"{group}={option}" for group, option in choice.items()), f"+recipe={name}"]
    chosen = compose("train", as_typed(line))
    for group, option in choice.items():
        file = OmegaConf.load(CONF / group / f"{option}.yaml")
        assert chosen.get(group, {}) == (file or {}), group


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_opens_with_its_command(name):
    text = (CONF / "recipe" / f"{name}.yaml").read_text()
    assert text.startswith("# @package _global_\n# ")
    assert f"python -m speech_rnn.train +recipe={name}" in text


def test_the_bare_configuration_is_the_demo():
    assert compose("train", []).data == compose("train", ["+recipe=demo"]).data
    assert compose("train", []).trainer == compose("train", ["+recipe=demo"]).trainer


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data: [", "cannot be read as YAML"),
        ("data: \x11", "cannot be read as YAML"),
        ("- data", "must hold one key and value"),
        ("defaults: 3", "cannot be composed"),
        ("defaults: [3]", "cannot be composed"),
        ("defaults: [[1]]", "cannot be composed"),
        ("defaults: [mine]", "recipe='mine' includes itself"),
    ],
)
def test_an_unknown_recipe_is_reported(text, message, tmp_path):
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/mine.yaml").write_text(f"# @package _global_\n{text}\n")
    with pytest.raises(ConfigurationError, match=message):
        compose("train", as_typed(["+recipe=mine"], tmp_path), tmp_path)


def test_all_wrong_keys_come_at_once_with_the_nearest():
    cfg = compose("train", ["+trainer.max_epoch=3", "+sead=7", "+model.hiden_size=3"])
    with pytest.raises(ConfigurationError) as raised:
        check(cfg, primary("train"))
    assert str(raised.value).splitlines() == [
        "unknown key 'model.hiden_size'; did you mean 'hidden_size'?",
        "unknown key 'trainer.max_epoch'; did you mean 'max_epochs'?",
        "unknown key 'sead'; did you mean 'seed'?",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trainer.max_epochs=x", "trainer.max_epochs='x' must be of type whole number"),
        ("model.hidden_size=1.5", "model.hidden_size=1.5 must be of type whole number"),
        ("augment.tempo=3", "augment.tempo=3 must be of type list (number) or null"),
        ("optim.betas=[x,y]", "optim.betas=['x', 'y'] must be of type list (number)"),
        ("data.root=[a]", "data.root=['a'] must be of type text"),
    ],
)
def test_a_value_of_another_type_is_reported_before_any_work(line, message):
    cfg = compose("train", ["+recipe=digits", "data.root=x", f"++{line}"])
    with pytest.raises(ConfigurationError) as raised:
        check(cfg, primary("train"))
    assert str(raised.value) == message


@pytest.mark.parametrize("nothing", [{}, None, {"hidden_size": 3}])
def test_a_part_without_a_class_is_reported(nothing):
    cfg = compose("train", [])
    cfg.model = nothing
    with pytest.raises(ConfigurationError, match=r"^model names no class"):
        check(cfg, primary("train"))


def test_a_removed_key_is_reported():
    with pytest.raises(ConfigurationError, match=r"^model is required; .*\nseed is required; "):
        check(compose("train", ["~model", "~seed"]), primary("train"))


def test_a_part_that_cannot_be_built_is_one_line():
    with (
        pytest.raises(ConfigurationError, match="augment cannot be built from its values: "),
        building(),
    ):
        instantiate({"augment": {"_target_": "speech_rnn.augment.Augment", "tempo": 3}})


def test_a_value_that_must_be_given_is_named():
    cfg = compose("train", ["data=folder"])
    with pytest.raises(ConfigurationError, match=r"data\.root must be given: data\.root=VALUE"):
        check(cfg, primary("train"))


def test_a_target_that_does_not_exist_is_named():
    cfg = OmegaConf.create({"model": {"_target_": "speech_rnn.model.Nothing"}})
    with pytest.raises(ConfigurationError, match=r"model\._target_='speech_rnn\.model\.Nothing'"):
        check(cfg, primary("train"))


OLD_TARGETS = (
    "conditions.Conditions",
    "data.custom.Custom",
    "data.merged.Merged",
    "data.near_misses.NearMisses",
    "data.neural.NeuralVoices",
    "data.rooms.Rooms",
    "data.spoken.Spoken",
    "data.streams.Streams",
    "data.synthetic.Synthetic",
    "data.voices.Voices",
    "decoding.spotting.Spotting",
    "language_training.train_language_model",
    "parts.CompareRuns",
)


def test_every_part_that_has_moved_is_where_its_new_name_says():
    assert {f"speech_rnn.{old}".rpartition(".")[0] for old in OLD_TARGETS} == MOVED.keys()
    for old in OLD_TARGETS:
        assert get_object(moved(f"speech_rnn.{old}"))


def test_an_older_configuration_gets_the_new_names():
    older = ["+extra._target_=speech_rnn.data.synthetic.Synthetic", "+sead=7"]
    with pytest.raises(ConfigurationError) as raised:
        check(compose("train", older), primary("train"))
    assert str(raised.value).splitlines() == [
        "extra._target_='speech_rnn.data.synthetic.Synthetic' has moved; "
        "write speech_rnn.synthesis.espeak.Synthetic",
        "unknown key 'sead'; did you mean 'seed'?",
    ]


def test_values_of_a_recipe_are_not_mixed_into_a_sweep_over_options():
    with pytest.raises(ConfigurationError, match="connected=none,words sweeps over connected"):
        as_typed(["+recipe=starter", "connected=none,words"])


def test_a_path_may_hold_an_at_sign():
    cfg = compose("train", as_typed(["data=folder", "data.root=a", "data.noise=[/tmp/a@b]"]))
    assert cfg.data.noise == ["/tmp/a@b"]


def test_hydra_learns_of_our_resolver_where_a_command_starts(tmp_path):
    code = "import speech_rnn.config.app as app; app.OmegaConf.has_resolver('swept') and exit(1)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("door", [evaluate, detect, stress, tune])
def test_commands_that_need_a_recogniser_ask_for_its_file(door, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["speech_rnn", "+recipe=demo"])
    with pytest.raises(SystemExit, match="2"):
        door.main()
    assert capsys.readouterr().err == "error: model must be given: model=FILE\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["+recipe=keyword"], "recipe='keyword' does not exist; did you mean 'keywords'?"),
        (["trainer.max_epoch=3"], "unknown key 'trainer.max_epoch'; did you mean 'max_epochs'?"),
        (["sead=3", "+model.cel=gru"], "unknown key 'sead'; did you mean 'seed'?"),
        (["sead=3", "+model.cel=gru"], "unknown key 'model.cel'; did you mean 'cell'?"),
        (["recipe=demo"], "write +recipe=NAME"),
        (["+recipe=demoo"], "recipe='demoo' does not exist; did you mean 'demo'?\n"),
        (["data=none_such"], "data='none_such' does not exist; choose one of custom, digits, "),
        (["model=lstmm"], "gru_attention"),
        (["trainer.max_epochs=[1"], "error:"),
        (["data=folder"], "data.root must be given"),
        (["trainer.max_epochs=0"], "trainer.max_epochs=0 must be above 0"),
        (["device=gpu"], "device='gpu' must be auto, cpu, cuda, cuda:N or mps"),
        (["vocabulary=phones"], "vocabulary='phones' must be one of"),
    ],
)
def test_wrong_use_is_reported_without_a_traceback(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    with pytest.raises(SystemExit, match="2"):
        train.main()
    spoken = capsys.readouterr().err
    assert message in spoken
    assert "Traceback" not in spoken


def test_help_shows_how_to_begin(tmp_path):
    result = speech_rnn("train", "--help", cwd=tmp_path)
    assert result.returncode == 0
    for text in ("+recipe=NAME", "data.root=DIR", "resume=true", "max_epochs", "trainer.mixup="):
        assert text in result.stdout


def test_a_recipe_of_ones_own(tmp_path):
    copied = speech_rnn("recipes", "copy", "digits", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    own = tmp_path / "conf/recipe/my_digits.yaml"
    own.write_text(own.read_text() + "\nseed: 11\n")
    arguments = ("--config-dir", "conf", "+recipe=my_digits", "--cfg", "job")
    shown = speech_rnn("train", *arguments, cwd=tmp_path)
    assert "seed: 11" in shown.stdout, shown.stderr
    assert speech_rnn("recipes", "copy", "digits", cwd=tmp_path).returncode == 2
    assert speech_rnn("recipes", "copy", "digit", cwd=tmp_path).returncode == 2
    own.write_text(own.read_text() + "\nsead: 11\n")
    refused = speech_rnn("train", "--config-dir", "conf", "+recipe=my_digits", cwd=tmp_path)
    assert refused.returncode == 2
    assert "did you mean 'seed'" in refused.stderr


def test_recipes_are_listed(tmp_path):
    result = speech_rnn("recipes", cwd=tmp_path, apart=True)
    assert [line.split()[0] for line in result.stdout.splitlines()] == recipes()


def test_help_shows_what_may_be_typed_as_it_is(tmp_path):
    verbs = speech_rnn("--help", cwd=tmp_path).stdout
    assert verbs.count("[key=value …]") == sum(
        "[key=value …]" in one for one in HYDRA_VERBS.values()
    )
    assert "`" not in verbs + speech_rnn("recipes", "--help", cwd=tmp_path).stdout


def test_a_launcher_of_hydra_is_chosen_as_in_other_programs():
    line = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.run.dir=a"]
    assert as_typed(line) == line
