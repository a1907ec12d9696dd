# SPDX-License-Identifier: Apache-2.0
"""Whether results can be written where they are asked for, found out before the work for them is done."""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["check_output_file", "check_output_folder"]


def check_output_file(path: Path) -> None:
    """OSError, which names the path, if no file can be written there. Nothing is written, so that an older file stays."""
    if path.is_dir():
        raise _error(errno.EISDIR, path)
    if path.exists():
        if not os.access(path, os.W_OK):
            raise _error(errno.EACCES, path)
        return
    # A link may lead to where there is no file yet.
    folder = Path(os.path.realpath(path)).parent
    if not folder.exists():
        raise _error(errno.ENOENT, path)
    _check_folder(folder, path)


def check_output_folder(path: Path) -> None:
    """OSError, which names the path, if files can be written neither into that folder nor into one that is made there."""
    present = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    _check_folder(present, path)


def _check_folder(folder: Path, path: Path) -> None:
    if not folder.is_dir():
        raise _error(errno.ENOTDIR, path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _error(errno.EACCES, path)


def _error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
