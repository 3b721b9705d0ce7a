"""Check a command line without running it: its verb, options, groups and keys exist."""

import re
from pathlib import Path

import typer

from speech_rnn import evaluate
from speech_rnn.cli import HYDRA_VERBS, app
from speech_rnn.config.app import as_typed, compose, parsed, primary
from speech_rnn.config.keys import MODEL_FILE, check

ROOT = Path(__file__).resolve().parents[1]
FLAGS = ("-m", "--cfg", "job")
PYTHONS = ("python", "python3")
OTHERS = ("http.server", "piper.download_voices", "venv")
"""Modules of others that a page runs."""


def first_value(override):
    """Return the first value of a sweep, or the lower end of an interval that is searched."""
    is_interval = override.is_interval_sweep()
    return override.value().start if is_interval else next(override.sweep_string_iterator())


def check_settings(door, settings):
    """Check the settings of a command line as its door would; of a sweep, the first job's."""
    overrides = parsed(
        [re.sub("^model=(?=FILE|outputs)", f"{MODEL_FILE}=", one) for one in settings]
    )
    lines = [
        f"{override.key_or_group}={first_value(override)}"
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
    elif program.endswith("speech-rnn"):
        verb, *arguments = arguments
        if verb.startswith("--"):
            assert any(verb in option.opts for option in typer.main.get_command(app).params)
            return
        if any(argument.startswith("--references") for argument in arguments):
            texts = typer.Typer()
            texts.command()(evaluate.score)
            typer.main.get_command(texts).make_context(verb, arguments)
        elif verb in HYDRA_VERBS:
            check_settings(verb, [argument for argument in arguments if argument not in FLAGS])
        else:
            command = typer.main.get_command(app).commands[verb]
            if verb == "benchmark":  # its commands, of which one need not be named
                name = arguments.pop(0) if arguments[:1] == ["wake"] else "speed"
                command = command.commands[name]
            command.make_context(verb, arguments)
