"""What ``--help`` of every verb shows, and what a shell completes."""

import re
import shlex

import pytest
import typer
import yaml
from typer.testing import CliRunner

from speech_rnn import __version__, cli, evaluate
from speech_rnn.config.app import CONF, recipe_lines, recipes
from tests.checked_commands import check_command
from tests.commands import WIDE, speech_rnn

GROUP = typer.main.get_command(cli.app)
BENCHMARK = GROUP.commands["benchmark"].commands
TYPER_VERBS = {
    **{name: command for name, command in GROUP.commands.items() if name not in cli.HYDRA_VERBS},
    **{f"benchmark {name}": command for name, command in BENCHMARK.items()},
    "recipes copy": GROUP.commands["recipes"].commands["copy"],
}


def examples_of(shown):
    """Return the command lines that stand below ``Examples:`` at the end of a help."""
    _, found, end = shown.partition("Examples:")
    assert found
    return [line.strip() for line in end.splitlines() if line.strip()]


def check_example(line):
    *_, ours = line.split(" | ")  # what another program writes is read
    program, *arguments = shlex.split(ours)
    assert program == "speech-rnn"
    if arguments[0] == "recipes":
        GROUP.commands["recipes"].make_context("recipes", arguments[1:])
        assert arguments[2:3] in ([], *([name] for name in recipes()))
    elif "--config-dir" in arguments:
        assert arguments[:2] == ["train", "--config-dir"]
    else:
        check_command(program, arguments)


@pytest.mark.parametrize("verb", TYPER_VERBS)
def test_the_help_of_a_verb_with_options_ends_with_examples_that_run(verb):
    shown = CliRunner().invoke(cli.app, [*verb.split(), "--help"], env=WIDE).stdout
    lines = examples_of(shown)
    assert 2 <= len(lines) <= 3
    for line in lines:
        check_example(line)


@pytest.mark.parametrize("verb", cli.HYDRA_VERBS)
def test_the_help_of_a_verb_with_settings_ends_with_examples_that_run(verb):
    configured = yaml.safe_load((CONF / f"{verb}.yaml").read_text(encoding="utf-8"))
    lines = examples_of(configured["hydra"]["help"]["template"])
    assert 2 <= len(lines) <= 3
    for line in lines:
        assert line.startswith(f"speech-rnn {verb} ")
        check_example(line)


def test_an_example_with_a_wrong_name_is_found():
    for line in (
        "speech-rnn transcribe --jsom clip.wav",
        "speech-rnn train +recipe=demo sead=3",
        "speech-rnn trane +recipe=demo",
    ):
        with pytest.raises(Exception, match=r"jsom|sead|trane"):
            check_example(line)


@pytest.mark.parametrize("verb", ["train", "detect"])
def test_the_help_of_a_verb_with_settings_lists_the_recipes(verb, tmp_path):
    shown = speech_rnn(verb, "--help", cwd=tmp_path).stdout
    assert examples_of(shown)[-1] in shown.splitlines()[-2]
    for line in recipe_lines():
        assert f"  {line}\n" in shown


def test_two_texts_have_a_help_of_their_own(tmp_path):
    shown = speech_rnn("evaluate", "--references", "a.txt", "--help", cwd=tmp_path).stdout
    assert examples_of(shown) == list(evaluate.EXAMPLES)


def test_a_recipe_is_reported_in_one_short_sentence():
    for line in recipe_lines():
        assert re.fullmatch(r"\w+ +[A-Z].{20,90}\.", line), line


def test_the_version_is_printed():
    shown = CliRunner().invoke(cli.app, ["--version"])
    assert (shown.exit_code, shown.stdout) == (0, f"speech-rnn {__version__}\n")


def completed(line, monkeypatch, tmp_path):
    """Return what bash would be offered for the last word of a line, which it cuts at ``=``."""
    words = re.findall(r"=|[^\s=]+", line)
    if line.endswith(" "):
        words.append("")
    monkeypatch.setenv("_SPEECH_RNN_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.chdir(tmp_path)
    return CliRunner().invoke(cli.app, prog_name="speech-rnn").stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("speech-rnn tra", ["train", "transcribe"]),
        ("speech-rnn listen --gate-h", ["--gate-hangover-seconds"]),
        ("speech-rnn train mod", ["model="]),
        ("speech-rnn train seed=1 model=gru_last", ["gru_last_causal"]),
        ("speech-rnn detect model=FILE +recipe=language", ["language_model"]),
        ("speech-rnn train +recipe=", recipes()),
        ("speech-rnn train +recipe=demo seed=", []),
    ],
)
def test_bash_completes_verbs_options_recipes_and_groups(line, offered, monkeypatch, tmp_path):
    assert completed(line, monkeypatch, tmp_path) == offered


def test_a_shell_that_keeps_a_setting_whole_gets_it_whole(monkeypatch):
    monkeypatch.setenv("_SPEECH_RNN_COMPLETE", "complete_fish")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "speech-rnn train +recipe=language")
    shown = CliRunner().invoke(cli.app, prog_name="speech-rnn").stdout
    assert shown.split() == ["+recipe=language_model"]
