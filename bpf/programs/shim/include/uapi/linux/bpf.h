/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Empty on purpose: bcc's own headers include this file, and already define what our programs use of it. */
