"""Fill the reference from the command line's own definitions, ``conf/`` and docstrings.

A page holds a line ``<!-- commands -->`` or ``<!-- keys -->``, in whose place the text goes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml
from docstrings import parameters
from hydra.utils import get_object
from sphinx.application import Sphinx

from speech_rnn.cli import HYDRA_VERBS, app
from speech_rnn.config.app import CONF
from speech_rnn.listening.options import DEFAULT_MODEL

OWN_FILES = ("train", "evaluate", "detect", "tune", "stress", "audit", "search", "shard")
"""Files at the top of ``conf/``, in the order of the page; each adds keys of its own."""
SETTING = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<value>[^#]*)(?:# ?(?P<meaning>.*))?$")
ALWAYS = ("hydra", "defaults")


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table, or nothing without rows."""
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) + "\n"


def code(value: Any) -> str:
    """Return a value as code, or nothing for none."""
    return f"`{value}`" if value not in ("", None) else ""


# --- Commands ---


def commands() -> str:
    """Describe every verb and option of the command line."""
    group: Any = typer.main.get_command(app)  # typer may bring its own click
    return "\n".join(verb(name, command) for name, command in sorted(group.commands.items()))


def verb(name: str, command: Any) -> str:
    """Describe a verb with its arguments and options, or with the keys that Hydra gives it."""
    about = hydra_help(name) if name in HYDRA_VERBS else options(f"speech-rnn {name}", command)
    parts = [f"## {name}\n", about]
    if subs := getattr(command, "commands", None):
        parts += [
            f"### {name} {sub}\n\n{options(f'speech-rnn {name} {sub}', child)}"
            for sub, child in sorted(subs.items())
        ]
    return "\n".join(parts)


def options(prog: str, command: Any) -> str:
    """Return the usage, the help and the options of a command that typer reads."""
    context = command.context_class(command, info_name=prog)
    records = [(each, each.get_help_record(context)) for each in command.params]
    taken = [each.name.upper() for each in command.params if each.param_type_name == "argument"]
    rows = [
        option(each.name.upper() if each.name.upper() in taken else record[0], record[1])
        for each, record in records
        if record
    ]
    usage = " ".join([prog, "[OPTIONS]", *taken])
    about = inspect.cleandoc(command.help or "")
    listed = table(("option", "meaning", "default"), rows)
    return f"{about}\n\n```text\n{usage}\n```\n\n{listed}\n{examples(command)}"


def examples(command: Any) -> str:
    """Return the examples at the end of a command's ``--help``."""
    _, *lines = (command.epilog or "").replace("\\[", "[").split("\n\n")
    return "```sh\n" + "\n".join(lines) + "\n```\n" if lines else ""


def option(name: str, text: str) -> tuple[str, str, str]:
    """Part the line of an option in ``--help`` into its name, its meaning and its default."""
    meaning, _, extra = text.replace("  [", "\0", 1).partition("\0")
    found = re.search(r"default: ([^\];]+)", extra)
    value = found[1] if found else ""
    shown = DEFAULT_MODEL if value == f"({DEFAULT_MODEL})" else code(value)
    return code(name), meaning, "required" if "required" in extra else shown


def hydra_help(name: str) -> str:
    """Return ``--help`` of a verb that Hydra configures, without the lists of recipes and keys."""
    configured = yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    text = configured["hydra"]["help"]["template"].replace("Recipes:\n  ${recipe_lines:}\n\n", "")
    text = re.sub(r"Groups, chosen as.*?(?=Examples:)", "", text, flags=re.DOTALL)
    return (
        f"{HYDRA_VERBS[name]}\n\n```text\n{text.strip()}\n```\n\n"
        f"Every key: [configuration keys](/reference/keys.md#keys-of-{name}).\n"
    )


# --- Configuration keys ---


def keys() -> str:
    """Describe the keys of every verb, then each group with its options and their keys."""
    tops = [f"## Keys of {name}\n\n{key_table(own_keys(name))}" for name in OWN_FILES]
    folders = sorted(path for path in CONF.iterdir() if path.is_dir() and path.name != "recipe")
    return "\n".join([*tops, *map(group, folders)])


