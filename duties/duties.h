/* SPDX-License-Identifier: Apache-2.0 */
/* What one process of a fleet must do now and then: look for jobs that got stuck, send dead letters back, raise alarms, keep
 * the store in shape, forget who is gone. Any number of
 * processes may have duties; one of them leads and does them, by a lease in the store. A leader that dies is followed by another within
 * DUTIES_LEASE_MS; one that wakes after its lease is over finds by its own clock that it leads no more, and begins nothing.
 * Everything runs on one loop. The duties are in the table of open.c, each a file of its own: see duty.h. */
#ifndef CHARD_DUTIES_H
#define CHARD_DUTIES_H

#include "catalog/catalog.h"
#include "results/results.h"
#include "store/store.h"

#include <uv.h>

enum { DUTIES_LEASE_MS = 10000 };

struct span_source;

/* Everything borrowed until duties_close has been called and the loop is idle. */
struct duties_config {
        uv_loop_t *loop;
        const struct catalog *catalog;
        struct store *store;
        const struct span_source *spans; /* where the spans of what they do go; or NULL */
        struct results *results;         /* where chords are counted, for jobs that go on with one; or NULL */
        const char *name;                /* of this process, by which others know who leads */
        unsigned lease_ms;               /* 0 = DUTIES_LEASE_MS */
        void (*stopped)(
                void *arg); /* after duties_stop: others may lead; from inside it where nothing had to be asked. May be NULL */
        void *arg;

        size_t max_body;                         /* bodies up to this size are looked into */
        unsigned deadline_ms;                    /* of every AI call, or 0: each task's own */
        const char *policies;                    /* which entries are sent back by themselves: duties/policy.h */
        unsigned stale_every_s;                  /* between two looks for jobs that got stuck; 0 = never */
        unsigned stale_slack_s;                  /* what a job is given beyond what its tasks may take */
        const char *task_routes, *default_queue; /* where tasks of others go: message/routes.h; or NULL */
        const char *webhook_url;   /* told of new and growing groups of dead letters; NULL or "" = nobody */
        const char *webhook_shape; /* "slack", "discord", or "": by its host */
        unsigned webhook_every_s;  /* between two messages */
        unsigned webhook_quiet_s;  /* before the same group is told of again */
        const char *
                hook_secret; /* with which it is signed that a job has ended: duties/delivery.h; NULL or "" = nobody is told */
        unsigned blob_keep_s; /* pictures that no job has named for so long are forgotten; 0 = never */
        bool hook_private;    /* those that are told may have addresses of private networks */
};

struct duties;

/* Begin to stand for the lead, and do the duties while it is ours. Returns 0; 1 with `why` (a setting that a duty refuses); or -ENOMEM. Loop thread. */
int duties_open(struct duties **out, const struct duties_config *config, struct problem *why);

/* Begin nothing more, and give the lead back. */
void duties_stop(struct duties *d);

/* Give it back (NULL: nothing). The store and the results must have been closed before; the loop must turn until it is idle. */
void duties_close(struct duties *d);

/* Does this process lead now? */
bool duties_lead(const struct duties *d);

#endif
