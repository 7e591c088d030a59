/* SPDX-License-Identifier: Apache-2.0 */
/* The door to results: what a Celery client reads of its tasks (AsyncResult), and the counters of its chords. Several backends may
 * be open at once; one table of functions each. Everything is called on, and answered on, the loop thread; no call waits.
 * While a backend's server is away its calls wait here for a short time and are repeated when it is back: every verb may safely be
 * repeated. After that they are answered "away", and the caller keeps what it has to say somewhere safe (worker/results/owe_result.c).
 * Source of keys and forms: celery.backends.base, .rpc and .redis of Celery 5.7. */
#ifndef CHARD_RESULTS_H
#define CHARD_RESULTS_H

#include "broker/broker.h"
#include "core/bytes.h"
#include "core/problem.h"

#include <stdbool.h>
#include <uv.h>

struct results;

struct results_config {
        uv_loop_t *loop;
        const char *urls; /* comma-separated: rpc://, redis://…; empty: rpc:// alone; disabled://: none */
        struct broker *broker;
        unsigned expires_s; /* how long a stored result is kept; 0 = for ever */
        unsigned connect_timeout_ms;
};

/* Open every backend that the URLs name; servers are connected to afterwards, and waited for by what needs them.
 * Returns 0; 1 with `why` (source "results", code "bad_url"); or -ENOMEM. The broker is borrowed until results_close. */
int results_open(struct results **out, const struct results_config *config, struct problem *why);

/* Answer every open call with RESULTS_CLOSED and give all back, before the broker is closed. The loop must turn until it is idle. NULL is fine. */
void results_close(struct results *r);

/* ---- one task's result ---- */

/* Where it goes: the texts of the message that asked for it. Borrowed for the length of a call. */
struct results_address {
        const char *task_id;
        const char *reply_to;       /* or NULL: nobody waits at a queue */
        const char *correlation_id; /* or NULL: the task's id */
        bool late;                  /* told once more, for a server that was away: who is never away has it */
        bool interim;               /* late: it is no end, so it must not overwrite one */
        bool unbegun; /* told of a task that nobody has begun: it overwrites only PENDING, RECEIVED, RETRY and REJECTED */
};

enum results_answer {
        RESULTS_DONE,
        RESULTS_REFUSED, /* a server can't take it (`why`): repeating would not help */
        RESULTS_AWAY, /* a server is away, or memory ran out; it may or may not have happened: tell again when results_away says no */
        RESULTS_STARVED, /* memory ran out, and whoever waits for it is at no server that may be away: tell again all of it */
        RESULTS_CLOSED, /* closed first: it may or may not have happened */
};
typedef void results_done(enum results_answer answer, const struct problem *why, void *arg);

/* Is there a backend whose server may be away? / Is one away now? */
bool results_may_be_away(const struct results *r);
bool results_away(const struct results *r);

/* Would any backend take a result for it? */
bool results_wanted(const struct results *r, const struct results_address *to);

/* Store or send `meta` (JSON text, results_meta). A stored SUCCESS is never overwritten. `done` comes after every backend that
 * wants it has it, with the worst answer; never from inside. Everything is copied. */
void results_store(struct results *r, const struct results_address *to, struct bytes meta, results_done *done,
                   void *arg);

/* ---- chords ---- */

/* Is there a backend that can count them? */
bool results_chords(const struct results *r);

/* A chord is about to be sent: its header has `size` results. `saved`: the header's GroupResult as JSON text where it holds groups
 * again, else empty. */
void results_chord_begin(struct results *r, const char *group_id, size_t size, struct bytes saved, results_done *done,
                         void *arg);

/* A header grows by `size` parts; counted once for each `who`, however often it is told. To be told before the part of whoever adds them. */
void results_chord_more(struct results *r, const char *group_id, const char *who, size_t size, results_done *done,
                        void *arg);

/* A task of a header has ended. */
struct chord_part {
        const char *group_id, *task_id;
        long long index;     /* in the header; -1 = unknown */
        struct bytes member; /* [1, id, state, result] as JSON text */
        const char *body_id; /* of the chord's body: one that has been told of needs no header any more; or NULL */
        bool again;          /* it found the size UNKNOWN some time ago */
};

