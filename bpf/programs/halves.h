/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The functions that the kernel calls are compiled in two halves at the same time, each by a process of its own: the
 * compiler uses one CPU. What nobody calls in a half is left out of it.
 */
#pragma once

#ifdef ONLY_REST
#define IN_HALF_OF_CALLS static
#else
#define IN_HALF_OF_CALLS
#endif

#ifdef ONLY_CALLS
#define IN_HALF_OF_REST static
#else
#define IN_HALF_OF_REST
#endif
