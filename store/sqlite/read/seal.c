/* SPDX-License-Identifier: Apache-2.0 */
/* Seals over the days of the event store: digests are made here, because SQLite makes none. */
#include "store/sqlite/lite.h"

#include "core/json.h"
#include "core/text/digest.h"
#include "core/text/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEAL_SLACK_US ((int64_t)3600 * 1000000) /* so long a day is left open after its end */

enum { SEAL_HEX_SIZE = 2 * DIGEST_SIZE + 1 };

struct seal_call {
        struct lite_call call; /* its text: the answer */
        bool make;
        char day[];
};

/* A day, worked out and as it was sealed; what is not there is "". */
struct seal_day {
        int64_t events, sealed_events;
        char digest[SEAL_HEX_SIZE], chain[SEAL_HEX_SIZE];
        char sealed_digest[SEAL_HEX_SIZE], sealed_chain[SEAL_HEX_SIZE], before[SEAL_HEX_SIZE];
};

static bool seal_hex(const struct bytes parts[], size_t count, char out[SEAL_HEX_SIZE])
{
        unsigned char digest[DIGEST_SIZE];
        const bool ok = digest_of(parts, count, digest);

        *hex_write(out, digest, DIGEST_SIZE) = '\0';
        return ok;
}

/* The digest of the digests of its rows. */
static int seal_digest(const char *day, sqlite3 *db, struct seal_day *out)
{
        struct query q = query_of(db, &lite_sql_seal_events);
        struct buffer rows = { 0 };
        unsigned char digest[DIGEST_SIZE];
        bool ok = true;
        int rc;

        query_text(&q, day);
        while (ok && query_row(&q)) {
                const struct bytes row = query_read_bytes(&q, 0);

                ok = digest_of(&row, 1, digest);
                buffer_add(&rows, digest, sizeof(digest));
                out->events++;
        }
        rc = query_end(&q);
        const struct bytes all = bytes_of(rows.data ? (const void *)rows.data : "", rows.size);

        ok = ok && !rows.failed && seal_hex(&all, 1, out->digest);
        buffer_free(&rows);
        return rc == SQLITE_OK && !ok ? SQLITE_NOMEM : rc;
}

static bool seal_chain(const char *day, const char *before, int64_t events, const char *digest, char out[SEAL_HEX_SIZE])
{
        char count[24];

        snprintf(count, sizeof(count), "%" PRId64, events);
        const struct bytes parts[] = { bytes_of_string(before), bytes_of_string(day), bytes_of_string(count),
                                       bytes_of_string(digest) };

        return seal_hex(parts, 4, out);
}

static void seal_copy(char out[SEAL_HEX_SIZE], struct query *q, int column)
{
        const char *text = query_read_text(q, column);

        snprintf(out, SEAL_HEX_SIZE, "%s", text ? text : "");
}

static int seal_read(const char *day, sqlite3 *db, struct seal_day *out)
{
        struct query q = query_of(db, &lite_sql_seal_read);

        query_text(&q, day);
        if (query_row(&q)) {
                out->sealed_events = query_read_number(&q, 0);
                seal_copy(out->sealed_digest, &q, 1);
                seal_copy(out->sealed_chain, &q, 2);
                seal_copy(out->before, &q, 3);
        }
        return query_end(&q);
}

static struct cell seal_cell(const char *text)
{
        return (struct cell){ .bytes = bytes_of_string(text) };
}

static int seal_tell(struct seal_call *c, const struct seal_day *d)
{
        char chain[SEAL_HEX_SIZE];
        struct cell day[] = { seal_cell(c->day), { .number = d->events }, seal_cell(d->digest) };
        struct answer answer = { 0 };

        answer_add(&answer, answer_day, 0, shape_read_cells, day);
        if (*d->sealed_chain && seal_chain(c->day, d->before, d->sealed_events, d->sealed_digest, chain)) {
                struct cell seal[] = { { .number = d->sealed_events },
                                       seal_cell(d->sealed_digest),
                                       seal_cell(d->sealed_chain),
                                       { .number = strcmp(chain, d->sealed_chain) == 0 } };

                answer_add(&answer, answer_day, 1, shape_read_cells, seal);
        }
        return lite_end_answer(&c->call.text, &answer, answer_day, SQLITE_OK);
}

static int seal_make(struct seal_call *c, sqlite3 *db, struct seal_day *d)
{
        struct query q = query_of(db, &lite_sql_seal_make);
        int rc;

        if (!seal_chain(c->day, d->before, d->events, d->digest, d->chain))
                return SQLITE_NOMEM;
        query_text(&q, c->day);
        query_number(&q, d->events);
        query_text(&q, d->digest);
        query_text(&q, d->chain);
        query_number(&q, lite_now_us());
        rc = query_run(&q);
        if (rc != SQLITE_OK || sqlite3_changes(db) != 1)
                return rc; /* sealed by somebody else: no answer */
        const struct cell cells[] = { seal_cell(c->day), { .number = d->events }, seal_cell(d->chain) };

        return lite_answer_cells(&c->call.text, answer_seal, cells, rc);
}

static int seal_run_day(struct sqlite_work *work, sqlite3 *db)
{
        struct seal_call *c = (struct seal_call *)work;
        struct seal_day d = { 0 };
        int rc = seal_digest(c->day, db, &d);

        buffer_reset(&c->call.text);
        if (rc == SQLITE_OK)
                rc = seal_read(c->day, db, &d);
        if (rc == SQLITE_OK && c->make)
                rc = seal_make(c, db, &d);
        else if (rc == SQLITE_OK)
                rc = seal_tell(c, &d);
        return rc;
}

static int seal_run_days(struct sqlite_work *work, sqlite3 *db)
{
        struct seal_call *c = (struct seal_call *)work;
        struct query q = query_of(db, &lite_sql_seal_days);
        const time_t yesterday = (time_t)((lite_now_us() - SEAL_SLACK_US) / 1000000 - 24 * 3600);
        char last[16];
        struct tm tm;

        gmtime_r(&yesterday, &tm);
        strftime(last, sizeof(last), "%Y-%m-%d", &tm);
        query_text(&q, c->day);
        query_text(&q, last);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb seal_days_verb = { .run = seal_run_days, .done = lite_read, .reads = true };
static const struct sqlite_verb seal_day_verb = { .run = seal_run_day, .done = lite_read, .reads = true };
static const struct sqlite_verb seal_make_verb = { .run = seal_run_day, .done = lite_read, .name = "seal" };

static void seal_start(struct store *s, const struct sqlite_verb *verb, const char *day, bool make, json_done *done,
                       void *arg)
{
        const size_t size = strlen(day) + 1;
        struct seal_call *c = lite_call_new(lite_of(s), sizeof(*c) + size, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->make = make;
        memcpy(c->day, day, size);
        lite_call_start(&c->call, verb);
}

void lite_seal_days(struct store *s, const char *since, json_done *done, void *arg)
{
        seal_start(s, &seal_days_verb, since, false, done, arg);
}

void lite_seal_day(struct store *s, const char *day, json_done *done, void *arg)
{
        seal_start(s, &seal_day_verb, day, false, done, arg);
}

void lite_seal_make(struct store *s, const char *day, json_done *done, void *arg)
{
        seal_start(s, &seal_make_verb, day, true, done, arg);
}
