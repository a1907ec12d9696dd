// SPDX-License-Identifier: Apache-2.0
// Which instruction set the arithmetic uses.
#ifndef OPEND1_VARIANT_H
#define OPEND1_VARIANT_H

namespace opend1 {

// What every machine of this kind runs, then better ones.
enum Variant : unsigned {
    kBasic,
#if defined(__x86_64__)
    kAvx2,
    kAvx512,
#endif
    kVariants,
};

// The best one that the machine runs, unless d1_arithmetic_select has chosen another.
extern Variant variant;

}  // namespace opend1

#endif
