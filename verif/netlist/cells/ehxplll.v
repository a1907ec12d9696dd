// SPDX-License-Identifier: Apache-2.0
// Phase-locked loop of the ECP5, for simulation: the clock at its input is taken for the one that it makes, and lock comes after a
// while. Whether its dividers make that clock of the board's oscillator is checked where the netlist is read.
//
// Source: Lattice FPGA-TN-02200, "ECP5 and ECP5-5G sysCLOCK PLL/DLL Design and Usage Guide".
module EHXPLLL (
    input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP,
    output CLKOP, LOCK
);
    parameter CLKI_DIV = 1;
    parameter CLKFB_DIV = 1;
    parameter CLKOP_DIV = 8;
    parameter CLKOP_CPHASE = 0;
    parameter CLKOP_FPHASE = 0;
    parameter CLKOP_ENABLE = "ENABLED";
    parameter FEEDBK_PATH = "CLKOP";
    parameter PLLRST_ENA = "DISABLED";
    parameter INTFB_WAKE = "DISABLED";
    parameter STDBY_ENABLE = "DISABLED";
    parameter DPHASE_SOURCE = "DISABLED";
    parameter OUTDIVIDER_MUXA = "DIVA";
    parameter OUTDIVIDER_MUXB = "DIVB";
    parameter OUTDIVIDER_MUXC = "DIVC";
    parameter OUTDIVIDER_MUXD = "DIVD";

    generate
        if (FEEDBK_PATH != "CLKOP") $error("EHXPLLL: no model of this feedback");
    endgenerate

    reg [5:0] cycles = 0;
    always @(posedge CLKI) if (!LOCK) cycles <= cycles + 1;
    assign CLKOP = CLKI;
    assign LOCK = &cycles;
endmodule
