/* SPDX-License-Identifier: Apache-2.0 */
/* Folds floods of one message: of the lines of one format so many are written in a window of time, and at its end it is told how many more there were.
 * The table is bounded; what finds no place in it is written. Pure: time comes in; whoever shares it locks it. */
#ifndef CHARD_CORE_LOG_FOLD_H
#define CHARD_CORE_LOG_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_FOLD_KINDS = 64 };

/* Lines of one format: a constant, told apart by where it lies and by who says it. */
struct log_fold_kind {
        const char *format, *where;
        int level;
        uint64_t since_ms;
        unsigned written, held; /* in this window */
};

/* All zero: nothing is folded. */
struct log_fold {
        unsigned burst, window_ms;
        size_t count;
        struct log_fold_kind kinds[LOG_FOLD_KINDS];
};

/* May a line of this format be written? If not, it is counted. */
bool log_fold_takes(struct log_fold *f, const char *format, const char *where, int level, uint64_t now_ms);

/* Give one whose window is over (or, with `all`, any) and that has held lines back, and begin a new window for it. False when there is none. */
bool log_fold_over(struct log_fold *f, uint64_t now_ms, bool all, struct log_fold_kind *out);

#endif
