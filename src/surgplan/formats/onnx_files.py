"""Which files beside it an ONNX file reads its weights from: looked up without any library, before one opens it.

Source: onnx.proto (ONNX, Apache-2.0): field numbers of ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto;
Protocol Buffers encoding, protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MODEL, GRAPH, NODE, ATTRIBUTE, TENSOR, SPARSE, ENTRY, FUNCTION, TRAINING = range(9)
INSIDE = {
    MODEL: {7: GRAPH, 20: TRAINING, 25: FUNCTION},
    GRAPH: {1: NODE, 5: TENSOR, 15: SPARSE},
    NODE: {5: ATTRIBUTE},
    ATTRIBUTE: {5: TENSOR, 6: GRAPH, 10: TENSOR, 11: GRAPH, 22: SPARSE, 23: SPARSE},
    TENSOR: {13: ENTRY},
    SPARSE: {1: TENSOR, 2: TENSOR},
    FUNCTION: {7: NODE, 11: ATTRIBUTE},
    TRAINING: {1: GRAPH, 2: GRAPH},
}
"""Kind of message → number of a field that holds messages → their kind, as far as tensors can lie below."""
DEEPEST = 64
"""No real network nests its graphs deeper."""


@dataclass(frozen=True, slots=True)
class _Field:
    """One length-delimited field: its number, and where its bytes lie."""

    number: int
    start: int
    stop: int


def external_files(data: bytes) -> frozenset[str]:
    """The `location` of every tensor that keeps its values in another file, as the ONNX file writes it.

    Raises
    ------
    ValueError
        The bytes are no ONNX file.
    """
    return frozenset(_locations(memoryview(data), MODEL, 0, len(data), 0))


def _locations(data: memoryview, kind: int, start: int, stop: int, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise ValueError(f"its graphs lie more than {DEEPEST} deep in one another")
    entry: dict[int, str] = {}
    for found in _fields(data, start, stop):
        if kind == ENTRY:
            entry[found.number] = bytes(data[found.start : found.stop]).decode("utf-8", "replace")
        elif found.number in INSIDE[kind]:
            yield from _locations(data, INSIDE[kind][found.number], found.start, found.stop, depth + 1)
    if entry.get(1) == "location":
        yield entry.get(2, "")


def _fields(data: memoryview, at: int, stop: int) -> Iterator[_Field]:
    while at < stop:
        key, at = _varint(data, at, stop)
        wire = key & 7
        if wire == 0:
            _, at = _varint(data, at, stop)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            length, at = _varint(data, at, stop)
            if at + length > stop:
                raise ValueError("a field reaches beyond its end")
            yield _Field(key >> 3, at, at + length)
            at += length
        else:
            raise ValueError(f"a field has the unknown kind {wire}")
    if at != stop:
        raise ValueError("its last field is cut short")


def _varint(data: memoryview, at: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number in it is cut short")
