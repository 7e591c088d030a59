/* SPDX-License-Identifier: Apache-2.0 */
#include "core/memory.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE  ((uintptr_t)2 << 20)
#define LEFT_OUT   ((uintptr_t)6 << 20) /* more than an idle worker's heap */
#define STRIDE     (64 << 20)           /* address space, not memory: pages come when they are touched */
#define MMAP_ABOVE (1 << 20)            /* a bigger piece is mapped by itself, and given back when it is freed */

/* The process has one. */
static struct {
        uintptr_t first, advised; /* from here, up to here */
        bool grown;
} heap;

void memory_prepare(void)
{
        mallopt(M_MXFAST, 0);
        heap.first = ((uintptr_t)sbrk(0) + LEFT_OUT + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        heap.advised = heap.first;
}

/* Not before there is need for it: calloc clears what lies ready, but not what comes fresh from the kernel, so that an idle
 * process would be half a megabyte bigger. */
static void grow_in_strides(void)
{
        mallopt(M_MMAP_THRESHOLD, MMAP_ABOVE);
        mallopt(M_TOP_PAD, STRIDE);
        mallopt(M_TRIM_THRESHOLD, 2 * STRIDE);
        heap.grown = true;
}

void memory_follow(void)
{
        const uintptr_t end = (uintptr_t)sbrk(0) & ~(HUGE_PAGE - 1);

        if (end > heap.first && !heap.grown)
                grow_in_strides();
        if (end > heap.advised)
                madvise((void *)heap.advised, end - heap.advised, MADV_HUGEPAGE);
        heap.advised =
                end > heap.first ? end : heap.first; /* what is given back, and taken again, is asked for again */
}

void memory_forget(void *from, size_t size)
{
        const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        const uintptr_t first = ((uintptr_t)from + page - 1) & ~(page - 1),
                        end = ((uintptr_t)from + size) & ~(page - 1);

        if (end > first)
                madvise((void *)first, end - first, MADV_DONTNEED);
}
