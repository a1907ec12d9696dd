# SPDX-License-Identifier: Apache-2.0
"""The boards, by name."""

from __future__ import annotations

from fpga.boards.board import Board
from fpga.boards.ulx3s import ULX3S_12F, ULX3S_25F, ULX3S_45F, ULX3S_85F
from fpga.errors import UnknownBoard

__all__ = ["BOARDS", "Board", "find_board"]

BOARDS: dict[str, Board] = {board.name: board for board in (ULX3S_85F, ULX3S_45F, ULX3S_25F, ULX3S_12F)}


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
