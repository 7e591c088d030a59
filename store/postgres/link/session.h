/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a session with PostgreSQL: connect, set it up, check the schema's version, prepare the statements.
 * Blocks, with a deadline, on whatever thread it is called; another thread may give it up through `cancel_fd`. */
#ifndef CHARD_STORE_POSTGRES_LINK_SESSION_H
#define CHARD_STORE_POSTGRES_LINK_SESSION_H

#include "core/embed.h"
#include "core/problem.h"
#include "store/postgres/link/conninfo.h"
#include "store/statement.h"

#include <libpq-fe.h>
#include <stdint.h>

/* What a session is for; constant. */
struct session_kind {
        const char *name;                        /* "claims", for messages */
        const char *settings;                    /* SQL run once, or "" */
        const struct statement *const *prepared; /* NULL-terminated */
};

/* Blocking calls end at `deadline_ms` (monotonic), or when cancel_fd (or -1) becomes readable. */
struct patience {
        uint64_t deadline_ms;
        int cancel_fd;
};

/* How long a call that was given up may take to end. One that still looks up a name then is left to itself, and touches no connection any more. */
enum { GIVE_UP_MS = 1000 };

/* Connect only. Returns 0 and *out, or 1 with `why` (code "unreachable"). */
int session_connect(const struct conninfo *conninfo, const struct patience *patience, PGconn **out,
                    struct problem *why);

/* Connect, check the schema and prepare all that `kind` lists; the server ends a statement
 * before it has taken `answer_timeout_ms`, so that it is not taken for gone. The session is in pipeline mode.
 * Returns 0 and *out; 1 with `why` ("unreachable", "schema_missing", "schema_too_old", "schema_too_new"); or -ENOMEM. */
int session_open(const struct conninfo *conninfo, const struct session_kind *kind, unsigned answer_timeout_ms,
                 const struct patience *patience, PGconn **out, struct problem *why);

/* Run SQL text, several statements included. Returns 0 and the last result (to be cleared) in *out unless NULL;
 * 1 with `why` when it failed or patience ended; then *sqlstate (unless NULL) is what the server said, or "". */
int session_run(PGconn *pg, const char *sql, const struct patience *patience, PGresult **out, char sqlstate[6],
                struct problem *why);

/* Run one statement with one text parameter on a session that session_open has opened. Returns 0, or 1 with `why`. */
int session_execute(PGconn *pg, const char *sql, const char *text, const struct patience *patience,
                    struct problem *why);

/* The numbered migrations of this binary, store/postgres/schema/ *.sql. */
extern const struct embedded_file embedded_schema[];
extern const size_t embedded_schema_count;

/* The number that a migration's file name starts with. */
int schema_number(const char *file_name);

/* The newest migration of this binary. */
int schema_newest(void);

#endif
