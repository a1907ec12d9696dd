# SPDX-License-Identifier: Apache-2.0
"""Monitors of RVFI and XVFI: plain Python, fed by a bench under cocotb or by records of the compiled array.

Under cocotb, with the node (or anything that has ports ``rvfi0_*``) as ``dut``::

    monitor = RvfiMonitor(memory=range(SRAM_BASE, SRAM_BASE + config.sram_bytes))
    ports = RvfiPorts(dut, thread=0)
    while running:
        await FallingEdge(dut.clk)
        monitor.cycle(ports.sample())
    monitor.finish()

With the compiled array::

    with SimulatedArray(config, 1, 1, observe=True) as array:
        array.observe(rvfi=True)
        ...
        check_records(config, array.rvfi_records())

A violation raises :class:`verif.rtl.rvfi.monitor.RvfiError`, which names the instruction and what is wrong with it.
"""
