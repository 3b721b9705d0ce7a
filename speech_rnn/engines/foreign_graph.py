"""Refuse ONNX files of strangers that could compute without end or fill the memory.

A file may hold only the operators that `speech_rnn.exporting` writes, none of which loops or calls
code of its own, and no constant that asks for a tensor of gigabytes. The file is read as protocol
buffers lay it out, field by field, so that neither the package onnx nor ONNX Runtime has to trust
it first. Whoever means harm can still make a graph slow: its time is not bounded.
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
"""Operators of ONNX itself; the last line is of files of 8 bits."""
OPERATORS = frozenset(WRITTEN.split())
MICROSOFT = frozenset({"DynamicQuantizeLSTM", "QLinearLeakyRelu"})
"""Operators of ONNX Runtime's own domain."""
MOST_NODES = 20_000
MOST_SIZE = 2**22
"""A size that a constant or an attribute gives; from `NO_END` on it means the end of an axis."""
NO_END = 2**60
MOST_VALUES = 2**26
"""Values of a tensor whose sizes are constants."""
INT64 = 7

Field = tuple[int, int | memoryview]


class _NotOnnxError(Exception):
    """Bytes that are no protocol buffer; ONNX Runtime says so in its own words."""


def check_graph(path: str | Path) -> None:
    """Refuse a file whose graph holds what the exporter never writes.

    A file that is missing or no ONNX file passes: loading it says so.

    Raises
    ------
    ModelError
        for operators, functions, graphs inside nodes, data in other files and sizes that no
        exported file has.
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
    """Return what a model has that is not ours."""
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
    """Return what is wrong with a node, and the name of the shape that it expands to."""
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
    """Return what is wrong with a constant, its name, and its values where they may be sizes."""
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
    """Yield number and value of each field: an integer, or the bytes of what is inside."""
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
    """Return a number of 7 bits a byte, and the place behind it."""
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
    """Return a repeated field's integers: one, or packed ones."""
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
