/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef BPFREC_SHIM_PAGE_H
#define BPFREC_SHIM_PAGE_H

#define PAGE_SIZE 4096

#endif
