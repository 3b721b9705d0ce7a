"""The picture of the house: who may import whom, and what comes with an import."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import speech_rnn
from speech_rnn.config.app import CONF, recipes

PACKAGE = Path(speech_rnn.__file__).parent
ROOT = PACKAGE.parent

# A folder may import from the levels below its own, and within itself, without a circle.
LEVELS = [
    {"errors", "starter", "tensors"},
    {"storage", "samples"},
    {"vocabulary", "audio", "features", "metrics", "parallel"},
    {"model"},
    {"engines", "augment", "data", "language"},
    {"decoding", "synthesis"},
    {"streaming"},
    {"recognizer"},
    {"listening", "detection", "evaluation"},
    {"diagnosis", "exporting", "learning", "training"},
    {"browser"},
    {"reporting", "benchmarking", "ovos", "serving"},
    {"config"},
    {
        "audit",
        "benchmark",
        "detect",
        "doctor",
        "evaluate",
        "export",
        "forget",
        "generate",
        "learn",
        "listen",
        "models",
        "page",
        "recipes",
        "report",
        "search",
        "serve",
        "shard",
        "spot",
        "stress",
        "train",
        "transcribe",
        "tune",
    },
    {"cli"},
    {"__main__"},
]
VERBS = LEVELS[-3]
SHARED = {"errors", "vocabulary", "recognizer"}
HYDRA = {"config", *VERBS}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imported(path):
    """Return the modules of the package that a file imports."""
    for name in imports(path):
        parts = name.removeprefix("speech_rnn.").split(".")
        module = next(
            (m for end in (len(parts), len(parts) - 1) if (m := ".".join(parts[:end])) in MODULES),
            "",
        )
        if name.startswith("speech_rnn.") and module:
            yield module


def room(module):
    return module.partition(".")[0]


def level(name):
    return next(height for height, names in enumerate(LEVELS) if name in names)


def test_a_file_at_the_top_is_a_verb_or_shared():
    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files == VERBS | SHARED | {"__init__", "__main__", "cli"}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {""}))
def test_imports_go_downward(module):
    name = room(module)
    for other in map(room, imported(MODULES[module])):
        assert other == name or level(other) < level(name), f"{module} imports {other}"
    for package in (given.partition(".")[0] for given in imports(MODULES[module])):
        if package in ("hydra", "omegaconf"):
            assert name in HYDRA, f"{module} knows Hydra"
        if package == "soundfile":
            assert name == "audio", f"{module} opens sound files"


def test_no_two_files_import_each_other():
    graph = {name: {*imported(path)} - {name} for name, path in MODULES.items() if name}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")


def test_no_private_name_leaves_its_file():
    for module, path in MODULES.items():
        for name in imports(path):
            package, _, rest = name.partition(".")
            if package == "speech_rnn":
                private = rest.rpartition(".")[2].startswith("_")
                assert not private or rest == "__version__", f"{module} imports {name}"


HEAVY = {
    "hydra",
    "omegaconf",
    "pytorch_lightning",
    "lightning",
    "matplotlib",
    "typer",
    "tensorboard",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        (
            (
                "speech_rnn",
                "speech_rnn.streaming.gate",
                "speech_rnn.streaming.chunks",
                "speech_rnn.detection.matching",
            ),
            HEAVY | {"torch", "soundfile"},
        ),
        (
            ("speech_rnn.listening.microphone",),
            HEAVY | {"torch", "soundfile", "sounddevice"},
        ),
        (("speech_rnn.audio", "speech_rnn.metrics"), HEAVY | {"torch"}),
        (("speech_rnn.features", "speech_rnn.model"), HEAVY | {"soundfile"}),
        (
            (
                "speech_rnn.recognizer",
                "speech_rnn.training.settings",
                "speech_rnn.training.claiming",
                "speech_rnn.reporting.terminal",
            ),
            HEAVY,
        ),
        (("speech_rnn.cli",), HEAVY - {"typer"} | {"torch"}),
    ],
)
def test_an_import_brings_no_more_than_it_needs(modules, forbidden):
    """Those that need as little are imported one after the other: it takes seconds for each."""
    tell = f"print(*(sys.modules.keys() & {forbidden!r}))"
    code = "; ".join(["import sys", *(f"import {module}; {tell}" for module in modules)])
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    found = dict(zip(modules, result.stdout.splitlines(), strict=True))
    assert found == dict.fromkeys(modules, "")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verb_is_thin(verb):
    tree = ast.parse((PACKAGE / f"{verb}.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        n_statements = sum(isinstance(node, ast.stmt) for node in ast.walk(function))
        assert n_statements < 40, f"{verb}.{function.name}: a verb reads, calls and prints"
    assert not {"torch", "numpy"} & set(imports(PACKAGE / f"{verb}.py"))


ENDED = {"custom_stream"}
"""Recipes that have become part of another, as their pages say."""


def test_every_recipe_has_its_page_and_its_test():
    pages = {path.parent.name for path in (ROOT / "recipes").glob("*/README.md")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests/recipes").glob("test_*.py")}
    scripts = {path.parent.name for path in (ROOT / "recipes").glob("*/*.py")}
    assert pages == tests
    assert set(recipes()) <= pages <= set(recipes()) | scripts | ENDED


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_opens_with_a_comment(path):
    assert path.read_text().startswith("#")


def test_the_page_of_the_house_is_true():
    page = (ROOT / "docs/house.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:speech_rnn|conf)/[\w/.]+)`", page))
    assert named
    assert {name for name in named if not (ROOT / name).exists()} == set()
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(re.findall(r"^\|[ \d]*\| `(\w+)/` \|", page, re.M))


def test_all_stands_where_names_are_public():
    """Elsewhere a leading underscore says what is private; the test above holds it."""
    for module, path in MODULES.items():
        is_public = path.name == "__init__.py" or module in SHARED
        assert is_public or "__all__" not in path.read_text(), f"{module} has __all__"


def test_public_names_exist():
    for name in speech_rnn.__all__:
        assert getattr(speech_rnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        speech_rnn.Recogniser  # noqa: B018
