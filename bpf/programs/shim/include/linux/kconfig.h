/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* bcc takes a folder for a kernel's headers when it holds this file. */
#ifndef BPFREC_SHIM_KCONFIG_H
#define BPFREC_SHIM_KCONFIG_H

#define CONFIG_BPF_SYSCALL 1

#endif
