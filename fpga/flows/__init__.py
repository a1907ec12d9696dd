# SPDX-License-Identifier: Apache-2.0
"""How each family of FPGA goes from sources to a bitstream, and what its tools count."""

from __future__ import annotations

from fpga.flows.ecp5 import ECP5
from fpga.flows.flow import TOP, Flow, ResourceKind
from fpga.flows.gowin import GOWIN
from fpga.flows.ice40 import ICE40

__all__ = ["FLOWS", "TOP", "Flow", "ResourceKind"]

#: By :attr:`fpga.boards.Board.family`.
FLOWS: dict[str, Flow] = {"ecp5": ECP5, "ice40": ICE40, "gowin": GOWIN}
