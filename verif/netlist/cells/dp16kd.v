// SPDX-License-Identifier: Apache-2.0
// Block RAM of the ECP5, for simulation: 512 words of 36 bits behind two ports that are 1, 2, 4, 9, 18 or 36 bits wide.
//
// Source: Lattice FPGA-TN-02204, "ECP5 and ECP5-5G Memory User Guide": widths and their address bits, byte enables in the low
// address bits, write modes, 36 bits by joining the data pins of both ports; and how Yosys describes and connects the cell
// (techlibs/lattice/brams_16kd.txt and brams_map_16kd.v), which is all that it has to stand for. Hence no output registers, no
// chip select decoding, and a port of 36 bits either writes (A) or reads (B).
//
// Where one port reads what the other one writes in the same cycle, the device promises nothing, and this gives random bits.
// A model cannot tell whether two clocks are one, so it takes them for one.
module DP16KD (
    input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8,
    input DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
    input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2,
    output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8,
    output DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
    input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8,
    input DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
    input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2,
    output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8,
    output DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter GSR = "ENABLED";
    parameter [319:0] INITVAL_00 = 320'b0;
    parameter [319:0] INITVAL_01 = 320'b0;
    parameter [319:0] INITVAL_02 = 320'b0;
    parameter [319:0] INITVAL_03 = 320'b0;
    parameter [319:0] INITVAL_04 = 320'b0;
    parameter [319:0] INITVAL_05 = 320'b0;
    parameter [319:0] INITVAL_06 = 320'b0;
    parameter [319:0] INITVAL_07 = 320'b0;
    parameter [319:0] INITVAL_08 = 320'b0;
    parameter [319:0] INITVAL_09 = 320'b0;
    parameter [319:0] INITVAL_0A = 320'b0;
    parameter [319:0] INITVAL_0B = 320'b0;
    parameter [319:0] INITVAL_0C = 320'b0;
    parameter [319:0] INITVAL_0D = 320'b0;
    parameter [319:0] INITVAL_0E = 320'b0;
    parameter [319:0] INITVAL_0F = 320'b0;
    parameter [319:0] INITVAL_10 = 320'b0;
    parameter [319:0] INITVAL_11 = 320'b0;
    parameter [319:0] INITVAL_12 = 320'b0;
    parameter [319:0] INITVAL_13 = 320'b0;
    parameter [319:0] INITVAL_14 = 320'b0;
    parameter [319:0] INITVAL_15 = 320'b0;
    parameter [319:0] INITVAL_16 = 320'b0;
    parameter [319:0] INITVAL_17 = 320'b0;
    parameter [319:0] INITVAL_18 = 320'b0;
    parameter [319:0] INITVAL_19 = 320'b0;
    parameter [319:0] INITVAL_1A = 320'b0;
    parameter [319:0] INITVAL_1B = 320'b0;
    parameter [319:0] INITVAL_1C = 320'b0;
    parameter [319:0] INITVAL_1D = 320'b0;
    parameter [319:0] INITVAL_1E = 320'b0;
    parameter [319:0] INITVAL_1F = 320'b0;
    parameter [319:0] INITVAL_20 = 320'b0;
    parameter [319:0] INITVAL_21 = 320'b0;
    parameter [319:0] INITVAL_22 = 320'b0;
    parameter [319:0] INITVAL_23 = 320'b0;
    parameter [319:0] INITVAL_24 = 320'b0;
    parameter [319:0] INITVAL_25 = 320'b0;
    parameter [319:0] INITVAL_26 = 320'b0;
    parameter [319:0] INITVAL_27 = 320'b0;
    parameter [319:0] INITVAL_28 = 320'b0;
    parameter [319:0] INITVAL_29 = 320'b0;
    parameter [319:0] INITVAL_2A = 320'b0;
    parameter [319:0] INITVAL_2B = 320'b0;
    parameter [319:0] INITVAL_2C = 320'b0;
    parameter [319:0] INITVAL_2D = 320'b0;
    parameter [319:0] INITVAL_2E = 320'b0;
    parameter [319:0] INITVAL_2F = 320'b0;
    parameter [319:0] INITVAL_30 = 320'b0;
    parameter [319:0] INITVAL_31 = 320'b0;
    parameter [319:0] INITVAL_32 = 320'b0;
    parameter [319:0] INITVAL_33 = 320'b0;
    parameter [319:0] INITVAL_34 = 320'b0;
    parameter [319:0] INITVAL_35 = 320'b0;
    parameter [319:0] INITVAL_36 = 320'b0;
    parameter [319:0] INITVAL_37 = 320'b0;
    parameter [319:0] INITVAL_38 = 320'b0;
    parameter [319:0] INITVAL_39 = 320'b0;
    parameter [319:0] INITVAL_3A = 320'b0;
    parameter [319:0] INITVAL_3B = 320'b0;
    parameter [319:0] INITVAL_3C = 320'b0;
    parameter [319:0] INITVAL_3D = 320'b0;
    parameter [319:0] INITVAL_3E = 320'b0;
    parameter [319:0] INITVAL_3F = 320'b0;

    generate
        if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG") $error("DP16KD: no model of output registers");
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000") $error("DP16KD: no model of chip select decoding");
    endgenerate

    // Slice n has words 16 n to 16 n + 15 of 18 bits, 20 bits apart.
    localparam [64 * 320 - 1:0] INITIAL = {
        INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
        INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
        INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
        INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
        INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
        INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
        INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
        INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
    };

    // Word n of 18 bits is half n % 2 of word n / 2 of 36 bits.
    reg [35:0] words [0:511];
    integer i;
    initial for (i = 0; i < 512; i = i + 1) words[i] = {INITIAL[20 * (2 * i + 1) +: 18], INITIAL[20 * 2 * i +: 18]};

    wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
                       DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
                       DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    wire clock_a = (CLKAMUX == "INV") ? ~CLKA : CLKA;
    wire clock_b = (CLKBMUX == "INV") ? ~CLKB : CLKB;
    // A synchronous reset keeps a port from writing, an asynchronous one does not.
    wire stopped_a = RESETMODE == "SYNC" && RSTA;
    wire stopped_b = RESETMODE == "SYNC" && RSTB;
    wire enable_a = CEA & ~(CSA2 | CSA1 | CSA0) & ~stopped_a;
    wire enable_b = CEB & ~(CSB2 | CSB1 | CSB0) & ~stopped_b;
    wire write_a = enable_a & WEA;
    wire write_b = enable_b & WEB;

    // Where in a word of 36 bits a port of that width finds its bits. Widths below 9 do not use the ninth bit of a byte.
    function [5:0] place(input integer width, input [13:0] address);
        case (width)
            36: place = 0;
            18: place = address[4] ? 18 : 0;
            9: place = 9 * address[4:3];
            4: place = 9 * address[4:3] + 4 * address[2];
            2: place = 9 * address[4:3] + 2 * address[2:1];
            default: place = 9 * address[4:3] + address[2:0];
        endcase
    endfunction

    // The bits that a port may write, from the lowest on: by byte enables, which are its lowest address bits, from 18 bits on.
    function [35:0] writable(input integer width, input [13:0] address);
        case (width)
            36: writable = {{9{address[3]}}, {9{address[2]}}, {9{address[1]}}, {9{address[0]}}};
            18: writable = {18'b0, {9{address[1]}}, {9{address[0]}}};
            default: writable = (36'b1 << width) - 1;
        endcase
    endfunction

    function [35:0] written(input [35:0] word, input [35:0] mask, input [35:0] data);
        written = (word & ~mask) | (data & mask);
    endfunction

    wire [5:0] place_a = place(DATA_WIDTH_A, ada);
    wire [5:0] place_b = place(DATA_WIDTH_B, adb);
    wire [35:0] mask_a = write_a ? writable(DATA_WIDTH_A, ada) << place_a : 36'b0;
    wire [35:0] mask_b = write_b ? writable(DATA_WIDTH_B, adb) << place_b : 36'b0;
    wire [35:0] data_a = {DATA_WIDTH_A == 36 ? dib : 18'b0, dia} << place_a;
    wire [35:0] data_b = {18'b0, dib} << place_b;

    // Words as they are, and as the other port's write leaves them.
    wire same_word = ada[13:5] == adb[13:5];
    wire [35:0] word_a = words[ada[13:5]];
    wire [35:0] word_b = words[adb[13:5]];
    wire [35:0] foreign_a = same_word ? mask_b : 36'b0;
    wire [35:0] foreign_b = same_word ? mask_a : 36'b0;

    always @(posedge clock_a)
        if (write_a) words[ada[13:5]] <= written(written(word_a, foreign_a, data_b), mask_a, data_a);

    always @(posedge clock_b)
        if (write_b) words[adb[13:5]] <= written(written(word_b, foreign_b, data_a), mask_b, data_b);

    function [35:0] found(
        input integer width, input [5:0] offset, input [35:0] word, input [35:0] foreign, input [35:0] mask, input [35:0] data
    );
        reg [63:0] noise;
        begin
            noise = foreign == 0 ? 64'b0 : {$urandom, $urandom};
            found = word ^ (foreign & noise[35:0]);
            found = written(found, mask, data) >> offset;
            if (width < 36) found = found & ((36'b1 << width) - 1);
        end
    endfunction

    wire read_a = enable_a & (~WEA | (WRITEMODE_A != "NORMAL"));
    wire read_b = enable_b & (~WEB | (WRITEMODE_B != "NORMAL"));
    wire [35:0] through_a = WRITEMODE_A == "WRITETHROUGH" ? mask_a : 36'b0;
    wire [35:0] through_b = WRITEMODE_B == "WRITETHROUGH" ? mask_b : 36'b0;

    reg [35:0] out_a = 0;
    reg [35:0] out_b = 0;
    generate
        if (RESETMODE == "SYNC") begin
            always @(posedge clock_a)
                if (RSTA) out_a <= 0;
                else if (read_a) out_a <= found(DATA_WIDTH_A, place_a, word_a, foreign_a, through_a, data_a);
            always @(posedge clock_b)
                if (RSTB) out_b <= 0;
                else if (read_b) out_b <= found(DATA_WIDTH_B, place_b, word_b, foreign_b, through_b, data_b);
        end else begin
            always @(posedge clock_a or posedge RSTA)
                if (RSTA) out_a <= 0;
                else if (read_a) out_a <= found(DATA_WIDTH_A, place_a, word_a, foreign_a, through_a, data_a);
            always @(posedge clock_b or posedge RSTB)
                if (RSTB) out_b <= 0;
                else if (read_b) out_b <= found(DATA_WIDTH_B, place_b, word_b, foreign_b, through_b, data_b);
        end
    endgenerate

    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
            DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0} = DATA_WIDTH_B == 36 ? out_b[17:0] : out_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
            DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0} = DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
endmodule
