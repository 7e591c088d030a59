/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for those who look: jobs, workers, events. Nothing here changes what a run sees. */
#ifndef CHARD_STORE_READ_H
#define CHARD_STORE_READ_H

#include "store/store.h"

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

struct store_read {
        /* A worker's row: {"name","state","started_at","beat_at","age_ms"}. */
        void (*worker)(struct store *s, const char *name, json_done *done, void *arg);
        /* A job: {"id","pipeline","state","document","error","created_at","finished_at","tasks":[{"id","name","state","attempts","starts","tokens_in","tokens_out","cost_usd","elapsed_ms","error"…}],
         * "events":[{"type","version","payload","created_at"}]}. */
        void (*job)(struct store *s, const char *root_id, json_done *done, void *arg);

        /* What `job` leaves out: who holds its tasks, what waits of it and what died of it. {"tasks":[{"id","owner","until_ms","replaced","part"}], "waiting":[{"id","task_id",
         * "reason","routing_key","created_ms","due_ms","returns"}], "dead":[{"entry","task_id","name","state","source","code","attempts","died_ms","kept_ms","settled_ms"}],
         * "acts":[{"entry","at_ms","action","who","reason"}]}; of a job that is not there the lists are empty. */
        void (*job_trail)(struct store *s, const char *root_id, json_done *done, void *arg);

        /* A page of jobs, newest first: {"jobs": [{"id","pipeline","state","user_id","created_at","finished_at","error"}], "cursor": text or null}. A page looks
         * at a bounded number of rows, so it may hold fewer than `limit` jobs and still have a cursor: go on until that is null. The filter is copied.
         * `why` has code "bad_cursor" for another backend's. */
        void (*job_list)(struct store *s, const struct job_filter *filter, json_done *done, void *arg);
        /* What has this id, or one that begins so (at most 21 of each kind): [{"job","id","kind","name","properties","due_ms"}]; kinds: "job", "task", "dead" (a dead letter),
         * "scheduled" (a message: its job is null, its properties are given as hexadecimal), "chain" (a task that nobody has begun). */
        void (*job_find)(struct store *s, const char *prefix, json_done *done, void *arg);
        /* What happened to these jobs, each after its position: [{"job","position","kind" ("task", "event", "job"),"task_id","name","state","attempt","at","payload","version": null}],
         * at most 500 of a job, in the order of the positions, which count from 1 without a gap and stay what they are. Where that is all, a backend may
         * add a row with no more than "job" and "version", and say nothing of the job while it has that version. The ids are copied. */
        void (*job_follow)(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg);
        /* Be told when somebody else, in this process or another, may have changed something; NULL ends it. False where a backend can't tell: ask now and then. */
        bool (*on_touched)(struct store *s, void (*touched)(void *arg), void *arg);

        /* {"workers": as of `workers`, "held": [{"owner","count","until"}], "scheduled": {"count","overdue","unroutable","oldest_due_ms"}}; see jobs_load. */
        void (*load)(struct store *s, json_done *done, void *arg);
        /* What waits in the store, in numbers: {"scheduled": [{"reason","count","due" (of them)}], "late_ms" (how long the first due one has been; null = nothing is
         * scheduled), "dead" (letters kept, 100000 at most), "workers": as of `workers`, "slots" (of replication): [{"name","active","lag" (bytes or null),
         * "wal_status","safe" (bytes that may be written before it is lost, or null),"undelivered_ms" (the age of the oldest event that its reader may not have; 0 = it
         * has all; null = not known)}]}. */
        void (*figures)(struct store *s, json_done *done, void *arg);
        /* What the store says of itself: {"server" (name and version),"schema" (version),"now_us" (its clock),"standby","connections","connections_max" (null where it has none),
         * "slots" (of replication): [{"name","active","wal_status","lag" (bytes or null)}]}. */
        void (*examine)(struct store *s, json_done *done, void *arg);
        /* All workers' rows, as of `worker`, in an array ordered by name. */
        void (*workers)(struct store *s, json_done *done, void *arg);

        /* At most `limit` outbox rows after the position `since` (NULL or "" = from the first), in an order in which nothing is ever put
         * before what was read: [{"position","id","aggregate_type","aggregate_id","type","payload","created_at","tracingspancontext",
         * "backfill" (which one has put it there once more, or null)}].
         * A position is text that only its backend reads; `why` has code "bad_position" for another's. */
        void (*events)(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);

        /* The parts of a chord's header that have ended, by index: [{"id","part","state","result" (text or null),"error"}], all of them. */
        void (*chord_parts)(struct store *s, const char *group_id, json_done *done, void *arg);
};

#endif
