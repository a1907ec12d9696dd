# SPDX-License-Identifier: Apache-2.0
"""The assembler: ``assemble`` makes a Program from source text, or raises AssemblyError."""

from sw.assembler.assembler import assemble, assemble_lines, predefined_symbols
from sw.assembler.errors import AssemblyError, Diagnostic, SourceLine, Span

__all__ = ["AssemblyError", "Diagnostic", "SourceLine", "Span", "assemble", "assemble_lines", "predefined_symbols"]
