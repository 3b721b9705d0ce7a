"""The picture of the house: who may import whom, and what comes with an import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import speech_rnn
from speech_rnn.config.app import CONF, recipes

PACKAGE = Path(speech_rnn.__file__).parent
ROOT = PACKAGE.parent

# A room may import from the floors below its own, and within its own folder.
FLOORS = [
    {"errors", "onnx_format", "starter"},
    {"audio", "device", "gate", "machine", "samples", "stopping"},
    {"microphone", "sources"},
    {"vocabulary", "pretrained"},
    {"features", "model", "augment", "metrics", "language"},
    {"decoding", "data", "engines"},
    {"detection", "events", "long_audio", "spotting_options", "streaming"},
    {"hearing", "recognizer", "triggers"},
    {"listening", "spotting_files"},
    {"answering", "event_writing", "knowledge", "progress"},
    {"evaluation", "calibration", "cost", "detecting"},
    {"training", "conditions", "auditing", "exporting", "searching", "tuning"},
    {"listening_page", "reporting"},
    {"language_training", "gradients", "benchmarking"},
    {"terminal"},
    {"config", "parts"},
    {"search_space"},
    {
        "train",
        "evaluate",
        "transcribe",
        "spot",
        "listen",
        "generate",
        "recipes",
        "report",
        "export",
        "models",
        "benchmark",
    },
    {"stress", "audit", "search", "detect", "tune"},
    {"cli"},
    {"__main__"},
]
DOORS = sorted(FLOORS[-4] | FLOORS[-3] | FLOORS[-2])
HYDRA = {"config", "parts", "search_space", "train", "evaluate", *FLOORS[-3]}


def rooms():
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if name != "__init__":
            yield name, path


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def floor(name):
    return next(height for height, names in enumerate(FLOORS) if name in names)


@pytest.mark.parametrize(("name", "path"), list(rooms()), ids=str)
def test_imports_go_downward(name, path):
    for module in imports(path):
        package, _, rest = module.partition(".")
        if package == "speech_rnn" and rest:
            other = rest.split(".")[0]
            assert other == name or floor(other) < floor(name), f"{name} imports {other}"
        if package in ("hydra", "omegaconf"):
            assert name in HYDRA, f"{name} knows Hydra"
        if package == "soundfile":
            assert name == "audio", f"{name} opens sound files"


HEAVY = {
    "hydra",
    "omegaconf",
    "pytorch_lightning",
    "lightning",
    "matplotlib",
    "typer",
    "tensorboard",
}


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("speech_rnn", HEAVY | {"torch", "soundfile"}),
        ("speech_rnn.audio", HEAVY | {"torch"}),
        ("speech_rnn.streaming.gate", HEAVY | {"torch", "soundfile"}),
        ("speech_rnn.streaming.chunks", HEAVY | {"torch", "soundfile"}),
        ("speech_rnn.listening.microphone", HEAVY | {"torch", "soundfile", "sounddevice"}),
        ("speech_rnn.metrics", HEAVY | {"torch"}),
        ("speech_rnn.detection.matching", HEAVY | {"torch", "soundfile"}),
        ("speech_rnn.features", HEAVY),
        ("speech_rnn.model", HEAVY),
        ("speech_rnn.recognizer", HEAVY),
        ("speech_rnn.cli", HEAVY - {"typer"} | {"torch"}),
    ],
)
def test_an_import_brings_no_more_than_it_needs(module, forbidden):
    code = f"import sys, {module}; print(*(sys.modules.keys() & {forbidden!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []


@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_thin(door):
    lines = (PACKAGE / f"{door}.py").read_text().splitlines()
    assert len(lines) < 80, "a door reads, calls and prints"
    assert not {"torch", "numpy"} & set(imports(PACKAGE / f"{door}.py"))


def test_every_recipe_has_its_page_and_its_test():
    pages = {path.parent.name for path in (ROOT / "recipes").glob("*/README.md")}
    tests = {path.stem.removeprefix("test_") for path in (ROOT / "tests/recipes").glob("test_*.py")}
    assert pages == tests == set(recipes())


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_opens_with_a_comment(path):
    assert path.read_text().startswith("#")


def test_public_names_exist():
    for name in speech_rnn.__all__:
        assert getattr(speech_rnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        speech_rnn.Recogniser  # noqa: B018
