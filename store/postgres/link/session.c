/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/session.h"

#include "core/bytes.h"
#include "core/clock.h"
#include "core/net/dial.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Plans are made once and must not depend on what the tables held at that moment: every statement is written so that its
 * one sensible plan goes through an index, and a plan made while a table was empty must not read it all later. */
static const char common_settings[] = "set client_min_messages = error; set search_path = pg_catalog; set jit = off; "
                                      "set enable_seqscan = off; set plan_cache_mode = force_generic_plan; "
                                      "set timezone = 'UTC'; set bytea_output = 'hex'; "
                                      "set default_transaction_isolation = 'read committed'; "
                                      "set idle_in_transaction_session_timeout = '5min'; ";

static const char schema_version[] = "select max(version)::text from chard.schema_version";

static void session_silent(void *arg, const PGresult *result)
{
        (void)arg;
        (void)result;
}

/* libpq's messages end in newlines and may have several lines. */
static void one_line(char *text)
{
        size_t size = strlen(text);

        while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' '))
                text[--size] = '\0';
        for (char *at = strchr(text, '\n'); at; at = strchr(at, '\n'))
                *at = ' ';
}

static int unreachable_why(struct problem *why, const char *text)
{
        problem_set(why, "store", "unreachable", "%s", *text ? text : "the server closed the connection");
        if (why)
                one_line(why->text);
        return 1;
}

/* Wait until the socket can be read or written. Returns 0, or 1 with `why`. */
static int session_wait_for(PGconn *pg, short events, const struct patience *patience, struct problem *why)
{
        struct pollfd fds[2] = { { .fd = PQsocket(pg), .events = events },
                                 { .fd = patience->cancel_fd, .events = POLLIN } };

        for (;;) {
                uint64_t now = clock_mono_ms();
                int ready;

                if (now >= patience->deadline_ms)
                        return problem_set(
                                why, "store", "unreachable", "PostgreSQL %s",
                                PQstatus(pg) == CONNECTION_OK
                                        ? "took the connection and did not answer in time: is one of chard's tables locked?"
                                        : "did not answer in time");
                ready = poll(fds, 2, (int)(patience->deadline_ms - now < 60000 ? patience->deadline_ms - now : 60000));
                if (ready > 0 && fds[1].revents)
                        return problem_set(why, "store", "unreachable", "given up");
                if (ready > 0)
                        return 0;
                if (ready < 0 && errno != EINTR)
                        return problem_set(why, "store", "unreachable", "poll: %s", strerror(errno));
        }
}

static const char *session_value_of(const struct conninfo *a, const char *keyword)
{
        const char *value = NULL;

        for (size_t i = 0; a->keywords[i]; i++)
                if (strcmp(a->keywords[i], keyword) == 0 && a->values[i] && *a->values[i])
                        value = a->values[i];
        return value;
}

/* libpq tries all addresses of a name, but waits for each as long as the kernel does. Where one host's name has several addresses, those that answer
 * come first: hostaddr=one,other with host=name,name. `texts` holds what is added. */
static void prefer_address_that_answers(struct conninfo *a, const struct patience *patience, struct buffer texts[2])
{
        const char *host = session_value_of(a, "host"), *port = session_value_of(a, "port");
        const uint64_t now = clock_mono_ms();
        struct dialled d;
        size_t n = 0;

        if (!host || strchr("/@", *host) || strchr(host, ',') || (port && strchr(port, ',')) ||
            session_value_of(a, "hostaddr") || now >= patience->deadline_ms)
                return;
        if (dial_choose(host, port ? port : "5432", (unsigned)(patience->deadline_ms - now), patience->cancel_fd, &d) !=
                    0 ||
            !strchr(d.addresses, ','))
                return; /* libpq says what is wrong */
        buffer_add_string(&texts[0], d.addresses);
        buffer_add_string(&texts[1], host);
        for (const char *at = d.addresses; (at = strchr(at, ',')); at++)
                buffer_addf(&texts[1], ",%s", host);
        buffer_add_byte(&texts[0], '\0');
        buffer_add_byte(&texts[1], '\0');
        while (a->keywords[n])
                n++;
        if (n + 2 > CONNINFO_MAX || texts[0].failed || texts[1].failed)
                return;
        a->keywords[n] = "hostaddr";
        a->values[n] = (const char *)texts[0].data;
        a->keywords[n + 1] = "host";
        a->values[n + 1] = (const char *)texts[1].data;
        a->keywords[n + 2] = NULL;
}

