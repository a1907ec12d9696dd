# SPDX-License-Identifier: Apache-2.0
"""A board in simulation, used like one at a serial port."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from types import TracebackType

from fpga.boards import Board
from fpga.designs import Settings
from fpga.errors import FpgaError
from fpga.simulation.build import BoardProgram, Progress, build_program

__all__ = ["SimulatedBoard"]

#: Seconds in which a simulation opens its pseudo-terminal, and in which it ends.
_PATIENCE = 10.0


class SimulatedBoard:
    """A board's complete top, compiled, behind a pseudo-terminal; a context manager.

    Parameters
    ----------
    board : Board
    settings : Settings
    design : str
        Name of one of ``fpga.designs.DESIGNS``.
    arithmetic : str
        ``macro`` or ``rtl``.
    progress : callable, optional
        Of the build.
    program : BoardProgram, optional
        Is taken instead of building one.

    Members
    -------
    port : str
        Path of the pseudo-terminal, where a board would have its serial port. Valid in the context.
    lights : int
        Bit n is set while light n is on.
    light_count : int
        How many lights the design drives.
    cached : bool
        Whether the simulation was built before.

    Raises
    ------
    scripts.simulator.errors.SimulatorError
        From building.
    FpgaError
        If the simulation does not start.
    """

    def __init__(
        self,
        board: Board,
        settings: Settings,
        design: str = "array",
        arithmetic: str = "macro",
        *,
        progress: Progress | None = None,
        program: BoardProgram | None = None,
    ):
        self.board = board
        self.settings = settings
        self.design = design
        program = program or build_program(board, design, settings, arithmetic, progress)
        self.light_count = program.lights
        self.cached = program.cached
        self.port = ""
        self.lights = 0
        self._path = program.path
        self._process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()
        self._seen: list[int] = [0]

    def __enter__(self) -> SimulatedBoard:
        # A session of its own, so that Ctrl-C reaches only us, who end it; it ends by itself when its input does.
        self._process = subprocess.Popen(
            [str(self._path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True
        )
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        with self._changed:
            if not self._changed.wait_for(lambda: self.port, _PATIENCE):
                self._end()
                raise FpgaError(f"the simulation {self._path} did not open a pseudo-terminal")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    @property
    def running(self) -> bool:
        """Whether the simulation goes on."""
        return self._process is not None and self._process.poll() is None

    def lights_seen(self) -> list[int]:
        """All values of ``lights`` since the start, in order."""
        with self._changed:
            return list(self._seen)

    def wait_for_lights(self, lights: int, seconds: float) -> bool:
        """Wait until the lights are as given; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self.lights == lights, seconds)

    def wait_for_changes(self, count: int, seconds: float) -> bool:
        """Wait until the lights have changed so many times since the start; False if that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._seen) > count, seconds)

    def press_reset(self, seconds: float = 0.1) -> None:
        """Hold the reset button for a moment."""
        self._command("press")
        time.sleep(seconds)
        self._command("release")

    def _command(self, text: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            kind, _, rest = line.strip().partition(" ")
            with self._changed:
                if kind == "pty":
                    self.port = rest
                elif kind == "lights":
                    self.lights = int(rest.split()[0], 16)
                    self._seen.append(self.lights)
                self._changed.notify_all()
        process.stdout.close()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
