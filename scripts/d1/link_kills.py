# SPDX-License-Identifier: Apache-2.0
"""Links that die while a program runs, on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from golden.layout import LINK_PORTS
from golden.link_loss import LinkLoss, without_link
from golden.topology import Link, Topology, TopologyError, normal_link
from scripts.d1.errors import CommandError
from scripts.launched import launched_ranks

_PORTS = {port.name.lower(): port for port in LINK_PORTS}


@dataclass(frozen=True)
class LinkKill:
    """A link, and when it dies: so many cycles after the programs' start. ``text`` is how the user wrote it."""

    cycle: int
    link: Link
    text: str


class LinkKillType(click.ParamType[LinkKill]):
    """Cycle and link, written as cycle:row,column,port, such as 5000:0,1,east."""

    name = "CYCLE:ROW,COLUMN,PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LinkKill:
        """Cycle and link, or a usage error that says how they are written."""
        if isinstance(value, LinkKill):
            return value
        match = re.fullmatch(rf"([0-9]{{1,18}}):([0-9]{{1,9}}),([0-9]{{1,9}}),({'|'.join(_PORTS)})", value)
        if match is None:
            self.fail(f"'{value}' names no cycle and link; write cycle:row,column,port, such as 5000:0,1,east", param, ctx)
        return LinkKill(int(match[1]), (int(match[3]), int(match[2]), _PORTS[match[4]]), value)


def kill_link_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--kill-link``, passed as ``kill_link``: a tuple of LinkKill."""
    return click.option(
        "--kill-link",
        type=LinkKillType(),
        multiple=True,
        help="Let the link between two nodes die so many cycles after the program's start, with all that is on it; may be given"
        " several times. See docs/faults.md.",
    )(command)


def check_kills(kills: Sequence[LinkKill], topology: Topology, passed: int) -> None:
    """CommandError if a link is not there when it is to die, the cycle has passed, or several processes run this command."""
    if kills and launched_ranks() > 1:
        raise CommandError("--kill-link: links of an array that several processes simulate cannot die; leave out --ranks")
    for kill in sorted(kills, key=lambda kill: kill.cycle):
        if kill.cycle < passed:
            raise CommandError(
                f"--kill-link {kill.text}: the run has passed {passed} cycles already; name a later one, or leave it out if the"
                " link has died before"
            )
        try:
            topology = without_link(topology, kill.link)
        except TopologyError as error:
            raise CommandError(f"--kill-link {kill.text}: {error}") from None


def unmade(kills: Sequence[LinkKill], losses: Sequence[LinkLoss]) -> list[LinkKill]:
    """Those that the run has ended before."""
    died = {(loss.x, loss.y, loss.port) for loss in losses}
    return [kill for kill in kills if normal_link(kill.link) not in died]
