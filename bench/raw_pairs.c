/* SPDX-License-Identifier: Apache-2.0 */
/* The raw ceiling of B1s: inbox and outbox rows, inserted in pairs with libpq's pipeline mode, one group a transaction, the next
 * group when the last one is committed. The tables have a key and what a row must have, and no more.
 *
 *     raw_pairs --url URL --count N [--group K]
 *
 * Prints {"count","seconds","cpu_us"}: CPU of the whole process. */
#include "bench/common.h"
#include "core/bytes.h"
#include "core/id.h"

#include <getopt.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

static const char make_tables[] = "create schema if not exists bench;"
                                  "drop table if exists bench.inbox, bench.outbox;"
                                  "create table bench.inbox (id text collate \"C\" primary key, state text not null,"
                                  " result json, created_at timestamptz not null default now());"
                                  "create table bench.outbox (id uuid primary key default gen_random_uuid(),"
                                  " aggregatetype text not null, aggregateid text not null, type text not null,"
                                  " payload jsonb, created_at timestamptz not null default now())";

static const char insert_inbox[] =
        "insert into bench.inbox (id, state, result) select id, 'SUCCESS', '{\"job\":{},\"input\":{}}'"
        " from unnest($1::text[]) as id on conflict (id) do nothing";

static const char insert_outbox[] =
        "insert into bench.outbox (aggregatetype, aggregateid, type, payload)"
        " select 'bench', id, 'Noted', '{\"job_id\":\"bench\"}' from unnest($1::text[]) as id";

static void check(PGconn *conn, int ok, const char *doing)
{
        if (!ok)
                die("%s: %s", doing, PQerrorMessage(conn));
}

static void run(PGconn *conn, const char *sql)
{
        PGresult *r = PQexec(conn, sql);
        check(conn, PQresultStatus(r) == PGRES_COMMAND_OK, sql);
        PQclear(r);
}

static void prepare(PGconn *conn, const char *name, const char *sql)
{
        PGresult *r = PQprepare(conn, name, sql, 0, NULL);
        check(conn, PQresultStatus(r) == PGRES_COMMAND_OK, sql);
        PQclear(r);
}

static void send_one(PGconn *conn, const char *name, const char *ids)
{
        const char *values[] = { ids };
        check(conn, PQsendQueryPrepared(conn, name, ids ? 1 : 0, values, NULL, NULL, 0), name);
}

static void write_ids(struct buffer *ids, long count)
{
        buffer_reset(ids);
        for (long i = 0; i < count; i++) {
                char id[ID_TEXT_SIZE];
                id_new(id);
                buffer_add_byte(ids, i ? ',' : '{');
                buffer_add_string(ids, id);
        }
        buffer_add(ids, "}", 2); /* with its NUL */
        if (ids->failed)
                die("out of memory");
}

/* One transaction there and back: begin, both inserts, commit, sync. */
static void insert_group(PGconn *conn, const char *ids)
{
        enum { RESULTS = 5 };
        send_one(conn, "begin", NULL);
        send_one(conn, "inbox", ids);
        send_one(conn, "outbox", ids);
        send_one(conn, "commit", NULL);
        check(conn, PQpipelineSync(conn), "sync");
        for (int i = 0; i < RESULTS; i++) {
                PGresult *r = PQgetResult(conn);
                const ExecStatusType status = PQresultStatus(r);
                check(conn, status == PGRES_COMMAND_OK || status == PGRES_PIPELINE_SYNC, "insert");
                PQclear(r);
                if (status == PGRES_COMMAND_OK)
                        PQclear(PQgetResult(conn)); /* the NULL behind each statement's result */
        }
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                { "url", 1, NULL, 'u' }, { "count", 1, NULL, 'n' }, { "group", 1, NULL, 'g' }, { NULL, 0, NULL, 0 }
        };
        const char *url = NULL;
        long count = 0, group = 500;
        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 'u': url = optarg; break;
                case 'n': count = number_of(optarg, 1); break;
                case 'g': group = number_of(optarg, 1); break;
                default: exit(2);
                }
        }
        if (!url || !count)
                die("--url and --count are needed");
        PGconn *conn = PQconnectdb(url);
        check(conn, PQstatus(conn) == CONNECTION_OK, "connect");
        run(conn, "set client_min_messages = warning");
        run(conn, make_tables);
        prepare(conn, "begin", "begin");
        prepare(conn, "commit", "commit");
        prepare(conn, "inbox", insert_inbox);
        prepare(conn, "outbox", insert_outbox);
        check(conn, PQenterPipelineMode(conn), "pipeline mode");

        struct buffer ids = { 0 };
        const uint64_t start_ns = now_ns();
        for (long done = 0; done < count; done += group) {
                write_ids(&ids, group < count - done ? group : count - done);
                insert_group(conn, (const char *)ids.data);
        }
        printf("{\"count\":%ld,\"seconds\":%.6f,\"cpu_us\":%llu}\n", count, (double)(now_ns() - start_ns) / 1e9,
               (unsigned long long)cpu_us());
        buffer_free(&ids);
        PQfinish(conn);
        return 0;
}
