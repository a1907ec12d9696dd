# SPDX-License-Identifier: Apache-2.0
"""A serial line that flips, drops, repeats, inserts and delays bytes, and whose cable is pulled, in simulated time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

#: Seconds that a read takes, and bytes that pass meanwhile in each direction.
STEP = 0.002
STEP_BYTES = 200

FaultKind = Literal["flip", "drop", "repeat", "insert", "delay"]


@dataclass(frozen=True)
class Fault:
    """What happens to a byte: ``at`` counts bytes of that direction; ``amount`` is what is flipped or inserted, or the steps
    that it and all after it wait."""

    to_board: bool
    kind: FaultKind
    at: int
    amount: int


@dataclass(frozen=True)
class Cut:
    """The cable is out from step ``at`` for ``steps`` steps."""

    at: int
    steps: int


faults = st.lists(
    st.builds(
        Fault,
        to_board=st.booleans(),
        kind=st.sampled_from(["flip", "drop", "repeat", "insert", "delay"]),
        at=st.integers(0, 6000),
        amount=st.integers(1, 255),
    ),
    max_size=40,
)

#: Seconds of patience of the hosts in these tests; a cut of all but one is survived.
PATIENCE = 2.0
cuts = st.lists(st.builds(Cut, at=st.integers(0, 400), steps=st.integers(1, int(0.6 * PATIENCE / STEP))), max_size=2)


class NoisyLine:
    """The host's serial port, with noise between it and a board.

    Parameters
    ----------
    exchange : callable
        Called every STEP with the bytes that reach the board and the time; returns those that the board sends.
    faults, cuts : sequences

    Members
    -------
    plugged : bool
        False if the cable is out, whatever the cuts are.
    steps : int
        Steps that have passed.
    """

    def __init__(self, exchange: Callable[[bytes, float], bytes], faults: Sequence[Fault] = (), cuts: Sequence[Cut] = ()):
        self.plugged = True
        self.steps = 0
        self._exchange = exchange
        self._cuts = cuts
        self._to_board, self._to_host = (_Wire([f for f in faults if f.to_board == way]) for way in (True, False))

    def clock(self) -> float:
        """Seconds."""
        return self.steps * STEP

    def write(self, data: bytes) -> int:
        self._to_board.put(data)
        return len(data)

    def read(self, size: int = 1) -> bytes:
        self.steps += 1
        through = self.plugged and not any(cut.at <= self.steps < cut.at + cut.steps for cut in self._cuts)
        arrived = self._to_board.take()
        self._to_host.put(self._exchange(arrived if through else b"", self.clock()))
        arrived = self._to_host.take()
        return arrived if through else b""


class _Wire:
    """One direction."""

    def __init__(self, faults: Sequence[Fault]):
        self._faults: dict[int, list[Fault]] = {}
        for fault in faults:
            self._faults.setdefault(fault.at, []).append(fault)
        self._count = 0
        self._held = bytearray()
        self._wait = 0

    def put(self, data: bytes) -> None:
        for byte in data:
            out = [byte]
            for fault in self._faults.pop(self._count, ()):
                if fault.kind == "flip":
                    out = [each ^ fault.amount for each in out]
                elif fault.kind == "drop":
                    out = []
                elif fault.kind == "repeat":
                    out = out * 2
                elif fault.kind == "insert":
                    out = [fault.amount, *out]
                else:
                    self._wait += fault.amount // 16
            self._count += 1
            self._held += bytes(out)

    def take(self) -> bytes:
        if self._wait:
            self._wait -= 1
            return b""
        taken, self._held = bytes(self._held[:STEP_BYTES]), self._held[STEP_BYTES:]
        return taken