static bool given_up(const struct patience *patience)
{
        struct pollfd cancel = { .fd = patience->cancel_fd, .events = POLLIN };

        return poll(&cancel, 1, 0) > 0;
}

static PGconn *start_connecting(const struct conninfo *conninfo, const struct patience *patience)
{
        struct conninfo preferred = *conninfo;
        struct buffer texts[2] = { { 0 }, { 0 } };

        prefer_address_that_answers(&preferred, patience, texts);
        PGconn *pg = given_up(patience) ? NULL : PQconnectStartParams(preferred.keywords, preferred.values, 0);
        buffer_free(&texts[0]);
        buffer_free(&texts[1]);
        return pg;
}

int session_connect(const struct conninfo *conninfo, const struct patience *patience, PGconn **out, struct problem *why)
{
        PGconn *pg = start_connecting(conninfo, patience);
        PostgresPollingStatusType status = PGRES_POLLING_WRITING;

        if (!pg)
                return problem_set(why, "store", "unreachable", given_up(patience) ? "given up" : "out of memory");
        PQsetNoticeReceiver(pg, session_silent, NULL);
        while (PQstatus(pg) != CONNECTION_BAD && status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
                if (session_wait_for(pg, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, patience, why) != 0) {
                        PQfinish(pg);
                        return 1;
                }
                status = PQconnectPoll(pg);
        }
        if (status == PGRES_POLLING_OK) {
                *out = pg;
                return 0;
        }
        unreachable_why(why, PQerrorMessage(pg));
        PQfinish(pg);
        return 1;
}

/* Take one result without ever blocking beyond patience. Returns 0 (*result NULL at the end), or 1 with `why`. */
static int next_result(PGconn *pg, const struct patience *patience, PGresult **result, struct problem *why)
{
        while (PQflush(pg) > 0) {
                if (session_wait_for(pg, POLLIN | POLLOUT, patience, why) != 0)
                        return 1;
                if (!PQconsumeInput(pg))
                        return unreachable_why(why, PQerrorMessage(pg));
        }
        while (PQisBusy(pg)) {
                if (session_wait_for(pg, POLLIN, patience, why) != 0)
                        return 1;
                if (!PQconsumeInput(pg))
                        return unreachable_why(why, PQerrorMessage(pg));
        }
        *result = PQgetResult(pg);
        return 0;
}

static int result_failed(const PGresult *result, char sqlstate[6], struct problem *why)
{
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

        if (sqlstate && state)
                memcpy(sqlstate, state, 5);
        return unreachable_why(why, PQresultErrorMessage(result));
}

int session_run(PGconn *pg, const char *sql, const struct patience *patience, PGresult **out, char sqlstate[6],
                struct problem *why)
{
        PGresult *last = NULL, *result = NULL;
        int rc = 0;

        if (sqlstate)
                memset(sqlstate, 0, 6);
        if (!PQsendQuery(pg, sql))
                return unreachable_why(why, PQerrorMessage(pg));
        for (;;) {
                if (next_result(pg, patience, &result, why) != 0) {
                        PQclear(last);
                        return 1;
                }
                if (!result)
                        break;
                PQclear(last);
                last = result;
                if (PQresultStatus(result) == PGRES_FATAL_ERROR && rc == 0)
                        rc = result_failed(result, sqlstate, why);
        }
        if (out && rc == 0)
                *out = last;
        else
                PQclear(last);
        return rc;
}

int schema_number(const char *file_name)
{
        return (int)strtol(file_name, NULL, 10);
}

int schema_newest(void)
{
        return embedded_schema_count > 0 ? schema_number(embedded_schema[embedded_schema_count - 1].name) : 0;
}

