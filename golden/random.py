# SPDX-License-Identifier: Apache-2.0
"""Random bits of stochastic rounding: one xorshift32 generator per lane, all stepping together.

>>> lanes = RandomLanes(4, seed=1)
>>> [hex(bits) for bits in lanes.step()]
['0x510866', '0xa21cac', '0xf767f3', '0x4425b8']
>>> lanes.draw(1000).shape
(1000, 4)
"""

from __future__ import annotations

import functools
import operator

import numpy as np
import numpy.typing as npt

from golden.layout import GOLDEN_RATIO, ZERO_STATE

#: Bits of a draw: the upper ones of a state.
RANDOM_BITS = 24

Words = npt.NDArray[np.uint32]

#: Draws that are made step by step; longer ones jump ahead.
_SHORT_DRAW = 64


def _stepped(states: Words) -> Words:
    """States one step on. Source: G. Marsaglia, Xorshift RNGs, Journal of Statistical Software 8(14), 2003."""
    states = states ^ states << np.uint32(13)
    states ^= states >> np.uint32(17)
    states ^= states << np.uint32(5)
    return states


def _jumped(states: Words, jump: Words) -> Words:
    """States as many steps on as the jump table says, each the sum over GF(2) of the images of its bytes."""
    result = jump[0].take(states & np.uint32(0xFF))
    for byte in range(1, 4):
        result ^= jump[byte].take(states >> np.uint32(8 * byte) & np.uint32(0xFF))
    return result


@functools.cache
def _jump(doublings: int) -> Words:
    """Images of each value of each byte of a state, 2**doublings steps on: (4, 256).

    A step is linear over GF(2), so that the image of a state is the sum of those of its bytes.
    """
    bytes_of_state = np.arange(256, dtype=np.uint32) << np.uint32(8) * np.arange(4, dtype=np.uint32)[:, None]
    if doublings == 0:
        return _stepped(bytes_of_state)
    half = _jump(doublings - 1)
    return _jumped(half, half)


class RandomLanes:
    """The generators of a thread.

    A lane's state starts at seed ^ (lane + 1) * 0x9E3779B9 modulo 2**32, zero replaced by 0x6D2B79F5. A step is xorshift32
    (13, 17, 5); the draw is the upper 24 bits of the state after it.

    Parameters
    ----------
    lanes : int
        Number of lanes, at least 1.
    seed : int
        0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If a parameter is outside of its range.
    """

    def __init__(self, lanes: int, seed: int = 0) -> None:
        self._lanes = operator.index(lanes)
        if self._lanes < 1:
            raise ValueError(f"lanes = {lanes} is not at least 1")
        self.reseed(seed)

    def __repr__(self) -> str:
        return f"RandomLanes({self._lanes}, seed={self._seed:#x})"

    @property
    def seed(self) -> int:
        """The seed from which the generators started."""
        return self._seed

    def reseed(self, seed: int) -> None:
        """Start all lanes anew from a seed, 0 to 2**32 - 1; ValueError for any other."""
        seed = operator.index(seed)
        if not 0 <= seed < 1 << 32:
            raise ValueError(f"seed = {seed} is outside of 0 to 2**32 - 1")
        self._seed = seed
        spread = np.arange(1, self._lanes + 1, dtype=np.uint64) * np.uint64(GOLDEN_RATIO)
        states = np.uint32(seed) ^ spread.astype(np.uint32)
        self._states = np.where(states == 0, np.uint32(ZERO_STATE), states)

    def step(self) -> Words:
        """One step of all lanes: uint32 array (lanes,) of 24 random bits each."""
        self._states = _stepped(self._states)
        return self._states >> np.uint32(32 - RANDOM_BITS)

    def draw(self, steps: int) -> Words:
        """The bits of that many steps, first step first: uint32 array (steps, lanes). ValueError if ``steps`` is negative."""
        if steps < 0:
            raise ValueError(f"steps = {steps} is negative")
        states = np.empty((steps, self._lanes), np.uint32)
        for step in range(min(steps, _SHORT_DRAW)):
            self._states = states[step] = _stepped(self._states)
        done = _SHORT_DRAW
        while done < steps:
            more = min(done, steps - done)
            states[done : done + more] = _jumped(states[:more], _jump(done.bit_length() - 1))
            done += more
        if steps:
            self._states = states[-1].copy()
        states >>= np.uint32(32 - RANDOM_BITS)
        return states
