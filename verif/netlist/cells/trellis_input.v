// SPDX-License-Identifier: Apache-2.0
// Input pin of the ECP5, for simulation: a TRELLIS_IO with DIR "INPUT", which has a type of its own here.
//
// Source: Yosys, techlibs/lattice/common_sim.vh. Its model of all directions in one needs three-state values.
module TRELLIS_INPUT (input B, output O);
    parameter DIR = "INPUT";
    assign O = B;
endmodule
