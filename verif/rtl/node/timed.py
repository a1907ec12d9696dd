# SPDX-License-Identifier: Apache-2.0
"""What of a node's registers depends on when its threads do what they do."""

from golden.layout import OVERFLOWED_SEMAPHORE_BIT, SEMAPHORE_ID_BITS, ControlRegister

__all__ = ["TIMED_BITS"]

#: Bits of registers that depend on time if several threads run: which of several semaphores overflows first.
TIMED_BITS: dict[int, int] = {ControlRegister.STATUS: (1 << SEMAPHORE_ID_BITS) - 1 << OVERFLOWED_SEMAPHORE_BIT}
