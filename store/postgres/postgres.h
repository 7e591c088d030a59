/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL backend from inside: calls wait in a lane per verb; a link, one connection on the loop, takes what waits
 * in one of its lanes as a group, sends it as set-based statements that make one transaction, and answers each call.
 *
 *     claim()  ->  lane  ->  group  ->  link  ->  answer or, when the transaction failed, back to the lane
 *
 * Everything here lives on the loop thread; only opening a session (session.h) is done by the thread pool. */
#ifndef CHARD_STORE_POSTGRES_H
#define CHARD_STORE_POSTGRES_H

#include "store/access.h"
#include "store/blob.h"
#include "store/carry.h"
#include "store/cdc.h"
#include "store/consumer.h"
#include "store/dead_letter.h"
#include "store/fleet.h"
#include "store/inbox.h"
#include "store/key.h"
#include "store/meaning.h"
#include "store/postgres/link/conninfo.h"
#include "store/postgres/link/column.h"
#include "store/postgres/link/reply.h"
#include "store/postgres/link/session.h"
#include "store/read.h"
#include "store/run.h"
#include "store/seal.h"
#include "store/shape.h"
#include "store/webhook.h"

#include <stdatomic.h>

#define GROUP_CALLS_MAX      1000
#define GROUP_BYTES_MAX      ((size_t)8 << 20)
#define GROUP_STATEMENTS_MAX 9
#define GROUPS_IN_FLIGHT     2
#define ANSWER_TIMEOUT_MS    10000
#define READ_TRIES           5 /* of what changes nothing, or only says that we live */

struct pg_store;
struct pg_link;

enum pg_link_id { PG_LINK_CLAIMS, PG_LINK_COMMITS, PG_LINK_RELEASES, PG_LINK_DEAD, PG_LINK_COUNT };

enum pg_lane_id {
        LANE_CLAIM,
        LANE_READ,
        LANE_BEAT,
        LANE_EVENTS,
        LANE_JOBS,
        LANE_CANCEL,
        LANE_DROP,
        LANE_COMMIT,
        LANE_FAIL,
        LANE_GIVE_BACK,
        LANE_SCHEDULE,
        LANE_REVOKE,
        LANE_RESOLVE, /* what became of commits that the commit statement passed over */
        LANE_RELEASE,
        LANE_FORGET,
        LANE_DEAD_FILE,
        LANE_DEAD_PAGE,
        LANE_DEAD_ASK,
        LANE_DEAD_LOOK,
        LANE_DEAD_SETTLE,
        LANE_DEAD_EDIT,
        LANE_STALE_FIND,
        LANE_STALE_SETTLE,
        LANE_CARRY,
        LANE_OWE,
        LANE_OWED_TAKE,
        LANE_OWED_SETTLE,
        LANE_INBOX,
        LANE_CONSUMER,
        LANE_CONSUMER_ASK,
        LANE_CONSUMER_FACTS,
        LANE_LEASE,
        LANE_ONCE_BEGIN,
        LANE_ONCE_SETTLE,
        LANE_KEYS,
        LANE_WEBHOOK_ADD,
        LANE_WEBHOOK,
        LANE_BLOB_PUT,
        LANE_BLOB_GET,
        LANE_BLOB_TOUCH,
        LANE_BLOB_FORGET,
        LANE_CDC,
        LANE_PROBE_CLAIMS,
        LANE_PROBE_COMMITS,
        LANE_PROBE_DEAD,
        LANE_COUNT
};

/* One call of a verb, until it is answered. */
struct pg_call {
        struct pg_call *next;
        const struct pg_verb *verb; /* whose lane it is in */
        const void *what;           /* struct claim, struct commit, …: the caller's, or `own` */
        void *own;                  /* freed with the call, or NULL */
        void (*done)(void);         /* the verb's own type of callback */
        void *arg;
        unsigned cap;    /* most calls that may share a transaction with it: halved each time that it failed */
        unsigned tries;  /* transactions of it that failed */
        unsigned passed; /* commits that passed it over */
        bool told;       /* the log says that it waits alone */
        uint64_t wins;   /* of its lane, when it failed last */
        uint64_t due_ms; /* when it is repeated, while it is parked */
        unsigned char key[KEY_SIZE]; /* of its scheduled row */
};

/* Calls whose transaction is under way. A call that has been answered is NULL. */
struct pg_group {
        struct pg_group *next;
        const struct pg_verb *verb;
        PGresult *results[GROUP_STATEMENTS_MAX];
        unsigned expected, got;
        const struct answer_part *gives; /* of the statement that gives an answer; or NULL */
        uint64_t sent_us;                /* on the monotonic clock */
        PGresult *failure;
        size_t count;
        struct pg_call *calls[];
};

