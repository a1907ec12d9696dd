# SPDX-License-Identifier: Apache-2.0
"""Compile each C++ file that many designs share once: a prefix for the compiler, as ``OBJCACHE`` of Verilator's make files.

``python object_cache.py FOLDER COMPILER ARGUMENT...`` runs the compiler, or copies the object that the same compiler made of
the same text with the same options before. Verilator's runtime, the macros' C++ and the engine go into every simulation and
take longer than most of the designs. What Verilator writes lies in the folder that the compiler runs in; it belongs to one
design, and is compiled without being kept.

Several processes may compile at once: one of them compiles an object, and others that need the same wait for it. Where ccache
is installed, benches use that instead. The standard library only, since it runs for each file that is compiled.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

__all__ = ["main", "object_cache_command"]

#: Options that neither change the object, beyond the text that the preprocessor makes of them, nor are for the preprocessor.
_PREPROCESSOR = ("-I", "-D", "-U", "-M")


def object_cache_command(folder: str | os.PathLike[str]) -> str:
    """What ``OBJCACHE`` has to be for objects to be kept in a folder."""
    # Isolated and without packages, Python starts in a few milliseconds.
    return shlex.join([sys.executable, "-I", "-S", os.path.abspath(__file__), os.path.abspath(folder)])


def main(arguments: Sequence[str]) -> int:
    """Run the compiler as the arguments say; returns its exit code."""
    folder, command = arguments[0], list(arguments[1:])
    names = _names(command)
    key = None if names is None else _key(command, *names)
    if names is None or key is None:
        return subprocess.run(command).returncode
    _, target = names
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{key}.o")
    with open(os.path.join(folder, f"{key}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(path):
            shutil.copyfile(path, target)
            return 0
        code = subprocess.run(command).returncode
        if code == 0:
            partial = f"{path}.partial"
            shutil.copyfile(target, partial)
            os.replace(partial, path)
        return code


def _names(command: Sequence[str]) -> tuple[str, str] | None:
    """Source and object of a command that compiles one file of another folder; None for every other command."""
    sources = [word for word in command[1:] if word.endswith((".cpp", ".cc", ".c"))]
    if "-c" not in command or "-o" not in command[:-1] or len(sources) != 1 or not os.path.dirname(sources[0]):
        return None
    # What is in debugging information, such as the folder, is not in the preprocessor's text.
    if any(word.startswith("-g") for word in command):
        return None
    return sources[0], command[command.index("-o") + 1]


def _key(command: Sequence[str], source: str, target: str) -> str | None:
    """Digest of the preprocessor's text, the options and the compiler; None if the text cannot be made."""
    compiler = shutil.which(command[0])
    if compiler is None:
        return None
    options = [word for word in command[1:] if word not in ("-c", "-o", source, target)]
    preprocessing = [word for word in options if not word.startswith("-M")]
    # Without line markers, which name folders.
    done = subprocess.run([command[0], *preprocessing, "-E", "-P", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        return None
    facts = os.stat(compiler)
    kept = [word for word in options if not word.startswith(_PREPROCESSOR)]
    made_by = [os.path.realpath(compiler), str(facts.st_size), str(facts.st_mtime_ns)]
    head = "\0".join([*made_by, *kept, os.path.basename(source)])
    return hashlib.sha256(head.encode() + b"\0\0" + done.stdout).hexdigest()[:32]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
