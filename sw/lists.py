# SPDX-License-Identifier: Apache-2.0
"""Descriptors of list transfers for what programs move: blocks, transposed matrices, tiles of the matrix unit, zeros.

Each function gives the descriptors of one job; :func:`chain` makes them one list, as bytes to be put into the SRAM of the node
that executes it. Addresses are global ones, as ``int(GlobalAddress(...))`` makes them; source or destination lies in that node.
Pitches and lengths are in bytes. docs/lists.md says what a list does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from golden.config import MATRIX_K, NodeConfig
from golden.layout import LIST_DESCRIPTOR_BYTES
from golden.list_descriptor import GRANULES, Dimension, ListDescriptor

__all__ = ["chain", "copy", "fill", "pack_a", "pack_b", "transpose", "unpack_a", "unpack_b"]

_BF16_BYTES = 2
#: Granules of a dimension, where a long row is split.
_ROW_GRANULES = 1 << 15


def chain(
    descriptors: Sequence[ListDescriptor], offset: int, *, post_source: int | None = None, post_destination: int | None = None
) -> bytes:
    """Descriptors one behind the other, as one list.

    Parameters
    ----------
    descriptors : sequence of ListDescriptor
        At least one.
    offset : int
        Where in SRAM the bytes will lie, a multiple of 128.
    post_source, post_destination : int or None
        Semaphores that the last one posts.

    Raises
    ------
    ValueError
        If there is no descriptor, the offset is no such multiple, or a semaphore's number is too large.
    """
    if not descriptors:
        raise ValueError("descriptors is empty; a list has at least one")
    if offset % LIST_DESCRIPTOR_BYTES:
        raise ValueError(f"offset = {offset:#x} is no multiple of {LIST_DESCRIPTOR_BYTES}")
    linked = [
        dataclasses.replace(descriptor, following=offset + (i + 1) * LIST_DESCRIPTOR_BYTES)
        for i, descriptor in enumerate(descriptors[:-1])
    ]
    last = dataclasses.replace(descriptors[-1], following=None, post_source=post_source, post_destination=post_destination)
    return b"".join(descriptor.pack() for descriptor in (*linked, last))


def copy(
    config: NodeConfig,
    source: int,
    destination: int,
    *,
    rows: int,
    row_bytes: int,
    source_pitch: int,
    destination_pitch: int,
) -> list[ListDescriptor]:
    """Rows of bytes, with a distance between rows at either end.

    Raises
    ------
    ValueError
        If a value is no multiple of 8 bytes, or more than a list can count.
    """
    granule = _granule(
        config,
        source=source, destination=destination, row_bytes=row_bytes, source_pitch=source_pitch,
        destination_pitch=destination_pitch,
    )  # fmt: skip
    dimensions = (Dimension(row_bytes // granule, granule, granule), Dimension(rows, source_pitch, destination_pitch))
    return [ListDescriptor(granule, source, destination, dimensions)]


def fill(config: NodeConfig, node: int, destination: int, length: int) -> list[ListDescriptor]:
    """Zeros.

    Parameters
    ----------
    node : int
        Global address of the node that executes the list, where nothing is read.

    Raises
    ------
    ValueError
        If destination or length is no multiple of 8 bytes, or the length is more than a list can count.
    """
    granule = _granule(config, destination=destination, length=length)
    rows, rest = divmod(length // granule, _ROW_GRANULES)
    nothing = Dimension(rows or rest, destination_stride=granule * (_ROW_GRANULES if rows else 1), end=0)
    if not rows:
        return [ListDescriptor(granule, node, destination, (nothing,))]
    descriptors = [ListDescriptor(granule, node, destination, (Dimension(_ROW_GRANULES, destination_stride=granule), nothing))]
    if rest:
        descriptors += fill(config, node, destination + rows * _ROW_GRANULES * granule, rest * granule)
    return descriptors


def transpose(
    config: NodeConfig,
    source: int,
    destination: int,
    *,
    rows: int,
    columns: int,
    element_bytes: int,
    source_pitch: int,
    destination_pitch: int,
) -> list[ListDescriptor]:
    """A matrix of elements, its rows as columns. Elements of less than 8 bytes are for ``vtrn``.

    Parameters
    ----------
    rows, columns : int
        Of the source.

    Raises
    ------
    ValueError
        If a value is no multiple of 8 bytes, or more than a list can count.
    """
    granule = _granule(
        config,
        source=source, destination=destination, element_bytes=element_bytes, source_pitch=source_pitch,
        destination_pitch=destination_pitch,
    )  # fmt: skip
    # Destinations follow each other, so that whole lines travel in a packet.
    dimensions = (
        Dimension(element_bytes // granule, granule, granule),
        Dimension(rows, source_pitch, element_bytes),
        Dimension(columns, element_bytes, destination_pitch),
    )
    return [ListDescriptor(granule, source, destination, dimensions)]


def pack_a(config: NodeConfig, source: int, destination: int, *, rows: int, columns: int, pitch: int) -> list[ListDescriptor]:
    """A row-major BF16 matrix into panels of the left operand, as ``sw.kernels.packing.pack_a`` has them.

    What the rows lack to whole tiles becomes zeros. The destination is aligned to the line.

    Raises
    ------
    ValueError
        If the number of columns is no multiple of 4, or an address or the pitch none of 8 bytes.
    """
    return _panels(config, source, destination, rows, columns, pitch, left=True, packs=True)


def pack_b(config: NodeConfig, source: int, destination: int, *, rows: int, columns: int, pitch: int) -> list[ListDescriptor]:
    """As ``pack_a``, into panels of the right operand; the number of columns is a multiple of N.

    Raises
    ------
    ValueError
        As ``pack_a``, and if the line has less than 32 bytes.
    """
    return _panels(config, source, destination, rows, columns, pitch, left=False, packs=True)


def unpack_a(config: NodeConfig, source: int, destination: int, *, rows: int, columns: int, pitch: int) -> list[ListDescriptor]:
    """The inverse of ``pack_a``: from panels to a matrix of that pitch. What fills tiles is left out."""
    return _panels(config, destination, source, rows, columns, pitch, left=True, packs=False)


def unpack_b(config: NodeConfig, source: int, destination: int, *, rows: int, columns: int, pitch: int) -> list[ListDescriptor]:
    """The inverse of ``pack_b``."""
    return _panels(config, destination, source, rows, columns, pitch, left=False, packs=False)


def _panels(
    config: NodeConfig, matrix: int, panels: int, rows: int, columns: int, pitch: int, *, left: bool, packs: bool
) -> list[ListDescriptor]:
    """Between a matrix and panels; ``packs`` says in which direction."""
    line = config.line_bytes
    tile_rows, tile_columns = (config.matrix_m, MATRIX_K) if left else (MATRIX_K, config.matrix_n)
    granule = tile_columns * _BF16_BYTES
    if granule not in GRANULES:
        raise ValueError(f"line_bytes = {line} makes rows of {granule} bytes, which are no granule; at least 32 are allowed")
    if columns % tile_columns:
        raise ValueError(f"columns = {columns} is no multiple of {tile_columns}, the columns of a tile")
    for name, value in (("the matrix's address", matrix), ("pitch", pitch)):
        if value % granule:
            raise ValueError(f"{name} = {value:#x} is no multiple of {granule}, the bytes of a tile's row")
    if panels % line:
        raise ValueError(f"the panels' address {panels:#x} is no multiple of {line}, the bytes of a tile")
    down, across = -(-rows // tile_rows), columns // tile_columns
    # A panel is a row of tiles on the left, a column of them on the right.
    to_lower, to_right = (across * line, line) if left else (line, down * line)

    def part(first: int, tiles: int, filled: int) -> ListDescriptor:
        """Rows of tiles from ``first`` on, of whose rows so many are those of the matrix."""
        walks = (
            (tile_rows if packs else filled, pitch, granule),
            (across, granule, to_right),
            (tiles, tile_rows * pitch, to_lower),
        )
        ends = (filled, across, tiles)
        dimensions = tuple(
            Dimension(count, *((in_matrix, in_panels) if packs else (in_panels, in_matrix)), end=end)
            for (count, in_matrix, in_panels), end in zip(walks, ends, strict=True)
        )
        addresses = (matrix + first * tile_rows * pitch, panels + first * to_lower)
        return ListDescriptor(granule, *(addresses if packs else addresses[::-1]), dimensions)

    whole, rest = divmod(rows, tile_rows)
    parts = [part(0, whole, tile_rows)] if whole else []
    return [*parts, part(whole, 1, rest)] if rest else parts


def _granule(config: NodeConfig, **values: int) -> int:
    """The largest granule of which all values are multiples."""
    for granule in sorted(GRANULES, reverse=True):
        if granule <= config.line_bytes and not any(value % granule for value in values.values()):
            return granule
    name, value = next((name, value) for name, value in values.items() if value % GRANULES[0])
    raise ValueError(f"{name} = {value:#x} is no multiple of {GRANULES[0]}, the bytes of the smallest granule")
