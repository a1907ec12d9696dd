// SPDX-License-Identifier: Apache-2.0
// Models of phase-locked loops for simulation: the clock at the pin is the one that the PLL makes, and lock comes after a while.
// Parameters and ports are those that fpga/clock.py uses.

module lock_model (input clk, output locked);
  reg [5:0] count = 0;
  assign locked = &count;
  always @(posedge clk) if (!locked) count <= count + 1;
endmodule

module EHXPLLL #(
  parameter PLLRST_ENA = "", INTFB_WAKE = "", STDBY_ENABLE = "", DPHASE_SOURCE = "", OUTDIVIDER_MUXA = "",
  parameter OUTDIVIDER_MUXB = "", OUTDIVIDER_MUXC = "", OUTDIVIDER_MUXD = "", FEEDBK_PATH = "", CLKOP_ENABLE = "",
  parameter CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0, CLKOP_FPHASE = 0
) (
  input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG, PLLWAKESYNC, ENCLKOP,
  output CLKOP, LOCK
);
  assign CLKOP = CLKI;
  lock_model lock (.clk(CLKI), .locked(LOCK));
endmodule

module SB_PLL40_PAD #(
  parameter FEEDBACK_PATH = "", DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0
) (
  input PACKAGEPIN, RESETB, BYPASS,
  output PLLOUTGLOBAL, LOCK
);
  assign PLLOUTGLOBAL = PACKAGEPIN;
  lock_model lock (.clk(PACKAGEPIN), .locked(LOCK));
endmodule

module rPLL #(
  parameter FCLKIN = "", DEVICE = "", DYN_IDIV_SEL = "", DYN_FBDIV_SEL = "", DYN_ODIV_SEL = "", DYN_DA_EN = "", PSDA_SEL = "",
  parameter DUTYDA_SEL = "", CLKFB_SEL = "", CLKOUT_BYPASS = "", CLKOUTP_BYPASS = "", CLKOUTD_BYPASS = "", CLKOUTD_SRC = "",
  parameter CLKOUTD3_SRC = "", IDIV_SEL = 0, FBDIV_SEL = 0, ODIV_SEL = 8, DYN_SDIV_SEL = 2
) (
  input CLKIN, CLKFB, RESET, RESET_P,
  input [5:0] FBDSEL, IDSEL, ODSEL,
  input [3:0] PSDA, DUTYDA, FDLY,
  output CLKOUT, LOCK
);
  assign CLKOUT = CLKIN;
  lock_model lock (.clk(CLKIN), .locked(LOCK));
endmodule