/* How one verb is carried out; constant. */
struct pg_verb {
        enum pg_lane_id lane;
        enum pg_link_id link;
        unsigned most; /* calls in a group */
        unsigned
                tries; /* give up after so many, with what the server said: who reads can ask again. 0 = wait for ever */
        const char *(*id)(const struct pg_call
                                  *call); /* groups are sorted by it, so that no two transactions deadlock; or NULL */
        size_t (*size)(const struct pg_call *call);                /* about how many bytes it sends, or NULL */
        int (*send)(struct pg_link *link, struct pg_group *group); /* 0, or -errno when it could not be put together */
        void (*answer)(struct pg_link *link, struct pg_group *group);
        void (*refuse)(struct pg_call *call, enum store_result result,
                       const struct problem *why); /* REFUSED or CLOSED */
};

extern const struct pg_verb verb_claim, verb_commit, verb_resolve, verb_fail, verb_give_back, verb_schedule,
        verb_release, verb_forget, verb_read, verb_beat, verb_events, verb_jobs, verb_cancel, verb_drop, verb_dead_file,
        verb_dead_page, verb_dead_ask, verb_dead_look, verb_dead_settle, verb_dead_edit, verb_stale_find,
        verb_stale_settle, verb_carry, verb_revoke, verb_owe, verb_owed_take, verb_owed_settle, verb_inbox, verb_lease,
        verb_cdc, verb_once_begin, verb_once_settle, verb_keys, verb_webhook_add, verb_webhook, verb_blob_put,
        verb_blob_get, verb_blob_touch, verb_blob_forget, verb_consumer, verb_consumer_ask, verb_consumer_facts,
        verb_probe_claims, verb_probe_commits, verb_probe_dead;

struct pg_lane {
        const struct pg_verb *verb;
        struct pg_call *first, **end;
        size_t count;
        uint64_t wins;     /* transactions that were committed */
        unsigned setbacks; /* that were not since, for no fault of their rows */
        bool stuck;        /* nothing goes through */
        bool probing;
};

enum pg_link_state {
        PG_LINK_IDLE,       /* nobody has needed it yet */
        PG_LINK_CONNECTING, /* the thread pool opens a session */
        PG_LINK_READY,
        PG_LINK_WAITING, /* for the back-off to pass */
        PG_LINK_CLOSED,
};

struct pg_link {
        struct pg_store *store;
        const struct session_kind *kind;
        enum pg_link_state state;
        bool lost;           /* it broke or could not be opened, and is not back yet */
        bool in_transaction; /* rows are locked between a release and its forget */
        PGconn *pg;
        uv_poll_t *poll; /* allocated: it outlives its connection by a turn of the loop */
        int events;
        uv_timer_t timer; /* back-off, or the watchdog while something is in flight */
        struct opening *opening;
        struct pg_group *flight, **flight_end;
        unsigned flying;
        unsigned failures; /* attempts to connect since it was last ready */
        unsigned turn;     /* lane that was served last */
};

struct pg_store {
        struct store store;
        struct store_config config; /* its texts are copies */
        struct conninfo conninfo;
        unsigned answer_timeout_ms;
        struct pg_lane lanes[LANE_COUNT];
        struct pg_link links[PG_LINK_COUNT];
        struct pg_arguments arguments;
        size_t open_calls;
        uint64_t inbox_serial;  /* of the newest inbox call */
        struct pg_call *parked; /* calls that failed, until their pause is over */
        uv_timer_t parked_timer;
        uv_prepare_t flush; /* sends what was called during this turn of the loop, before it waits */
        bool flush_on;
        bool up;
        bool closing;
        atomic_uint handles; /* of libuv, and threads, that still point here */
        void (*heard)(int64_t due_ms, void *arg);
        void *heard_arg;
        int64_t *released; /* rows locked by the release under way */
        size_t released_count;
        int maintain_cancel;                /* eventfd that ends it early, or -1 */
        struct pg_maintenance *maintenance; /* or NULL */
};

static inline struct pg_store *pg_of(struct store *s)
{
        return (struct pg_store *)s;
}

/* ---- group.c: lanes and groups ---- */

/* Queue a call; it is sent at the end of this turn of the loop. `own` is freed with it. When memory is short it is refused at once. */
void call_add(struct pg_store *s, const struct pg_verb *verb, const void *what, void *own, void (*done)(void),
              void *arg);

/* Refuse one that is no call yet, STARVED or CLOSED: `done` hears it as from `verb`, inside this call. */
void call_refuse(const struct pg_verb *verb, void (*done)(void), void *arg, enum store_result result);

/* Put a call at the head of its lane again. */
void call_again(struct pg_store *s, const struct pg_verb *verb, struct pg_call *call);

/* Take a call out of its group to answer it; NULL when it was answered. Then give its memory back, before its callback runs. */
struct pg_call *group_take(struct pg_group *group, size_t i);
void call_free(struct pg_store *s, struct pg_call *call);

