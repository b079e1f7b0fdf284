/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bcc's headers ask for 4.8 or newer; our programs never compare versions. */
#ifndef BPFREC_SHIM_VERSION_H
#define BPFREC_SHIM_VERSION_H

#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION(5, 8, 0)

#endif
