# SPDX-License-Identifier: Apache-2.0
"""Entry point of the ``d1`` command: a group whose subcommands are imported when they are called.

Bad input never shows a traceback: whatever a subcommand raises ends as one message on stderr and an exit code. A defect of
the command itself is reported as such; with ``D1_TRACEBACK=1`` in the environment its traceback is shown.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from scripts.collector import collect_seldom
from scripts.d1.errors import CommandError, ExitCode
from scripts.launched import launched_ranks

#: Subcommand -> module that defines it, as a click command of the subcommand's name.
COMMANDS: dict[str, str] = {
    "doctor": "scripts.d1.commands.doctor",
    "demo": "scripts.d1.commands.demo",
    "config": "scripts.d1.commands.config",
    "array": "scripts.d1.commands.array",
    "build": "scripts.d1.commands.build",
    "run": "scripts.d1.commands.run",
    "matmul": "scripts.d1.commands.matmul",
    "cc": "scripts.d1.commands.cc",
    "asm": "scripts.d1.commands.asm",
    "disasm": "scripts.d1.commands.disasm",
    "isa": "scripts.d1.commands.isa",
    "bench": "scripts.d1.commands.bench",
    "campaign": "scripts.d1.commands.campaign",
    "verilog": "scripts.d1.commands.verilog",
    "fpga": "fpga.cli",
}


class LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 passed, 1 failed, 2 wrong use or bad input, 3 a tool is missing.",
)
@click.version_option(package_name="opend1", prog_name="d1")
def d1() -> None:
    """Build, program and run arrays of D1 nodes."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command with arguments (default: those of the process) and return its exit code.

    Of several processes that ``mpirun`` has started together, one runs it, and the others help with its array.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    collect_seldom()

    def command() -> Any:
        return d1.main(args=words, prog_name="d1", standalone_mode=False, obj=words)

    if launched_ranks() == 1:
        return _guarded(command)
    from scripts.d1.ranks import run_together

    return run_together(command, _guarded)


def _guarded(command: Callable[[], Any]) -> int:
    """The exit code of what a call does; its errors are told."""
    try:
        result = command()
        if sys.stdout is not None:  # None if the caller closed it
            sys.stdout.flush()
        return result if isinstance(result, int) else ExitCode.PASSED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "d1"
        return _fail(f"{error.format_message()}\nsee: {path} --help", ExitCode.USAGE)
    except click.ClickException as error:
        return _fail(error.format_message(), ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough; keep the interpreter from flushing into it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.PASSED
    except CommandError as error:
        return _fail(str(error), error.exit_code)
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            # Writing to a full disk names no file.
            file = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            return _fail(f"{file}{error.strerror}", ExitCode.USAGE)
        if isinstance(error, MemoryError):
            return _fail("memory is exhausted; use a smaller --array, shape or preset, or close other programs", ExitCode.USAGE)
        known = _known(error)
        if known is not None:
            return _fail(str(error), known)
        if os.environ.get("D1_TRACEBACK"):
            raise
        return _fail(
            f"internal error, {type(error).__name__}: {error}\nplease report it, with the output under D1_TRACEBACK=1",
            ExitCode.INTERNAL,
        )


def _fail(message: str, code: ExitCode) -> ExitCode:
    click.echo(f"d1: {message}", err=True)
    return code


def _known(error: Exception) -> ExitCode | None:
    """Exit code of an error that the libraries below raise for bad input, or None for any other.

    Only modules that are loaded already can have raised, so their classes are looked up without importing them.
    """
    for module, name, code in (
        ("golden.config", "ConfigError", ExitCode.USAGE),
        ("golden.program", "ProgramError", ExitCode.USAGE),
        ("golden.mesh", "NetworkAccessError", ExitCode.FAILED),
        ("sw.assembler", "AssemblyError", ExitCode.USAGE),
        ("golden.topology", "TopologyError", ExitCode.USAGE),
        ("sw.backend", "HostError", ExitCode.USAGE),
        ("sw.routing", "RoutingError", ExitCode.USAGE),
        ("sw.console", "RequestError", ExitCode.FAILED),
        ("scripts.simulator.errors", "ArrayTooLarge", ExitCode.USAGE),
        ("scripts.simulator.errors", "SimulatorError", None),
        ("fpga.errors", "FpgaError", None),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None and isinstance(error, getattr(loaded, name)):
            return code if code is not None else ExitCode(error.exit_code)
    return None


def main() -> None:
    """Console entry point."""
    sys.exit(run())


if __name__ == "__main__":
    main()
