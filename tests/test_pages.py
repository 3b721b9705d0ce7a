"""What README.md and the pages of the recipes tell a person to type can be typed."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer

from speech_rnn import evaluate
from speech_rnn.cli import HYDRA_VERBS, app
from speech_rnn.config.app import as_typed, compose, parsed, primary, recipes
from speech_rnn.config.keys import MODEL_FILE, check
from speech_rnn.errors import ConfigurationError

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README": ROOT / "README.md"}
PAGES |= {page.parent.name: page for page in sorted((ROOT / "recipes").glob("*/README.md"))}
PAGES |= {name: ROOT / f"docs/{name}.md" for name in ("whisper", "wake_words")}
SETTING = re.compile(r"\+?[a-z_]+(\.[a-z_]+)*=\S+|[a-z_]+(\.[a-z_]+)+")
FILE = re.compile(r"[\w.]+\.(arpa|bin|csv|html|json|onnx|png|pt|safetensors|svg)")

PYTHONS = ("python", "python3")
OTHERS = ("piper.download_voices", "venv")
"""Modules of others that a page runs."""

every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


def text_of(page):
    return page.read_text(encoding="utf-8").replace("…", "x")  # what a person fills in


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.S | re.M)


def typed(page, folder):
    """Let a shell read the commands of a page, and return what each program would be given."""
    calls = folder / "calls"
    programs = "\n".join(
        f'{name}() {{ printf "%s\\0" {name} "$@" >> {calls}; echo >> {calls}; }}'
        for name in ("apt", "bash", "light/bin/pip", "pip", "pytest", *PYTHONS, "speech-rnn")
    )
    script = "\n".join([programs, *blocks(page, "sh")])
    subprocess.run(["bash", "-eu"], input=script, text=True, cwd=folder, check=True)
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()]


def check_settings(door, settings):
    """Check the settings of a command line as its door would; of a sweep, the first job's."""
    overrides = parsed(
        [re.sub("^model=(?=FILE|outputs)", f"{MODEL_FILE}=", one) for one in settings]
    )
    lines = [
        f"{override.key_or_group}={next(override.sweep_string_iterator())}"
        if override.is_sweep_override()
        else str(override.input_line)
        for override in overrides
    ]
    cfg = compose(door, as_typed(lines))
    check(cfg, primary(door))


def check_command(program, arguments):
    if program.endswith("pip"):
        extras = re.findall(r"\w+", "".join(re.findall(r"\.\[(.*?)\]", " ".join(arguments))))
        known = (ROOT / "pyproject.toml").read_text()
        assert all(f"\n{extra} = [" in known for extra in extras), arguments
    elif program in PYTHONS:
        flag, *arguments = arguments
        if flag != "-m":
            assert (ROOT / flag).is_file()
            return
        module, *arguments = arguments
        assert module in OTHERS or module.startswith("speech_rnn.")
        if module not in OTHERS:
            check_command("speech-rnn", [module.removeprefix("speech_rnn."), *arguments])
    elif program == "speech-rnn":
        verb, *arguments = arguments
        if any(argument.startswith("--references") for argument in arguments):
            texts = typer.Typer()
            texts.command()(evaluate.score)
            typer.main.get_command(texts).make_context(verb, arguments)
        elif verb in HYDRA_VERBS:
            check_settings(verb, [argument for argument in arguments if argument != "-m"])
        else:
            command = typer.main.get_command(app).commands[verb]
            if verb == "benchmark":  # its commands, of which one need not be named
                name = arguments.pop(0) if arguments[:1] == ["wake"] else "speed"
                command = command.commands[name]
            command.make_context(verb, arguments)


@every_page
def test_every_command_of_a_page_is_taken(page, tmp_path):
    commands = typed(page, tmp_path)
    assert commands
    for program, *arguments in commands:
        check_command(program, arguments)


@every_page
def test_every_setting_that_a_page_names_exists(page):
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.S | re.M)
    own = [f"+recipe={page.parent.name}"] if page.parent.name in recipes() else []
    for paragraph in prose.split("\n\n"):
        named = {}
        for code in re.findall(r"`([^`]+)`", paragraph):
            settings = shlex.split(code)
            if all(SETTING.fullmatch(one) and not FILE.fullmatch(one) for one in settings):
                named |= {one.partition("=")[0]: one for one in settings}
        if not named:
            continue
        settings = [one if "=" in one else f"{one}=null" for one in named.values()]
        try:
            check_settings("evaluate", [*own, *settings])
        except ConfigurationError as error:
            wrong = [line for line in str(error).splitlines() if "must be given" not in line]
            assert not wrong, paragraph


def test_the_python_of_the_readme_imports_what_exists():
    for block in blocks(PAGES["README"], "python"):
        imports = [node for node in ast.parse(block).body if isinstance(node, ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), "README.md", "exec"), {})


def test_the_promises_name_tests_that_are_there():
    named = re.findall(r"`(tests/[\w/.]+)`", text_of(ROOT / "docs/promises.md"))
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]
