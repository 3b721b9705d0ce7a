"""Recognising alone takes no PyTorch: neither an import of it, nor the light install."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from speech_rnn.audio import write_audio
from speech_rnn.errors import PLAIN
from speech_rnn.exporting import export_onnx
from tests.listeners import scene, train_listener
from tests.shared import made_once
from tests.test_architecture import ROOT
from tests.test_recognizer import untrained

SAID = ["low", "high", "high", "middle"]
ABSENT = sorted(PLAIN - {"rich"})
BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({ABSENT}))"
MOST_BYTES = 120_000_000

MODULES = [
    "speech_rnn",
    "speech_rnn.audio",
    "speech_rnn.recognizer",
    "speech_rnn.engines.onnx_engine",
    "speech_rnn.decoding.choosing",
    "speech_rnn.decoding.grammar",
    "speech_rnn.streaming.stream",
    "speech_rnn.listening.feed",
    "speech_rnn.listening.files",
    "speech_rnn.listening.live",
    "speech_rnn.listening.writers",
    "speech_rnn.transcribe",
    "speech_rnn.spot",
    "speech_rnn.listen",
    "speech_rnn.doctor",
    "speech_rnn.diagnosis.examination",
    "speech_rnn.diagnosis.installation",
    "speech_rnn.reporting.diagnosis",
    "speech_rnn.reporting.progress",
    "speech_rnn.cli",
    "speech_rnn.train",
    "speech_rnn.evaluate",
    "speech_rnn.stress",
    "speech_rnn.audit",
    "speech_rnn.search",
    "speech_rnn.detect",
    "speech_rnn.tune",
]


def test_recognition_imports_nothing_heavy():
    wanted = f"import sys, {', '.join(MODULES)}; print(*(sys.modules.keys() & {set(ABSENT)!r}))"
    done = subprocess.run([sys.executable, "-c", wanted], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_it_is_imported_where_nothing_heavy_is():
    code = f"{BLOCKED}; import {', '.join(MODULES)}; speech_rnn.Recognizer, speech_rnn.load_audio"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("light")
    listener = train_listener(bidirectional=False)
    model = export_onnx(listener, streaming=True)
    (folder / "tones.onnx").write_bytes(model.SerializeToString())
    untrained().save(folder / "weights.safetensors")
    waveform, _ = scene(SAID, seed=1)
    write_audio(folder / "scene.wav", waveform)
    (folder / "said.jsgf").write_text("public <said> = (low | middle | high)+;")
    return folder


# Runs command lines one after the other; after each, the code that it ends with.
RUN_EACH = f"""
{BLOCKED}
import json, runpy
for verb, module, arguments in json.load(sys.stdin):
    sys.argv[1:] = arguments if module else [verb, *arguments]
    code = 0
    try:
        runpy.run_module("speech_rnn." + verb if module else "speech_rnn", run_name="__main__")
    except SystemExit as end:
        code = end.code
    print(verb, "ended with", code or 0)
"""


def blocked(folder, *lines, module=False):
    """Run command lines in one process that has nothing heavy."""
    given = [[line[0], module, list(map(str, line[1:]))] for line in lines]
    return subprocess.run(
        [sys.executable, "-c", RUN_EACH],
        cwd=folder,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
    )


MODEL = ("--model", "tones.onnx")
LINES = [
    (("transcribe", *MODEL, "scene.wav"), r"^low high high middle$"),
    (("transcribe", *MODEL, "--beam", 8, "scene.wav"), r"^low high high middle$"),
    (("transcribe", *MODEL, "--grammar", "said.jsgf", "scene.wav"), "^low high high middle$"),
    (("spot", *MODEL, "scene.wav"), "(?s)low.*high.*high.*middle"),
    (("spot", *MODEL, "--gate", "scene.wav"), "(?s)low.*high.*high.*middle"),
    (("listen", *MODEL, "--input", "scene.wav", "--fast"), "(?s)low.*high.*high.*middle"),
    (("doctor", *MODEL, "scene.wav"), "^  answer        low high high middle, "),
    (("doctor",), "^  recogniser    answers as it should"),
]
ANSWERS = pytest.mark.parametrize(
    ("arguments", "heard"),
    LINES,
    ids=lambda given: " ".join(map(str, given)) if isinstance(given, tuple) else "",
)


HEAVY_LINES = [
    ("train", "+recipe=digits"),
    ("evaluate", "model=tones.onnx"),
    ("evaluate", "--references", "said.jsgf", "--hypotheses", "said.jsgf"),
    ("stress", "model=tones.onnx"),
    ("audit",),
    ("search",),
    ("detect", "model=tones.onnx"),
    ("tune", "model=tones.onnx"),
    ("report", "."),
    ("recipes",),
    ("generate", "--lm", "weights.safetensors"),
    ("transcribe", "--model", "weights.safetensors", "scene.wav"),
    ("listen", "--model", "weights.safetensors"),
]


@pytest.mark.slow
@pytest.mark.parametrize("module", [False, True])
def test_an_exported_file_is_enough(folder, module):
    done = blocked(folder, *(arguments for arguments, _ in LINES), module=module)
    *answers, last = re.split(r"^\w+ ended with 0\n", done.stdout, flags=re.MULTILINE)
    assert (len(answers), last) == (len(LINES), ""), done.stdout + done.stderr
    for answer, (_, heard) in zip(answers, LINES, strict=True):
        assert re.search(heard, answer, re.MULTILINE)


@pytest.mark.parametrize("module", [False, True])
def test_missing_extras_are_named(folder, module):
    done = blocked(folder, *HEAVY_LINES, module=module)
    assert done.stdout.splitlines() == [f"{verb} ended with 1" for verb, *_ in HEAVY_LINES]
    lines = done.stderr.splitlines()
    assert len(lines) == len(HEAVY_LINES)
    for line in lines:
        assert re.fullmatch(
            r"error: package='\w+' is not installed.*: run  pip install \S* ?'.*'", line
        )


@pytest.fixture(scope="module")
def light():
    """The README's own line, run in a checkout: the folder of the environment that it makes."""
    return made_once("light", install) / "light"


def install(checkout):
    for name in ("speech_rnn", "conf"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "light.txt"):
        shutil.copy(ROOT / name, checkout)
    line = re.search(r"^python3 -m venv .*-r light\.txt.*$", (ROOT / "README.md").read_text(), re.M)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-euc", line[0]], cwd=checkout, env=clean() | {"PATH": path}, check=True
    )


def clean():
    """The environment of a user: nothing leads back to this checkout, and bytecode is kept."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def size(folder):
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
@ANSWERS
def test_the_light_install_recognises(light, folder, arguments, heard):
    done = subprocess.run(
        [light / "bin/speech-rnn", *map(str, arguments)],
        cwd=folder,
        env=clean(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(heard, done.stdout, re.MULTILINE)


@pytest.mark.slow
def test_the_light_install_is_light(light, folder, tmp_path):
    python = light / "bin/python"
    for package in ("torch", "torchaudio", "scipy", "hydra", "onnx"):
        done = subprocess.run([python, "-c", f"import {package}"], capture_output=True, text=True)
        assert f"No module named '{package}'" in done.stderr
    wrong = subprocess.run(
        [light / "bin/speech-rnn", "transcribe", "--model", "weights.safetensors", "scene.wav"],
        cwd=folder,
        env=clean(),
        capture_output=True,
        text=True,
    )
    assert re.fullmatch(r"error: package='torch' is not.*pip install -e '.*'\n", wrong.stderr)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "empty"], env=clean(), check=True)
    assert size(light) - size(tmp_path / "empty") <= MOST_BYTES
