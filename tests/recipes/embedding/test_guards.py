import numpy as np
import pytest
from distillation.guards import learnable, refuse_tested
from distillation.settings import Settings
from distillation.sources import sources

from speech_rnn.audio import write_audio
from speech_rnn.data.speech_commands import which_set
from speech_rnn.errors import ConfigurationError, DataError
from tests.real import SHARED, needs_shared

SPEAKERS = {which_set(f"{n:08x}_nohash_0.wav"): f"{n:08x}" for n in range(200)}


def tree(root):
    """Write a tree that has all that may be learnt from, and all that may not."""
    names = [f"speech_commands_v0.02/yes/{speaker}_nohash_0.wav" for speaker in SPEAKERS.values()]
    names += [f"speech_commands_v0.02/no/{SPEAKERS['train']}_nohash_1.flac"]
    names += ["speech_commands_v0.02/_background_noise_/pink_noise.wav"]
    names += ["speech_commands_v0.02/_background_noise_/running_tap.wav"]
    names += ["speech_commands_test_set_v0.02/yes/a_nohash_0.wav", "digits/0_george_0.wav"]
    names += ["keywords/alexa/one.wav", "noise/running_tap.wav", "noise/pink_noise.wav"]
    names += ["speech/somebody-1.flac"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_audio(root / name, np.zeros(1600, np.float32), 16_000)


def test_test_material_is_never_listed(tmp_path):
    tree(tmp_path)
    assert set(SPEAKERS) == {"train", "validation", "test"}
    listed = {str(file.relative_to(tmp_path)) for file in learnable(tmp_path)}
    assert listed == {
        f"speech_commands_v0.02/yes/{SPEAKERS['train']}_nohash_0.wav",
        f"speech_commands_v0.02/no/{SPEAKERS['train']}_nohash_1.flac",
        "speech_commands_v0.02/_background_noise_/pink_noise.wav",
        "noise/pink_noise.wav",
        "speech/somebody-1.flac",
    }


@pytest.mark.parametrize("name", ["words", "speech", "noise"])
@pytest.mark.parametrize("folder", ["digits", "keywords/alexa", "speech_commands_test_set_v0.02"])
def test_folders_that_are_tested_on_are_refused(tmp_path, name, folder):
    tree(tmp_path)
    with pytest.raises(ConfigurationError, match=f"{name}=.*is used for tests"):
        refuse_tested([str(tmp_path / folder)], name)
    with pytest.raises(ConfigurationError, match=f"{name}=.*is used for tests"):
        next(sources(tmp_path, Settings(**{name: (str(tmp_path / folder),)})))


def test_a_link_does_not_hide_test_material(tmp_path):
    tree(tmp_path)
    (tmp_path / "mine").symlink_to(tmp_path / "digits")
    with pytest.raises(ConfigurationError, match="is used for tests"):
        refuse_tested([str(tmp_path / "mine")], "words")


def test_a_folder_without_speech_is_refused(tmp_path):
    pytest.importorskip("wordfreq")
    with pytest.raises(DataError, match=r"must hold speech_commands_v0.02/ or speech/"):
        next(sources(tmp_path, Settings()))


@needs_shared
def test_test_material_of_the_real_folders_is_never_listed():
    listed = learnable(SHARED)
    assert listed
    clips = [file for file in listed if "_nohash_" in file.name]
    assert clips
    assert {which_set(file.name) for file in clips} == {"train"}
    tops = {file.relative_to(SHARED).parts[0] for file in listed}
    assert {"speech", "noise"} <= tops
    assert not tops & {"digits", "keywords", "speech_commands_test_set_v0.02"}
    assert not [file for file in listed if "running_tap" in file.name]