/* Borrowed for the length of the callback. */
struct chord_reply {
        enum chord_verdict {
                CHORD_WAITS, /* others are missing, or somebody else has started its body: nothing to do */
                CHORD_READY, /* this was the last one: start the body with `results`, then call results_chord_end */
                CHORD_FAILED, /* this was the last one, and one of them failed (`why`): the body fails; then results_chord_end */
                CHORD_UNKNOWN, /* the header's size is not there, and nobody else has been told so: ask again some time later */
                CHORD_LOST, /* … and it was not there the last time: nobody counts this chord any more */
                CHORD_REFUSED,
                CHORD_AWAY,
                CHORD_CLOSED,
        } verdict;
        struct bytes results; /* READY: a JSON array, in the header's order */
        struct bytes
                cause; /* FAILED: the exception (JSON text) of the part that failed; empty where only `why` is known */
        struct problem why; /* FAILED: code "chord", a part has failed; "chord_broken", what they gave can't be read */
};
typedef void chord_done(const struct chord_reply *reply, void *arg);

/* Count it, once however often it is told. The task that is answered READY or FAILED is answered so again when it asks again, as long as
 * the chord has not been ended. */
void results_chord_part(struct results *r, const struct chord_part *part, chord_done *done, void *arg);

/* Count a header that was LOST again: it has `size` results, of which these are known. `parts`: JSON text, [["id:index", "index", member]…], an
 * index that is not known being "+inf". What was counted already is not counted twice. */
void results_chord_restore(struct results *r, const char *group_id, size_t size, struct bytes parts, results_done *done,
                           void *arg);

/* What was READY has been started, or what FAILED has been told: nobody needs to do it again. `task_id` as in the part. */
void results_chord_end(struct results *r, const char *group_id, const char *task_id, bool failed, results_done *done,
                       void *arg);

/* ---- the form of a result: meta.c; pure ---- */

struct result_meta {
        const char *status;                         /* "SUCCESS", … */
        struct bytes result;                        /* JSON text; empty: null */
        const char *traceback;                      /* or NULL */
        struct bytes children;                      /* JSON text of an array; empty: [] */
        int64_t done_ms;                            /* wall clock of its end; 0: it has not ended */
        const char *task_id, *group_id, *parent_id; /* the latter two may be NULL */
};
void results_meta(const struct result_meta *m, struct buffer *out);

/* An exception as Celery's clients make one of it: {"exc_type","exc_message","exc_module"}. */
struct result_exception {
        const char *type, *module, *text;
        const char *args; /* JSON text of an array; NULL: `text` alone */
};
void results_exception(const struct result_exception *e, struct buffer *out);

/* The Python exception that stands for a problem: the task's own; else builtins where one says it, RuntimeError otherwise. Borrowed from
 * `why`. */
struct result_exception results_exception_of(const struct problem *why);

/* ---- what a backend gives ---- */

struct results_backend;

struct results_sink {
        struct results_sink *next;
        const struct results_backend *backend;
};

struct results_backend {
        const char *const *schemes; /* NULL-terminated */
        int (*open)(struct results_sink **out, const struct results_config *config, const char *url,
                    struct problem *why);
        bool (*away)(const struct results_sink *s); /* NULL: it never is */
        bool (*wants)(const struct results_sink *s, const struct results_address *to);
        void (*store)(struct results_sink *s, const struct results_address *to, struct bytes meta, results_done *done,
                      void *arg);
        /* NULL together where chords can't be counted. */
        void (*chord_begin)(struct results_sink *s, const char *group_id, size_t size, struct bytes saved,
                            results_done *done, void *arg);
        void (*chord_more)(struct results_sink *s, const char *group_id, const char *who, size_t size,
                           results_done *done, void *arg);
        void (*chord_part)(struct results_sink *s, const struct chord_part *part, chord_done *done, void *arg);
        void (*chord_restore)(struct results_sink *s, const char *group_id, size_t size, struct bytes parts,
                              results_done *done, void *arg);
        void (*chord_end)(struct results_sink *s, const char *group_id, const char *task_id, bool failed,
                          results_done *done, void *arg);
        void (*close)(struct results_sink *s);
};

/* All of them, ended by NULL: those that files of this folder define (scripts/table). */
extern const struct results_backend *const results_backends[];

/* One more backend, which knows its own functions; closed with the others. */
void results_add(struct results *r, struct results_sink *takes);

#endif
