"""Whoever has only the wheel can do it all."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from speech_rnn.browser.writing import STATIC
from speech_rnn.config.app import CONF, recipes
from tests.test_architecture import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", str(ROOT), *options], check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_configuration(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert len(tops) == 2  # the package and its metadata: nothing else reaches site-packages
    for path in CONF.rglob("*.yaml"):
        assert f"speech_rnn/conf/{path.relative_to(CONF).as_posix()}" in names
    assert "speech_rnn/py.typed" in names
    for path in filter(Path.is_file, STATIC.rglob("*")):
        assert f"speech_rnn/browser/static/{path.relative_to(STATIC).as_posix()}" in names


@pytest.mark.slow
def test_every_recipe_composes_from_the_wheel(wheel, tmp_path):
    site = tmp_path / "site"
    options = ("--no-deps", "--quiet", "--target", str(site))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = os.environ | {"PYTHONPATH": str(site)}
    for start in ([sys.executable, "-m", "speech_rnn.train"], [f"{site}/bin/speech-rnn", "train"]):
        command = [*start, "+recipe=digits", "data.root=here", "--cfg", "job"]
        shown = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, check=True
        )
        assert "max_epochs" in shown.stdout
    every = (
        "from speech_rnn.config.app import compose, recipes\n"
        "print(*(n for n in recipes() if 'trainer' in compose('train', ['+recipe=' + n])))"
    )
    composed = subprocess.run(
        [sys.executable, "-c", every], cwd=empty, env=environment, capture_output=True, text=True
    )
    assert composed.stdout.split() == recipes(), composed.stderr
    where = "import speech_rnn.config.app as c; print(c.CONF)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=empty, env=environment, capture_output=True, text=True
    )
    assert found.stdout.strip() == str(site / "speech_rnn/conf")
