/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of a process that holds thousands of calls in flight: each leaves some 30 kB untouched for seconds, so what a step
 * costs is to a good part memory that has left the processor's caches and its page tables' (docs/performance.md). */
#ifndef CHARD_CORE_MEMORY_H
#define CHARD_CORE_MEMORY_H

#include <stddef.h>

/* Set glibc's malloc up for that: grow in big strides, and merge a freed piece with its neighbours at once, while they are
 * warm, not all of them later. Call once, before the first thread starts. */
void memory_prepare(void);

/* Ask for huge pages where the heap has grown since the last call, its first megabytes left out: an idle process stays as
 * small as it was. Costs nothing when it has not grown; call it in every turn of the loop. Where the kernel gives no huge
 * pages, nothing happens. For the thread that called memory_prepare. */
void memory_follow(void);

/* Forget what whole pages of a piece of memory hold: they are zeros when they are read next, and take no memory until then. Of memory that nobody else writes to. Any thread. */
void memory_forget(void *from, size_t size);

#endif