/* Answer one call, or every call of a group with DONE, or refuse one: for verbs with a store_done. */
void call_done(struct pg_store *s, struct pg_call *call, enum store_result result, struct bytes stored);
void answer_done(struct pg_link *link, struct pg_group *group);
void refuse_done(struct pg_call *call, enum store_result result, const struct problem *why);

void forget_starved(struct pg_store *s);

/* read/answer.c: the same for verbs with a json_done, one of whose statements gives an answer: of a group of one call, from all rows of its first statement;
 * or of each call, from the row of its number. */
void answer_rows(struct pg_link *link, struct pg_group *group);
void answer_each(struct pg_link *link, struct pg_group *group);
void answer_add_record(struct answer *answer, const struct answer_part *gives, unsigned part, struct bytes record);
void refuse_json(struct pg_call *call, enum store_result result, const struct problem *why);

/* Send as many groups as the link's lanes hold and its pipeline takes. */
void pg_link_serve(struct pg_link *link);

/* All results of the link's oldest group are there: answer its calls or put them back, and free it. */
void group_end(struct pg_link *link);

/* The link broke: put back what is in flight; `smaller` halves the oldest group. */
void groups_return(struct pg_link *link, bool smaller, const char *why);

/* Answer everything with CLOSED: a lane, what is parked, what is in flight. The latter is freed by groups_free. */
void parked_close(struct pg_store *s);
void lane_close(struct pg_store *s, struct pg_lane *lane);
void groups_close(struct pg_link *link);
void groups_free(struct pg_link *link);

/* ---- setback.c: what fails for a reason that is not its rows' ---- */

/* A transaction failed and waits: its calls are taken out of the group and repeated after a pause. `locked`: it took
 * too long, so that somebody may hold a lock. */
void setback(struct pg_link *link, struct pg_group *group, bool locked, const char *why);

/* Calls of this group may have waited alone: say that it is over. */
void setback_over(const struct pg_link *link, const struct pg_group *group);

/* Nothing goes through this lane, or something did: tell whoever wants to know when that changes the whole. */
void lane_stick(struct pg_store *s, struct pg_lane *lane, const char *why);
void lane_works(struct pg_store *s, struct pg_lane *lane);

/* Take a call that waits for its pause; NULL when there is none. */
struct pg_call *setback_take(struct pg_store *s);

/* ---- link.c: a connection on the loop ---- */

/* Open the link unless it is open or being opened. */
void pg_link_want(struct pg_link *link);

/* Use a session that is open already. 0 or -errno; on failure the session is closed. */
int pg_link_adopt(struct pg_link *link, PGconn *pg);

/* Add one statement to the group being sent, with the store's arguments. 0 or -errno. */
int pg_link_send(struct pg_link *link, struct pg_group *group, const struct statement *statement);

/* The same with one that is not prepared, because few processes ever need it. 0 or -errno. */
int pg_link_send_once(struct pg_link *link, struct pg_group *group, const struct statement *statement);

/* Add one that is not prepared and has no arguments: "begin", "commit". 0 or -errno. */
int pg_link_send_bare(struct pg_link *link, struct pg_group *group, const char *sql);

/* Send what libpq has buffered, as far as the socket takes it now. */
void pg_link_flush(struct pg_link *link);

/* Give the connection up and open another one after a pause; `silent`: because an answer did not come. */
void pg_link_lose(struct pg_link *link, const char *why, bool silent);

void pg_link_close(struct pg_link *link);

/* ---- backend.c ---- */

/* A link went up or down: tell whoever wants to know when that changes the whole. */
void store_changed(struct pg_store *s, const char *why);

/* One more / one less that points to the store; the last one frees it once it is closing. */
void store_hold(struct pg_store *s);
void store_drop(struct pg_store *s);

/* ---- scheduled.c ---- */

/* Columns of scheduled rows: ten arrays added to the store's arguments. */
struct scheduled_columns {
        struct column *key, *due, *exchange, *routing_key, *reason, *task_id, *properties, *body, *of, *root_id;
};
void scheduled_begin(struct pg_arguments *a, struct scheduled_columns *c);
void scheduled_add(struct scheduled_columns *c, const unsigned char key[KEY_SIZE], const struct scheduled *row,
                   const char *of);

/* Add to the group that others be told of a row due at `due_ms`. 0 or -errno. */
int scheduled_notify(struct pg_link *link, struct pg_group *group, int64_t due_ms);

/* A notification came in. */
void scheduled_heard(struct pg_store *s, const PGnotify *note);

/* ---- maintenance.c ---- */

/* The store closes. */
void pg_maintenance_give_up(struct pg_store *s);

/* ---- migrate.c ---- */

int pg_migrate(const struct store_migration *migration, struct problem *why);

#endif
