"""Sentences that a user meets, and those of them that cannot be read alone.

``python -m tests.plain_words`` lists them.
"""

import ast
import re
from itertools import pairwise
from pathlib import Path

import typer
import yaml

import speech_rnn
from speech_rnn.cli import HYDRA_VERBS, app
from speech_rnn.config.app import CONF, recipe_lines

PACKAGE = Path(speech_rnn.__file__).parent
DANGLING = re.compile(
    r"(above|after|against|at|before|below|beside|besides|between|beyond|by|for|from|in|into|of|on"
    r"|onto|over|per|so (many|much|long)|than|that|to|under|until|what|where|which|who|whoever|whom"
    r"|whose|with|within|without)\b",
    re.IGNORECASE,
)
"""A sentence that begins so depends on one before it."""
DIALECT = re.compile(
    r"\b(told|tells? (its|the)|heard|hears|taught|learnt|whoever|at hand|is none of|are none of"
    r"|goes on|nobody|a man never)\b",
    re.IGNORECASE,
)
"""Words for which the field has others."""
MEANING = re.compile(r"^ *\w+: [^#]*# (.+)$")
WARNERS = {"warn", "warning", "tell", "info", "print"}


def parameters_of(command):
    """Yield the texts of a command of typer, of its options, and of its commands."""
    yield command.help
    for parameter in command.params:
        yield getattr(parameter, "help", None)
    for child in getattr(command, "commands", {}).values():
        yield from parameters_of(child)


def help_texts():
    """Yield the help of verbs, options, arguments, recipes and keys of ``conf/``."""
    yield from filter(None, parameters_of(typer.main.get_command(app)))
    yield from HYDRA_VERBS.values()
    yield from (line.split(maxsplit=1)[1] for line in recipe_lines())
    for path in sorted(CONF.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        yield from (found[1] for line in text.splitlines() if (found := MEANING.match(line)))
        yield from yaml.safe_load(text)["hydra"]["help"]["template"].split("\n\n")


def text_of(node):
    """Return a text of the code, with … for a value, or None for another node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "…" for part in node.values)
    return None


def messages(path):
    """Yield each message of a file: errors, warnings, lines of the log and of the terminal."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        call = node.exc if isinstance(node, ast.Raise) else node
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func).rpartition(".")[2].lstrip("_")
        if isinstance(node, ast.Raise) or name in WARNERS:
            yield from (text for one in call.args[:1] if (text := text_of(one)))


def parameter_lines(path):
    """Yield the meaning of each parameter that a docstring of a file describes."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        lines = (ast.get_docstring(node) or "").splitlines() if isinstance(node, documented) else []
        section = ""
        for line, below in pairwise([*lines, ""]):
            if below and set(below) == {"-"}:
                section = line
            name, colon, meaning = line.partition(" : ")
            if section in ("Parameters", "Attributes") and colon and not line.startswith(" "):
                yield name, meaning


def unclear(texts):
    """Return those that begin with a dangling word, or are in dialect."""
    return [text for text in texts if DANGLING.match(text.strip()) or DIALECT.search(text)]


def files():
    """Return the files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def pages():
    """Return the pages of the site, of the recipes and of the report, and the two cards."""
    root = PACKAGE.parent
    own = [path for ending in ("md", "html") for path in PACKAGE.rglob(f"*.{ending}")]
    site = [path for path in (root / "docs").rglob("*.md") if path.parent.name != "recipes"]
    recipes = (root / "recipes").glob("*/README.md")
    return sorted([*own, *site, *recipes, *root.glob("*.md")])


def dialect_of_pages():
    """Return the lines of the pages that are in dialect, each with its file."""
    return [
        f"{path.relative_to(PACKAGE.parent)}: {line}"
        for path in pages()
        for line in path.read_text(encoding="utf-8").splitlines()
        if DIALECT.search(line)
    ]


def unclear_messages():
    """Return the unclear errors and warnings of the package, each with its file."""
    return [f"{path.name}: {text}" for path in files() for text in unclear(messages(path))]


def dangling_parameters():
    """Return the lines of parameters of the package that begin with a dangling word."""
    return [
        f"{path.relative_to(PACKAGE)}: {name} : {meaning}"
        for path in files()
        for name, meaning in parameter_lines(path)
        if DANGLING.match(meaning)
    ]


if __name__ == "__main__":
    print(*unclear(help_texts()), *unclear_messages(), *dangling_parameters(), sep="\n")
