// SPDX-License-Identifier: Apache-2.0
// Look-up table of the ECP5 with four inputs, for simulation: as Yosys' model (techlibs/lattice/common_sim.vh), but one selection,
// which compiles to a fraction of the code.
module LUT4 (input A, B, C, D, output Z);
    parameter [15:0] INIT = 16'h0000;
    wire [15:0] values = INIT;
    assign Z = values[{D, C, B, A}];
endmodule
