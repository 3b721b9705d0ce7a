"""Damage to files: of any bytes, of the JSON that describes a model, and of settings."""

import json
from copy import deepcopy

import onnx
import yaml
from safetensors import safe_open
from safetensors.torch import save

TOKENS = (
    *(b"nan", b"inf", b"-1", b"0", b"1e999", b"10000000000000000", b"null", b"true", b'"x"', b"[]"),
    *(b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n\n", b"((((", b"[[[[", b"<a>", b"|", b";", b"\\"),
)
VALUES = (
    *(None, True, -1, 0, 1, 0.5, 1e-300, 1e300, 10**6, 2**31, 2**40, 10**30, float("nan")),
    *("", "x", "gru", "ctc", [], [1], ["x"], {}, {"x": 1}, [[]], {"low": "x"}),
)
STATED = (".safetensors", ".onnx", ".yaml", ".line")
"""Endings of files that state values."""


def bytes_of(random, content):
    """Return content with a few bytes, stretches or tokens changed."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        place = random.randrange(len(damaged) + 1)
        stop = min(len(damaged), place + random.choice((1, 2, 4, 8, 64, 1024)))
        kind = random.randrange(6)
        if kind == 0 and place < len(damaged):
            damaged[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            damaged[place:stop] = random.randbytes(stop - place)
        elif kind == 2:
            del damaged[place:stop]
        elif kind == 3:
            damaged[place:place] = damaged[place:stop] * random.choice((1, 2, 50))
        elif kind == 4:
            damaged[place:place] = random.choice(TOKENS)
        else:
            del damaged[place:]
    return bytes(damaged)


def described(random, path):
    """Return a file with a few of the values that it states replaced, or left out."""
    if path.suffix == ".line":
        return _lines(random, path.read_text()).encode()
    if path.suffix == ".yaml":
        head, _, text = path.read_text().partition("\n")
        return f"{head}\n{yaml.dump(_replaced(random, yaml.safe_load(text)))}".encode()
    if path.suffix == ".onnx":
        model = onnx.load(path)
        entry = model.metadata_props[0]
        entry.value = _json(random, entry.value)
        return model.SerializeToString()
    with safe_open(path, framework="pt") as file:
        [(key, text)] = file.metadata().items()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return save(tensors, {key: _json(random, text)})


def _json(random, text):
    return json.dumps(_replaced(random, json.loads(text)))


def _lines(random, text):
    """Return a command line with another value of a key, or without its value."""
    lines = text.split("\n")
    place = random.randrange(len(lines))
    key, sign, _ = lines[place].partition("=")
    value = random.choice(
        (json.dumps(random.choice(VALUES)), random.choice(TOKENS).decode("latin"))
    )
    lines[place] = random.choice((f"{key}{sign}{value}", key, f"{key}.{value}{sign}1", value))
    return "\n".join(lines)


def _replaced(random, description):
    places = list(_places(description))
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        parent, key = random.choice(places)
        if random.random() < 0.1 and isinstance(parent, dict):
            parent.pop(key, None)
        elif isinstance(parent, dict) or key < len(parent):
            parent[key] = deepcopy(random.choice(VALUES))
    return description


def _places(value):
    """Yield every place inside, as its container and key."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places(inner)


def damaged(random, path):
    """Return a file's content with a few bytes changed, or a few of the values that it states."""
    if path.suffix in STATED and random.random() < 0.7:
        return described(random, path)
    return bytes_of(random, path.read_bytes())
