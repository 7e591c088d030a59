/* SPDX-License-Identifier: Apache-2.0 */
/* What both backends do alike about lists of jobs: cursors, prefixes, and copies of filters. Pure. */
#ifndef CHARD_STORE_JOB_CURSOR_H
#define CHARD_STORE_JOB_CURSOR_H

#include "core/problem.h"
#include "store/read.h"

#include <stdbool.h>
#include <stddef.h>

/* A page's rows looked at, and with a text to look for: their documents have to be read. */
enum { JOB_PAGE_ROWS = 20000, JOB_PAGE_TEXTS = 5000, JOB_FOLLOW_MOST = 500 };

/* A job's place in the order of a list: MICROSECONDS.ID. */
struct job_cursor {
        int64_t created_us;
        const char *root_id; /* inside the text that was read */
};

/* Read one; NULL or "" is the place before the newest. Returns 0, or 1 with `why` (source "store", code "bad_cursor"). */
int job_cursor_read(const char *text, struct job_cursor *out, struct problem *why);

/* A copy of a filter, its cursor read. Its texts are "" instead of NULL; its state is one, or "" where it is any, or what `open` and `unlucky` say. */
struct job_list_call {
        struct job_filter filter;
        struct job_cursor cursor;
        bool open, unlucky;
        char texts[];
};

/* How many bytes a copy takes; and copy it into so many, suitably aligned. Returns 0, or 1 with `why` as job_cursor_read. */
size_t job_list_size(const struct job_filter *filter);
int job_list_copy(const struct job_filter *f, struct job_list_call *c, struct problem *why);

/* The first text behind all that begin with `prefix`; `out` holds as many bytes as the prefix and its end. An empty prefix has none: returns false. */
bool job_prefix_upto(const char *prefix, char *out);

#endif