static int check_schema(PGconn *pg, const struct patience *patience, struct problem *why)
{
        char sqlstate[6];
        PGresult *result = NULL;
        int there;

        if (session_run(pg, schema_version, patience, &result, sqlstate, why) != 0) {
                if (strcmp(sqlstate, "42P01") != 0 && strcmp(sqlstate, "3F000") != 0)
                        return 1;
                return problem_set(why, "store", "schema_missing",
                                   "the database has no chard tables: run `chard migrate`");
        }
        there = PQntuples(result) == 1 ? (int)strtol(PQgetvalue(result, 0, 0), NULL, 10) : 0;
        PQclear(result);
        if (there == schema_newest())
                return 0;
        if (there < schema_newest())
                return problem_set(
                        why, "store", "schema_too_old",
                        "the database's tables are of version %d, this program needs %d: run `chard migrate`", there,
                        schema_newest());
        return problem_set(why, "store", "schema_too_new",
                           "the database's tables are of version %d, this program knows only %d: install a newer chard",
                           there, schema_newest());
}

static int apply_settings(PGconn *pg, const struct session_kind *kind, unsigned answer_timeout_ms,
                          const struct patience *patience, struct problem *why)
{
        struct buffer sql = { 0 };
        int rc;

        buffer_add_string(&sql, common_settings);
        buffer_addf(&sql, "set statement_timeout = %u; ", answer_timeout_ms / 4 * 3 + 1);
        buffer_add_string(&sql, kind->settings);
        buffer_add_byte(&sql, '\0');
        rc = sql.failed ? -ENOMEM : session_run(pg, (const char *)sql.data, patience, NULL, NULL, why);
        buffer_free(&sql);
        return rc;
}

/* End what was sent in pipeline mode, and wait until all of it is answered. */
static int session_finish(PGconn *pg, const struct patience *patience, struct problem *why)
{
        ExecStatusType status = PGRES_COMMAND_OK;
        PGresult *result = NULL;
        int rc = 0;

        if (PQpipelineSync(pg) != 1)
                return unreachable_why(why, PQerrorMessage(pg));
        while (status != PGRES_PIPELINE_SYNC && PQstatus(pg) != CONNECTION_BAD) {
                if (next_result(pg, patience, &result, why) != 0)
                        return 1;
                status = result ? PQresultStatus(result) : PGRES_COMMAND_OK;
                if (status == PGRES_FATAL_ERROR && rc == 0)
                        rc = result_failed(result, NULL, why);
                PQclear(result);
        }
        return rc == 0 && status != PGRES_PIPELINE_SYNC ? unreachable_why(why, PQerrorMessage(pg)) : rc;
}

/* All statements in one round trip. Not by SQL's PREPARE: the server's views and logs would then show one long text. */
static int session_prepare(PGconn *pg, const struct session_kind *kind, const struct patience *patience,
                           struct problem *why)
{
        for (const struct statement *const *s = kind->prepared; *s; s++) {
                if (PQsendPrepare(pg, (*s)->name, (*s)->sql, 0, NULL) != 1)
                        return unreachable_why(why, PQerrorMessage(pg));
        }
        return session_finish(pg, patience, why);
}

int session_execute(PGconn *pg, const char *sql, const char *text, const struct patience *patience, struct problem *why)
{
        if (PQsendQueryParams(pg, sql, 1, NULL, &text, NULL, NULL, 0) != 1)
                return unreachable_why(why, PQerrorMessage(pg));
        return session_finish(pg, patience, why);
}

int session_open(const struct conninfo *conninfo, const struct session_kind *kind, unsigned answer_timeout_ms,
                 const struct patience *patience, PGconn **out, struct problem *why)
{
        PGconn *pg = NULL;
        int rc = session_connect(conninfo, patience, &pg, why);

        if (rc == 0)
                rc = check_schema(pg, patience, why);
        if (rc == 0)
                rc = apply_settings(pg, kind, answer_timeout_ms, patience, why);
        if (rc == 0 && (PQsetnonblocking(pg, 1) != 0 || PQenterPipelineMode(pg) != 1))
                rc = unreachable_why(why, PQerrorMessage(pg));
        if (rc == 0)
                rc = session_prepare(pg, kind, patience, why);
        if (rc == 0)
                *out = pg;
        else if (pg)
                PQfinish(pg);
        return rc;
}
