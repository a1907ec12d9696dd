# SPDX-License-Identifier: Apache-2.0
"""Pieces of random programs: semaphores, and requests to the network."""

from __future__ import annotations

from golden.config import CONTROL_PAGE_OFFSET
from golden.isa import INSTRUCTIONS, Unit
from golden.layout import COORDINATE_BITS, OFFSET_BITS, Csr, GlobalAddress, Port, semaphore_offset
from verif.golden.encoding import encode
from verif.rtl.node.pieces import DATA, HALF, OF_UNIT, PieceMaker, constant

__all__ = ["NetworkPieces"]

_WRITES = [m for m in INSTRUCTIONS if m.startswith(("nwrite", "npost"))]
_POSTING_WRITES = [m for m in _WRITES if "sem" in INSTRUCTIONS[m].operands]

#: What executes while a read is under way.
_SIMD = [m for m in OF_UNIT[Unit.SIMD] if "part" not in INSTRUCTIONS[m].operands]


class NetworkPieces(PieceMaker):
    """Words that ask the thread's own node, the host and nobody, and leave the thread's semaphore at 0."""

    def _post_and_wait(self) -> list[int]:
        """What is posted, in parts, is taken, in others."""
        count = self.choices.one_of((0, 1, 2, 3, 0x7FF, 0x1_0003))
        first = self.choices.integer(0, min(count & 0xFFFF, 0x7FF))
        words = [*constant(16, count), encode("spost", self.thread, 16), encode("addi", 17, 0, first)]
        words += [encode("swait", self.thread, 17), encode("sub", 16, 16, 17), encode("swait", self.thread, 16)]
        return words

    def _overflow(self) -> list[int]:
        """More than a semaphore holds."""
        words = [*constant(16, 0xFFFF), encode("spost", self.thread, 16), encode("spost", self.thread, 16)]
        return [*words, encode("swait", self.thread, 16)]

    def _own_line(self, offset: int) -> list[int]:
        """x19 = global address of a place in the thread's data."""
        words = [encode("csrrs", 18, Csr.MNODE, 0), *constant(19, self._offset_of_data + offset)]
        return [*words, encode("add", 19, 19, 18)]

    def _wait_for(self, count: int) -> list[int]:
        return [encode("addi", 16, 0, count), encode("swait", self.thread, 16)]

    def _write_to_itself(self) -> list[int]:
        words = self._own_line(self._line_offset())
        words += [self._one(("nwrite", "nwrite.p"), rs1=19) for _ in range(self.choices.integer(0, 2))]
        words += self._own_line(self._line_offset())
        return [*words, self._one(_POSTING_WRITES, rs1=19, sem=self.thread), *self._wait_for(1)]

    def _send_to_itself(self) -> list[int]:
        words = self._own_line(8 * self.choices.integer(-HALF // 8, HALF // 8 - 1))
        words.append(self._word("nsd", rs1=19))
        return [*words, *self._post_by_packet(1)]

    def _post_by_packet(self, count: int) -> list[int]:
        """Post to the own semaphore by its register of the control page."""
        words = [encode("csrrs", 18, Csr.MNODE, 0), *constant(19, semaphore_offset(self.thread)), encode("add", 19, 19, 18)]
        return [*words, encode("addi", 16, 0, count), encode("nsd", 16, 19), *self._wait_for(count)]

    def _read_from_itself(self) -> list[int]:
        """Other instructions come between, but none that writes memory: nothing keeps it apart from the read."""
        target = self.vector()
        words = [*self._own_line(self._line_offset()), encode("nread", target, 19)]
        for _ in range(self.choices.integer(0, 4)):
            if self.choices.one_of((True, False)):
                words.append(self._word("vld", rs1=DATA, imm_i=self._line_offset()))
            else:
                words.append(self._one(_SIMD))
        return [*words, encode("vor", self.vector(), target, self.vector())]

    def _failing_request(self) -> list[int]:
        """The error comes while the thread waits for what nobody posts, so that it is known where."""
        choices = self.choices
        nowhere = (self.config.sram_bytes + self._line * choices.integer(0, 3), CONTROL_PAGE_OFFSET - self._line)
        unlinked = [int(GlobalAddress(0, 0, exit=port)) for port in (Port.NORTH, Port.EAST, Port.SOUTH)]
        words = constant(19, choices.one_of((*nowhere, *nowhere, *unlinked)))
        words += [encode("csrrs", 18, Csr.MNODE, 0), encode("add", 19, 19, 18)]
        request = choices.one_of((*_WRITES, "nread", "nsd"))
        if self._absent is not None and choices.one_of((True, False)):
            ways = [0, 0x40, Port.NORTH << OFFSET_BITS + 2 * COORDINATE_BITS]
            # A rectangle, which is not read.
            ways += [int(GlobalAddress.rectangle(0, 0, *choices.one_of(((2, 1), (1, 2), (128, 128)))))] * (request != "nread")
            words = constant(19, int(self._absent) | choices.one_of(ways))
        return [*words, encode("addi", 16, 0, 1), self._word(request, rs1=19, sem=self.thread), encode("swait", self.thread, 16)]

    def _to_host(self) -> list[int]:
        """Packets that leave the array where the host is."""
        address = GlobalAddress(0, 0, self._line * self.choices.integer(0, 0x7FFF), Port.WEST)
        words = constant(19, int(address))
        return [*words, self._one([*_WRITES, "nsd"], rs1=19, sem=self.thread)]

    def _wrong_request(self) -> list[int]:
        """Traps at once: no global address, or not aligned."""
        bad = [5 << 47 | 1 << 50, 5 << 47, 7 << 47, 4, 7 << 47 | 1 << 63, (6 << 47) + 1]
        words = constant(19, self.choices.one_of(bad))
        return [*words, self._one([*_WRITES, "nread", "nsd"], rs1=19, sem=self.thread)]

    def _read_of_a_rectangle(self) -> list[int]:
        """Traps at once."""
        sides = self.choices.one_of(((2, 1), (1, 2), (128, 128)))
        return [*constant(19, int(GlobalAddress.rectangle(0, 0, *sides))), self._word("nread", rs1=19)]
