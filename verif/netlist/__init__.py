# SPDX-License-Identifier: Apache-2.0
"""Simulation after synthesis: the netlist that goes to placement, with models of the FPGA's cells."""
