/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef BPFREC_SHIM_LOG2_H
#define BPFREC_SHIM_LOG2_H

#define roundup_pow_of_two(n) (1UL << (64 - __builtin_clzl((n)-1)))

#endif
