"""What README.md, the site and the pages of the recipes tell a person to type can be typed."""

import ast
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import soundfile

from speech_rnn import load_audio
from speech_rnn.config.app import recipes
from speech_rnn.errors import ConfigurationError
from tests.checked_commands import PYTHONS, check_command, check_settings

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"README": ROOT / "README.md"}
PAGES |= {page.parent.name: page for page in sorted((ROOT / "recipes").glob("*/README.md"))}
DOCS = {
    page.relative_to(ROOT).with_suffix("").as_posix(): page
    for page in sorted((ROOT / "docs").rglob("*.md"))
    if page.relative_to(ROOT / "docs").parts[0] not in ("_build", "recipes")  # of a build
}
PAGES |= DOCS
PAGES["CONTRIBUTING"] = ROOT / "CONTRIBUTING.md"
SETTING = re.compile(r"\+?[a-z_]+(\.[a-z_]+)*=\S+|[a-z_]+(\.[a-z_]+)+")
FILE = re.compile(r"[\w.]+\.(arpa|bin|csv|html|jsgf|jsonl?|onnx|png|pt|safetensors|svg|yaml)")

INSTALLED = ("apt", "bash", "git", "mypy", "pre-commit", "pytest", "ruff", "sphinx-build")
PROGRAMS = ("pip", "speech-rnn", "light/bin/pip", "light/bin/speech-rnn")


def text_of(page):
    return page.read_text(encoding="utf-8").replace("…", "x")  # what a person fills in


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.S | re.M)


def pages_with(language, pages):
    """Let a test run for each of the pages that have blocks of a language."""
    found = {name: page for name, page in pages.items() if blocks(page, language)}
    return pytest.mark.parametrize("page", found.values(), ids=found)


def typed(page, folder):
    """Let a shell read the commands of a page, and return what each program would be given."""
    calls = folder / "calls"
    programs = "\n".join(
        f'{name}() {{ printf "%s\\0" {name} "$@" >> {calls}; echo >> {calls}; }}'
        for name in (*INSTALLED, *PROGRAMS, *PYTHONS)
    )
    script = "\n".join([programs, *blocks(page, "sh")])
    subprocess.run(["bash", "-eu"], input=script, text=True, cwd=folder, check=True)
    return [line.split("\0")[:-1] for line in calls.read_text().splitlines()]


@pages_with("sh", PAGES)
def test_every_command_of_a_page_is_taken(page, tmp_path):
    commands = typed(page, tmp_path)
    assert commands
    for program, *arguments in commands:
        check_command(program, arguments)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
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


@pages_with("python", DOCS)
def test_the_python_of_the_site_prints_what_the_page_says(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("clip.wav", load_audio(ROOT / "tests/clips/yes.flac", 16_000), 16_000)
    code = "\n".join(blocks(page, "python"))
    exec(compile(code, str(page), "exec"), {})
    said = re.findall(r"^ *print\(.*\)  # (.+)$", code, re.M)
    assert said
    assert capsys.readouterr().out.splitlines() == said


def test_every_option_and_key_of_the_reference_has_a_meaning(monkeypatch):
    pytest.importorskip("sphinx", reason="the site is built with the extra [docs]")
    monkeypatch.syspath_prepend(ROOT / "docs/_extensions")
    reference = import_module("generated_reference")
    for text, column in ((reference.commands(), 2), (reference.keys(), -2)):
        lines = [line for line in text.splitlines() if line.startswith("| `")]
        rows = [re.split(r"(?<!\\)\|", line) for line in lines]
        assert rows
        assert [row[1] for row in rows if not row[column].strip()] == []
