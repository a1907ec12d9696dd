# SPDX-License-Identifier: Apache-2.0
"""Descriptors of list transfers: what a list moves, how that lies in 128 bytes, and which granules it is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from golden.config import WINDOW_BYTES, NodeConfig
from golden.instruction import signed
from golden.layout import (
    ATTACHED_OFFSET_BITS,
    COORDINATE_BITS,
    EXIT_BITS,
    LIST_COUNT_BITS,
    LIST_DESCRIPTOR_BYTES,
    LIST_DIMENSIONS,
    LIST_MAGIC,
    LIST_STRIDE_BITS,
    OFFSET_BITS,
    SEMAPHORE_ID_BITS,
    UPPER_BITS,
    ListCause,
    ListField,
    ListWord,
    Port,
)

_WORD_BYTES = 8
_COUNT_MASK = (1 << LIST_COUNT_BITS) - 1
_STRIDE_MASK = (1 << LIST_STRIDE_BITS) - 1
_STRIDE_LIMIT = 1 << LIST_STRIDE_BITS - 1
_COORDINATE_MASK = (1 << COORDINATE_BITS) - 1
_SEMAPHORE_MASK = (1 << SEMAPHORE_ID_BITS) - 1
_UPPER_SHIFT = OFFSET_BITS + 2 * COORDINATE_BITS + EXIT_BITS

#: Bytes of granules by their code.
GRANULES = (8, 16, 32, 64)

#: Bits of the control word that mean nothing and are 0.
_RESERVED = ~(
    0x7F_FFFF
    | _SEMAPHORE_MASK << ListField.SOURCE_SEMAPHORE
    | _SEMAPHORE_MASK << ListField.DESTINATION_SEMAPHORE
)  # fmt: skip


class ListError(ValueError):
    """A list that cannot be executed.

    Attributes
    ----------
    cause : ListCause
    address : int or None
        Global address that it is about; None for the descriptor's.
    """

    def __init__(self, cause: ListCause, message: str, address: int | None = None):
        super().__init__(message)
        self.cause = cause
        self.address = address


class End(NamedTuple):
    """What a global address says of one end of a list; ``upper`` are its bits 50 to 63."""

    x: int
    y: int
    exit: int
    upper: int
    offset: int

    @classmethod
    def of(cls, address: int) -> End:
        """The fields of an address of 64 bits."""
        return cls(
            address >> OFFSET_BITS & _COORDINATE_MASK,
            address >> OFFSET_BITS + COORDINATE_BITS & _COORDINATE_MASK,
            address >> OFFSET_BITS + 2 * COORDINATE_BITS & (1 << EXIT_BITS) - 1,
            address >> _UPPER_SHIFT,
            address & WINDOW_BYTES - 1,
        )

    @property
    def attached(self) -> bool:
        """Whether it is not in a node, but in what is attached to a link."""
        return self.exit != Port.LOCAL

    @property
    def base(self) -> int:
        """The offset, with its upper bits where there are any."""
        return self.upper << OFFSET_BITS | self.offset if self.attached else self.offset

    @property
    def limit(self) -> int:
        """Bytes that offsets can name."""
        return 1 << ATTACHED_OFFSET_BITS if self.attached else WINDOW_BYTES

    def at(self, offset: int) -> End:
        """The same end at another offset, as far as that fits."""
        upper = offset >> OFFSET_BITS & (1 << UPPER_BITS) - 1 if self.attached else self.upper
        return self._replace(upper=upper, offset=offset & WINDOW_BYTES - 1)

    def __int__(self) -> int:
        return (
            self.offset
            | self.x << OFFSET_BITS
            | self.y << OFFSET_BITS + COORDINATE_BITS
            | self.exit << OFFSET_BITS + 2 * COORDINATE_BITS
            | self.upper << _UPPER_SHIFT
        )

    def is_in(self, x: int, y: int) -> bool:
        """Whether it is the memory of that node, and of no other."""
        return (self.x, self.y, self.exit, self.upper) == (x, y, Port.LOCAL, 0)


class Granule(NamedTuple):
    """One granule: offsets at both ends, not checked. ``source`` is None for padding."""

    source: int | None
    destination: int


@dataclass(frozen=True)
class Dimension:
    """One dimension of a list.

    Parameters
    ----------
    count : int
        Granules, or whole runs of the dimensions before: 1 to 65,535.
    source_stride, destination_stride : int
        Bytes from one to the next, 32 bits signed.
    first, end : int
        Indices that are valid: first <= i < end; all others are padding. ``end`` is ``count`` if it is None.

    Raises
    ------
    ListError
        If a value does not fit.
    """

    count: int
    source_stride: int = 0
    destination_stride: int = 0
    first: int = 0
    end: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.count <= _COUNT_MASK:
            raise ListError(ListCause.DESCRIPTOR, f"count = {self.count} is outside of 1 to {_COUNT_MASK}")
        for name, value in (("first", self.first), ("end", self.last_valid)):
            if not 0 <= value <= _COUNT_MASK:
                raise ListError(ListCause.DESCRIPTOR, f"{name} = {value} is outside of 0 to {_COUNT_MASK}")
        for name, value in (("source_stride", self.source_stride), ("destination_stride", self.destination_stride)):
            if not -_STRIDE_LIMIT <= value < _STRIDE_LIMIT:
                raise ListError(ListCause.DESCRIPTOR, f"{name} = {value} does not fit into {LIST_STRIDE_BITS} bits")

    @property
    def last_valid(self) -> int:
        """The index behind the last valid one."""
        return self.count if self.end is None else self.end

    def is_valid(self, index: int) -> bool:
        """Whether an index is no padding."""
        return self.first <= index < self.last_valid


@dataclass(frozen=True)
class ListDescriptor:
    """What a list moves; docs/lists.md has the meaning of every field.

    Parameters
    ----------
    granule : int
        Bytes: 8, 16, 32 or 64.
    source, destination : int
        Global addresses.
    dimensions : sequence of Dimension
        One to four, the innermost first.
    following : int or None
        Offset in SRAM of the next descriptor of a chain.
    post_source, post_destination : int or None
        Semaphores to post at either end.

    Raises
    ------
    ListError
        If no descriptor can say this, or an address names no port or a source in more than one node.
    """

    granule: int
    source: int
    destination: int
    dimensions: Sequence[Dimension]
    following: int | None = None
    post_source: int | None = None
    post_destination: int | None = None

    def __post_init__(self) -> None:
        if self.granule not in GRANULES:
            raise ListError(ListCause.DESCRIPTOR, f"granule = {self.granule} is not one of {', '.join(map(str, GRANULES))}")
        if not 1 <= len(self.dimensions) <= LIST_DIMENSIONS:
            raise ListError(ListCause.DESCRIPTOR, f"a list has 1 to {LIST_DIMENSIONS} dimensions, not {len(self.dimensions)}")
        for name, address in (("source", self.source), ("destination", self.destination)):
            if not 0 <= address < 1 << 64:
                raise ListError(ListCause.DESCRIPTOR, f"{name} = {address:#x} does not fit into 64 bits")
            if End.of(address).exit > Port.WEST:
                raise ListError(ListCause.DESCRIPTOR, f"{name} = {address:#x} has exit {End.of(address).exit}; ports are 0 to 4")
        source = End.of(self.source)
        if source.upper and not source.attached:
            raise ListError(ListCause.DESCRIPTOR, f"source = {self.source:#x} has bits above 49, which name several nodes")
        for name in ("post_source", "post_destination"):
            semaphore = getattr(self, name)
            if semaphore is not None and not 0 <= semaphore <= _SEMAPHORE_MASK:
                raise ListError(ListCause.DESCRIPTOR, f"{name} = {semaphore} is outside of 0 to {_SEMAPHORE_MASK}")
        if self.following is not None and not 0 <= self.following < 1 << 64:
            raise ListError(ListCause.DESCRIPTOR, f"following = {self.following:#x} does not fit into 64 bits")

    def check(self, config: NodeConfig, x: int, y: int) -> None:
        """Look for everything that keeps a node from executing it, but for granules' offsets.

        Raises
        ------
        ListError
            With the first cause in the order of their numbers.
        """
        if self.granule > config.line_bytes:
            raise ListError(ListCause.DESCRIPTOR, f"granule = {self.granule} is more than a line of {config.line_bytes} bytes")
        here = self.post_source if self.is_push(x, y) else self.post_destination
        if here is not None and here >= config.semaphores:
            raise ListError(ListCause.DESCRIPTOR, f"semaphore {here} is none of the node's, 0 to {config.semaphores - 1}")
        if not self.is_push(x, y) and not End.of(self.destination).is_in(x, y):
            raise ListError(ListCause.ENDS, f"neither source nor destination is in node x={x}, y={y}")
        steps = [(f"source_stride of dimension {i}", d.source_stride) for i, d in enumerate(self.dimensions)]
        steps += [(f"destination_stride of dimension {i}", d.destination_stride) for i, d in enumerate(self.dimensions)]
        for name, value in (("source", self.source), ("destination", self.destination), *steps):
            if value % self.granule:
                raise ListError(ListCause.MISALIGNED, f"{name} = {value:#x} is no multiple of the granule, {self.granule} bytes")

    def is_push(self, x: int, y: int) -> bool:
        """Whether its source is in that node."""
        return End.of(self.source).is_in(x, y)

    def granules(self) -> Iterator[Granule]:
        """All granules, in order."""
        outermost_first = self.dimensions[::-1]
        source, destination = End.of(self.source).base, End.of(self.destination).base
        for indices in itertools.product(*(range(dimension.count) for dimension in outermost_first)):
            pairs = list(zip(outermost_first, indices, strict=True))
            valid = all(dimension.is_valid(i) for dimension, i in pairs)
            yield Granule(
                source + sum((i - dimension.first) * dimension.source_stride for dimension, i in pairs) if valid else None,
                destination + sum(i * dimension.destination_stride for dimension, i in pairs),
            )

    # -- in memory ----------------------------------------------------------------------------------------------------

    def words(self) -> list[int]:
        """The sixteen double words of the descriptor."""
        words = [0] * (LIST_DESCRIPTOR_BYTES // _WORD_BYTES)
        control = LIST_MAGIC | GRANULES.index(self.granule) << ListField.GRANULE
        control |= len(self.dimensions) - 1 << ListField.DIMENSIONS
        if self.following is not None:
            control |= 1 << ListField.CHAIN
            words[ListWord.NEXT] = self.following
        if self.post_source is not None:
            control |= 1 << ListField.POST_SOURCE | self.post_source << ListField.SOURCE_SEMAPHORE
        if self.post_destination is not None:
            control |= 1 << ListField.POST_DESTINATION | self.post_destination << ListField.DESTINATION_SEMAPHORE
        words[ListWord.CONTROL] = control
        words[ListWord.SOURCE] = self.source
        words[ListWord.DESTINATION] = self.destination
        for i, dimension in enumerate(self.dimensions):
            strides = (dimension.source_stride & _STRIDE_MASK, dimension.destination_stride & _STRIDE_MASK)
            words[ListWord.STRIDES + i] = strides[0] | strides[1] << LIST_STRIDE_BITS
            counts = (dimension.count, dimension.first, dimension.last_valid)
            words[ListWord.COUNTS + i] = sum(value << LIST_COUNT_BITS * place for place, value in enumerate(counts))
        return words

    def pack(self) -> bytes:
        """The descriptor as it lies in SRAM."""
        return b"".join(word.to_bytes(_WORD_BYTES, "little") for word in self.words())

    @classmethod
    def unpack(cls, data: bytes) -> ListDescriptor:
        """The inverse of ``pack``; ListError with cause DESCRIPTOR if the bytes are none."""
        words = [int.from_bytes(data[i : i + _WORD_BYTES], "little") for i in range(0, LIST_DESCRIPTOR_BYTES, _WORD_BYTES)]
        control = words[ListWord.CONTROL]
        if control & 0xFFFF != LIST_MAGIC or control & _RESERVED:
            raise ListError(ListCause.DESCRIPTOR, f"control = {control:#x} is not that of a descriptor of version 1")
        used = (control >> ListField.DIMENSIONS & 3) + 1
        return cls(
            GRANULES[control >> ListField.GRANULE & 3],
            words[ListWord.SOURCE],
            words[ListWord.DESTINATION],
            tuple(_dimension(words[ListWord.STRIDES + i], words[ListWord.COUNTS + i]) for i in range(used)),
            words[ListWord.NEXT] if control >> ListField.CHAIN & 1 else None,
            _semaphore(control, ListField.POST_SOURCE, ListField.SOURCE_SEMAPHORE),
            _semaphore(control, ListField.POST_DESTINATION, ListField.DESTINATION_SEMAPHORE),
        )


def _dimension(strides: int, counts: int) -> Dimension:
    return Dimension(
        counts & _COUNT_MASK,
        signed(strides, LIST_STRIDE_BITS),
        signed(strides >> LIST_STRIDE_BITS, LIST_STRIDE_BITS),
        counts >> LIST_COUNT_BITS & _COUNT_MASK,
        counts >> 2 * LIST_COUNT_BITS & _COUNT_MASK,
    )


def _semaphore(control: int, flag: ListField, field: ListField) -> int | None:
    return control >> field & _SEMAPHORE_MASK if control >> flag & 1 else None


def check_granule(granule: Granule, origin: End, source_limit: int, target: End, destination_limit: int) -> None:
    """ListError if an offset of a granule is outside; the source is looked at first."""
    for end, offset, limit in ((origin, granule.source, source_limit), (target, granule.destination, destination_limit)):
        if offset is not None and not 0 <= offset < limit:
            raise ListError(ListCause.OFFSET, f"offset {offset:#x} is outside of 0 to {limit - 1:#x}", int(end.at(offset)))


def with_following(granules: Iterable[Granule]) -> Iterator[tuple[Granule, Granule | None]]:
    """Every granule with the one behind it."""
    iterator = iter(granules)
    granule = next(iterator)
    for following in iterator:
        yield granule, following
        granule = following
    yield granule, None


def runs(granules: Iterable[Granule], line: int, most: int) -> Iterator[list[Granule]]:
    """Granules that one READ serves: consecutive ones from one line, at most so many; padding alone."""
    run: list[Granule] = []
    for granule in granules:
        start, source = run[0].source if run else None, granule.source
        if run and (start is None or source is None or source // line != start // line or len(run) == most):
            yield run
            run = []
        run.append(granule)
    yield run
