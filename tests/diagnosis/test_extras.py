"""Which extras are complete, on a package whose requirements are made up."""

import re
from importlib.metadata import PackageNotFoundError, version

import pytest

from speech_rnn.diagnosis import extras
from speech_rnn.diagnosis.extras import find_extras
from tests.test_architecture import ROOT

REQUIRES = [
    "numpy>=1.24",
    "torch>=2.6",
    'sounddevice>=0.5; extra == "mic"',
    'starlette>=0.46; extra == "serve"',
    "python-multipart>=0.0.18; extra == 'serve'",
    'speech_rnn[mic,serve]; extra == "dev"',
    'never-there>=1; python_version < "3" and extra == "dev"',
    'pytest>=8; extra == "dev"',
]
INSTALLED = {
    "numpy": "2.0",
    "torch": "2.6.0+cpu",
    "sounddevice": "0.5.1",
    "starlette": "0.46.2",
    "python-multipart": "0.0.20",
    "pytest": "8.3",
}


@pytest.fixture
def found(monkeypatch):
    """Return a function that finds the extras where some packages have other versions."""

    def find(**changed):
        there = {**INSTALLED, **changed}

        def version(name):
            if there.get(name) is None:
                raise PackageNotFoundError(name)
            return there[name]

        monkeypatch.setattr(extras, "version", version)
        return {each.name: each for each in find_extras("speech-rnn", REQUIRES)}

    return find


def test_all_is_there(found):
    each = found()
    assert list(each) == ["", "mic", "serve", "dev"]
    assert {(one.missing, one.line) for one in each.values()} == {((), None)}


def test_a_missing_package_is_named_in_each_extra_that_brings_it(found):
    each = found(sounddevice=None)
    assert each["mic"].missing == each["dev"].missing == ("sounddevice>=0.5",)
    assert re.fullmatch(r"pip install .*\[mic\]'", each["mic"].line)
    assert each["serve"].line is None


def test_an_old_version_is_missing(found):
    assert found(starlette="0.45.9")["serve"].missing == ("starlette>=0.46",)
    assert found(starlette="0.46.0")["serve"].missing == ()


def test_a_light_install_stays_light(found):
    each = found(torch=None, starlette=None, pytest=None)
    assert each[""].missing == ("torch>=2.6",)
    assert re.fullmatch(r"pip install .*speech[-_]rnn'|pip install -e '[^\[]*'", each[""].line)
    assert each["serve"].line == "pip install 'starlette>=0.46'"
    assert "[dev]" in each["dev"].line


def test_the_extras_that_work_in_a_light_install_exist():
    declared = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{name} = [" in declared for name in extras.LIGHT)


def test_the_requirements_of_this_package_are_read():
    """Those of the checkout, whatever was installed: the file has them without the marker."""
    text = (ROOT / "pyproject.toml").read_text()
    (plain,) = re.findall(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)
    (whole,) = find_extras("speech-rnn", re.findall(r'"([^"]+)"', plain))
    assert (whole.missing, whole.line) == ((), None)
    assert version("packaging")
