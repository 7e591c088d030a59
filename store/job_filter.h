/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of jobs: which ones, and what happened to them since. */
#ifndef CHARD_STORE_JOB_FILTER_H
#define CHARD_STORE_JOB_FILTER_H

#include <stdint.h>

/* Which jobs; what is NULL or 0 does not matter. Everything borrowed for the length of the call. */
struct job_filter {
        const char *pipeline, *user_id;
        const char *state;          /* SUCCESS, … or "open": has not ended; "unlucky": FAILURE or REVOKED */
        const char *task;           /* has a task of this name */
        const char *text;           /* occurs in its document, in whatever case */
        int64_t since_ms, until_ms; /* created at or after, and before: wall clock */
        const char *cursor;         /* what the page before said, or NULL */
        unsigned limit;             /* 1 … 1000 jobs in a page */
};

/* A job that somebody follows, the position up to which it was told, and the version at which that was all; 0: ask anew. */
struct job_follow {
        const char *id;
        int64_t after, version;
};

#endif
