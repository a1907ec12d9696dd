// SPDX-License-Identifier: Apache-2.0
// Output pin of the ECP5, for simulation: a TRELLIS_IO with DIR "OUTPUT", which has a type of its own here.
//
// Source: Yosys, techlibs/lattice/common_sim.vh. Its model of all directions in one needs three-state values. An output that is
// switched off would need them too, and ends the simulation.
module TRELLIS_OUTPUT (output B, input I, input T);
    parameter DIR = "OUTPUT";
    assign B = I;
    always @(*) if (T) $fatal(1, "TRELLIS_IO: no model of an output that is switched off");
endmodule
