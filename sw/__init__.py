# SPDX-License-Identifier: Apache-2.0
"""Software for the node: assembler, disassembler, ELF files, kernels and the host runtime."""
