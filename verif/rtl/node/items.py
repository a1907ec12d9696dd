# SPDX-License-Identifier: Apache-2.0
"""Pieces of random programs: a few words each that need nothing of what comes before them but registers' values.

So any of them can be left out, repeated and skipped. All end, are free of races with other threads, and leave the thread's own
semaphore as it was, which is 0. Registers:

====================== ===========================================================================================
x0 to x7, x10 to x13   data
x8                     the middle of the thread's data
x9, x20, x28, x29      counters of loops: outside of functions, within another loop, in functions, in their functions
x14, x23, x24          where functions, functions of functions, and code that was copied return to
x15 to x19, x21        pointers, targets and strides, which the pieces set themselves
x22                    where to go on after a jump to where no memory is
x25 to x27             belong to exchanges between threads
x30, x31               the trap handler's address, and its own
====================== ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from golden.isa import INSTRUCTIONS
from verif.rtl.node.pieces import DATA_REGISTERS, VECTORS
from verif.rtl.node.pieces_lists import ListPieces
from verif.rtl.node.pieces_scalar import ScalarPieces
from verif.rtl.node.pieces_vector import VectorPieces

__all__ = ["Item", "ItemMaker"]

_BRANCHES = [m for m in INSTRUCTIONS if "imm_b" in INSTRUCTIONS[m].operands]


@dataclass(frozen=True)
class Item:
    """Words that belong together, or one of the following.

    Attributes
    ----------
    words : tuple of int
    branch : (mnemonic, operands) or None
        Skips the ``skip`` items after it.
    body : tuple of Item
        Runs ``turns`` times.
    functions : tuple of tuple of Item
        One is called, or, of two, that which bit 0 of data register ``selector`` chooses.
    copies : bool
        The thread copies one of its two templates, which bit 0 of ``selector`` chooses, into its room for code, and calls that;
        by vector registers if ``vector`` names one, else by scalar ones.
    calls : int or None
        Of the places for code that other threads write: the one that is called.
    fresh : bool
        With ``calls``: the code may have been changed, so ``fence.i`` comes first.
    kept : bool
        No branch skips it.
    """

    words: tuple[int, ...] = ()
    branch: tuple[str, tuple[int, ...]] | None = None
    skip: int = 0
    body: tuple[Item, ...] = ()
    turns: int = 0
    functions: tuple[tuple[Item, ...], ...] = ()
    selector: int = 0
    copies: bool = False
    vector: int | None = None
    calls: int | None = None
    fresh: bool = False
    kept: bool = False


class ItemMaker(ScalarPieces, VectorPieces, ListPieces):
    """Makes items for one thread; parameters as of PieceMaker."""

    def straight(self) -> Item:
        """Words without loops, branches and calls."""
        return Item(tuple(self.choices.one_of(_STRAIGHT)(self)))

    def straight_words(self, most: int) -> tuple[int, ...]:
        """Words of straight items, at most so many."""
        words: tuple[int, ...] = ()
        for _ in range(self.choices.integer(1, 6)):
            more = self.straight().words
            if len(words) + len(more) <= most:
                words += more
        return words

    def branch(self) -> Item:
        """Skips up to three items."""
        operands = (self.register(), self.register())
        return Item(branch=(self.choices.one_of(_BRANCHES), operands), skip=self.choices.integer(0, 3))

    def jump(self) -> Item:
        """Skips up to three items."""
        return Item(branch=("jal", (self.register(),)), skip=self.choices.integer(0, 3))

    def loop(self) -> Item:
        """Straight items and branches among them, several times."""
        choices = self.choices
        body = [
            self.choices.one_of((self.straight, self.straight, self.straight, self.branch))()
            for _ in range(choices.integer(0, 5))
        ]
        return Item(body=tuple(body), turns=choices.integer(1, 5))

    def copy(self) -> Item:
        """Code that the thread writes, and executes."""
        vector = self.choices.one_of((None, *VECTORS))
        return Item(copies=True, selector=self.choices.one_of(DATA_REGISTERS[1:]), vector=vector)

    def call(self, depth: int = 0) -> Item:
        """A call of one function or of one of two; those of depth 0 may call others."""
        functions = tuple(self._function(depth) for _ in range(self.choices.integer(1, 2)))
        return Item(functions=functions, selector=self.choices.one_of(DATA_REGISTERS[1:]))

    def _function(self, depth: int) -> tuple[Item, ...]:
        makers: list[Callable[[], Item]] = [self.straight, self.straight, self.branch, self.loop]
        if depth == 0:
            makers.append(lambda: self.call(1))
        return tuple(self.choices.one_of(makers)() for _ in range(self.choices.integer(1, 4)))

    def any(self) -> Item:
        """Any item."""
        return self.choices.one_of(_ANY)(self)

    def nest(self, most_turns: int) -> Item:
        """A loop around any items, too long to be skipped by branches."""
        body = tuple(self.any() for _ in range(self.choices.integer(1, 8)))
        return Item(body=body, turns=self.choices.integer(1, most_turns), kept=True)


def _weighted(*makers: tuple[int, Callable[[ItemMaker], list[int]]]) -> list[Callable[[ItemMaker], list[int]]]:
    return [maker for weight, maker in makers for _ in range(weight)]


_M = ItemMaker
_STRAIGHT = _weighted(
    (6, _M._alu), (3, _M._multiply_divide), (3, _M._load), (3, _M._store), (2, _M._store_and_load), (2, _M._system),
    (2, _M._illegal), (4, _M._csr), (2, _M._read_csr), (1, _M._no_csr), (1, _M._stall_counter), (1, _M._mcycle), (1, _M._mtvec),
    (1, _M._mret), (1, _M._misaligned_jump), (1, _M._jump_to_nowhere), (2, _M._vector_memory),
    (1, _M._wrong_vector_memory),
    (2, _M._vector_increment), (3, _M._simd), (4, _M._simd_three), (1, _M._transpose), (2, _M._predicate), (2, _M._strided),
    (2, _M._indexed), (2, _M._set_format), (2, _M._steps_in_memory), (1, _M._step_in_registers), (1, _M._zero), (2, _M._tile),
    (1, _M._post_and_wait), (1, _M._overflow), (1, _M._write_to_itself), (1, _M._send_to_itself), (2, _M._read_from_itself),
    (1, _M._failing_request), (1, _M._wrong_request), (1, _M._read_of_a_rectangle), (1, _M._to_host), (4, _M._late_scalar),
    (3, _M._flags), (2, _M._predicate_in_use), (2, _M._format_in_use), (4, _M._operands_overwritten), (1, _M._list_to_itself),
    (1, _M._failing_list), (1, _M._failing_chain), (1, _M._wrong_list),
)  # fmt: skip

#: Ways to make any item, as often as they are chosen.
_ANY: list[Callable[[ItemMaker], Item]] = [
    *[_M.straight] * 8, *[_M.branch] * 2, _M.jump, *[_M.loop] * 2, _M.copy, _M.call,
]  # fmt: skip