def key_table(rows: list[tuple[str, ...]]) -> str:
    """Return a table of keys."""
    return table(("key", "default", "meaning"), rows)


def own_keys(name: str) -> list[tuple[str, ...]]:
    """Return the keys that a file at the top of ``conf/`` adds: with comments, or of a class."""
    text = (CONF / f"{name}.yaml").read_text(encoding="utf-8")
    content = {key: value for key, value in yaml.safe_load(text).items() if key not in ALWAYS}
    classes = dict(targets(content, ""))
    rows = [row for place, target in classes.items() for row in class_keys(target, place)]
    path: list[str] = []
    for line in text.splitlines():
        if not (found := SETTING.match(line)):
            continue
        depth = len(found["indent"]) // 2
        path = [*path[:depth], found["key"]]
        value = found["value"].strip()
        if path[0] not in ALWAYS and value and not found["key"].startswith("_"):
            meaning = found["meaning"] or ""
            if path[0] not in classes:
                rows.append((code(".".join(path)), code(value), sentence(meaning)))
    return rows


def sentence(text: str) -> str:
    """Begin with a capital and end with a full stop."""
    text = text.strip()
    return text and text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def group(folder: Path) -> str:
    """Describe a group: what can be chosen, and the keys of each class that an option names."""
    files = sorted(folder.glob("*.yaml"))
    rows = [(code(f"{folder.name}={file.stem}"), opening(file)) for file in files]
    parts = [f"## Group {folder.name}\n", table(("option", "what it is"), rows)]
    seen: dict[str, str] = {}
    for file in files:
        for place, target in targets(yaml.safe_load(file.read_text(encoding="utf-8")), ""):
            seen.setdefault(target, ".".join(filter(None, (prefix(folder.name), place))))
    for target, place in seen.items():
        parts.append(f"### Keys of `{target.removeprefix('speech_rnn.')}`\n")
        parts.append(key_table(class_keys(target, place)))
    return "\n".join(parts)


def prefix(name: str) -> str:
    """Return the key below which a group's option lies."""
    return "data.NAME" if name == "synthesizer" else name


def opening(file: Path) -> str:
    """Return the comment that a configuration opens with."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#") or line.startswith("#   "):
            break
        lines.append(line.removeprefix("#").strip())
    return sentence(" ".join(lines))


def targets(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Find the classes that a configuration names, with the keys below which they lie."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield place, node["_target_"]
        for key, child in node.items():
            yield from targets(child, f"{place}.{key}" if place else str(key))


def class_keys(target: str, place: str) -> list[tuple[str, ...]]:
    """Return the parameters of a class or function with their defaults and sentences."""
    taken = get_object(target)
    bases = reversed(inspect.getmro(taken)) if inspect.isclass(taken) else [taken]
    described: dict[str, str] = {}
    for base in bases:
        described |= parameters(base)
    rows = []
    for name, parameter in inspect.signature(taken).parameters.items():
        value = parameter.default
        shown = "required" if value is inspect.Parameter.empty else code(repr(value))
        if "factory" in shown or "<" in shown or " at 0x" in shown:
            shown = ""
        text = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"`\1`", described.get(name, ""))
        rows.append((code(f"{place}.{name}"), shown, sentence(text.replace("``", "`"))))
    return rows


TEXTS = {"commands": commands, "keys": keys}


def fill(app: Sphinx, name: str, source: list[str]) -> None:
    """Put generated text in the place of its marker."""
    for marker, text in TEXTS.items():
        line = f"<!-- {marker} -->"
        if line in source[0]:
            source[0] = source[0].replace(line, text())


def always_new(app: Sphinx, *names: Any) -> list[str]:
    """Read these pages in each build: what they are made of lies in other files."""
    return ["reference/commands", "reference/keys"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Fill pages as they are read."""
    app.connect("source-read", fill)
    app.connect("env-get-outdated", always_new)
    return {"parallel_read_safe": True}
