// SPDX-License-Identifier: Apache-2.0
// Global set and reset of the ECP5, for simulation: low until the design releases it, and never low again.
//
// Source: Lattice FPGA-TN-02200, "ECP5 and ECP5-5G sysCONFIG Usage Guide". Registers begin with the value that this reset gives
// them, so one that is only held from power-up on needs no model; one that comes back would, and ends the simulation.
module SGSR (input GSR, input CLK);
    reg released = 0;
    always @(posedge CLK) begin
        released <= GSR;
        if (released && !GSR) $fatal(1, "SGSR: no model of a reset while the design runs");
    end
endmodule
