"""Reject untrusted ONNX files that could compute without end or exhaust the memory.

A file may contain only the operators that `speech_rnn.exporting` writes, none of which loops or
calls custom code, and no constant that asks for a tensor of gigabytes. The protocol buffers of the
file are parsed field by field, before the package onnx or ONNX Runtime reads it. A malicious graph
can still be slow, because its computing time is not bounded.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path

from speech_rnn.errors import ModelError

WRITTEN = """
    Add Cast Clip Concat Conv CumSum Div Erf Exp Expand Flatten GRU Gather GatherElements GatherND
    Identity LSTM LayerNormalization LeakyRelu Less Log MatMul Max MaxPool Min Mod Mul Neg Pad Pow
    RNN Range ReduceMax ReduceMean ReduceSum ReduceSumSquare Relu Reshape Shape Slice Softmax Split
    Sqrt Squeeze Sub Transpose Unsqueeze Where
    DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QuantizeLinear
"""
"""ONNX's own operators; the last line is for int8 files."""
OPERATORS = frozenset(WRITTEN.split())
MICROSOFT = frozenset({"DynamicQuantizeLSTM", "QLinearLeakyRelu"})
"""Operators of ONNX Runtime's own domain."""
MOST_NODES = 20_000
MOST_SIZE = 2**22
"""Largest size in a constant or an attribute; `NO_END` and above mean the end of an axis."""
NO_END = 2**60
MOST_VALUES = 2**26
"""Largest number of values of a tensor whose sizes are constants."""
INT64 = 7

Field = tuple[int, int | memoryview]


class _NotOnnxError(Exception):
    """The bytes are not a protocol buffer; ONNX Runtime reports that in its own words."""


def check_graph(path: str | Path) -> None:
    """Raise for a file whose graph holds anything that the exporter never writes.

    A file that is missing or not an ONNX file passes; the error then comes from loading it.

    Raises
    ------
    ModelError
        if it contains operators, functions, graphs within nodes, data in other files or sizes that
        no exported file has.
    """
    try:
        with Path(path).open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        problem = _problem(memoryview(content))
    except (OSError, ValueError, _NotOnnxError):
        return
    if problem:
        raise ModelError(
            f"model={str(path)!r} {problem}, which files of speech-rnn export never do: such a "
            "graph could compute without end or fill the memory; export the recogniser again"
        )


def _problem(model: memoryview) -> str | None:
    """Return what a model contains that the exporter does not write, or None."""
    for number, value in _fields(model):
        if number == 25:
            return "defines functions of its own"
        if number == 7 and isinstance(value, memoryview) and (problem := _graph_problem(value)):
            return problem
    return None


def _graph_problem(graph: memoryview) -> str | None:
    constants: dict[str, list[int]] = {}
    shapes = []
    n_nodes = 0
    for number, value in _fields(graph):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            n_nodes += 1
            problem, shape = _node_problem(value)
            shapes.append(shape)
        elif number == 5:
            problem, name, values = _constant(value)
            constants[name] = values
        else:
            problem = "has sparse constants" if number == 15 else None
        if problem:
            return problem
    if n_nodes > MOST_NODES:
        return f"has {n_nodes} nodes, more than {MOST_NODES}"
    for shape in shapes:
        if prod(constants.get(shape, ())) > MOST_VALUES:
            return "expands a tensor to gigabytes"
    return None


def _node_problem(node: memoryview) -> tuple[str | None, str]:
    """Return the problem of a node, and the name of the shape to which it expands."""
    kind, domain, inputs = "", "", []
    for number, value in _fields(node):
        if not isinstance(value, memoryview):
            continue
        if number == 1:
            inputs.append(_text(value))
        elif number == 4:
            kind = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5 and (problem := _attribute_problem(value)):
            return problem, ""
    known = {"": OPERATORS, "ai.onnx": OPERATORS, "com.microsoft": MICROSOFT}
    if kind not in known.get(domain, ()):
        return f"has the operator {f'{domain}:' if domain else ''}{kind}", ""
    return None, inputs[1] if kind == "Expand" and len(inputs) > 1 else ""


def _attribute_problem(attribute: memoryview) -> str | None:
    for number, value in _fields(attribute):
        if number in (6, 11):
            return "has a graph inside a node"
        if number in (5, 10, 22, 23):
            return "has a tensor inside a node"
        if number == 3 and isinstance(value, int):
            sizes = [value]
        elif number == 8:
            sizes = _numbers(value)
        else:
            continue
        if any(abs(_signed(size)) > MOST_SIZE for size in sizes):
            return "asks for a tensor of gigabytes"
    return None


def _constant(tensor: memoryview) -> tuple[str | None, str, list[int]]:
    """Return the problem of a constant, its name, and its values if they may be sizes."""
    name, kind, packed = "", 0, None
    values: list[int] = []
    for number, value in _fields(tensor):
        if (number == 14 and value) or number == 13:
            return "keeps its weights in another file", "", []
        if number == 2 and isinstance(value, int):
            kind = value
        elif number == 7:
            values += [_signed(each) for each in _numbers(value)]
        elif number == 8 and isinstance(value, memoryview):
            name = _text(value)
        elif number == 9 and isinstance(value, memoryview):
            packed = value
    if kind != INT64:
        return None, name, []
    if packed is not None:
        values += struct.unpack(f"<{len(packed) // 8}q", packed[: len(packed) // 8 * 8])
    if any(MOST_SIZE < abs(value) < NO_END for value in values):
        return "asks for a tensor of gigabytes", name, values
    return None, name, values


def _fields(message: memoryview) -> Iterator[Field]:
    """Yield number and value of each field: an integer, or the bytes of a nested field."""
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            integer, place = _varint(message, place)
            yield number, integer
            continue
        size, place = _varint(message, place) if wire == 2 else ({1: 8, 5: 4}.get(wire, 0), place)
        if wire not in (1, 2, 5) or place + size > end:
            raise _NotOnnxError
        yield number, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Decode a varint (7 bits per byte); return its value and the position after it."""
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), place
        shift += 7
    raise _NotOnnxError


def _numbers(value: int | memoryview) -> list[int]:
    """Return the integers of a repeated field: a single one, or packed ones."""
    if isinstance(value, int):
        return [value]
    numbers, place = [], 0
    while place < len(value):
        number, place = _varint(value, place)
        numbers.append(number)
    return numbers


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def _text(value: memoryview) -> str:
    return bytes(value[:200]).decode("utf-8", "replace")
