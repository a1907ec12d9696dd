# SPDX-License-Identifier: Apache-2.0
"""The boards, by name."""

from __future__ import annotations

from fpga.boards.board import Board
from fpga.boards.colorlight import COLORLIGHT_I5, COLORLIGHT_I9
from fpga.boards.icebreaker import ICEBREAKER
from fpga.boards.icepi_zero import ICEPI_ZERO
from fpga.boards.orangecrab import ORANGECRAB_25F, ORANGECRAB_85F
from fpga.boards.tang_nano_20k import TANG_NANO_20K
from fpga.boards.ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F
from fpga.errors import UnknownBoard

__all__ = ["BOARDS", "Board", "find_board"]

BOARDS: dict[str, Board] = {
    board.name: board
    for board in (
        ULX3S_85F,
        ULX3S_45F,
        ULX3S_25F,
        ULX3S_12F,
        ORANGECRAB_85F,
        ORANGECRAB_25F,
        COLORLIGHT_I9,
        COLORLIGHT_I5,
        ICEPI_ZERO,
        TANG_NANO_20K,
        ICEBREAKER,
    )
}


def find_board(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    UnknownBoard
        If there is none; the message lists those that exist.
    """
    try:
        return BOARDS[name]
    except KeyError:
        raise UnknownBoard(f"there is no board '{name}'; boards are {', '.join(BOARDS)}") from None
