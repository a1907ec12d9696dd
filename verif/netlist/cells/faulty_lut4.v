// SPDX-License-Identifier: Apache-2.0
// Look-up table that gives the inverse if its fault is the one that environment variable D1_FAULT names.
module FAULTY_LUT4 (input A, B, C, D, output Z);
    parameter [15:0] INIT = 16'h0000;
    parameter integer FAULT = 0;
    reg faulty = $c32("(std::getenv(\"D1_FAULT\") ? std::atoi(std::getenv(\"D1_FAULT\")) : 0)") == FAULT;
    wire [15:0] values = INIT;
    assign Z = values[{D, C, B, A}] ^ faulty;
endmodule
