/* SPDX-License-Identifier: Apache-2.0 */
/* The raw ceiling of E1, and what fills its queue: messages in one SQLite file, written with sqlite3 and nothing else, as durable
 * as chard's own file (write-ahead log, synchronous=FULL), one group a transaction.
 *
 *     raw_sqlite --file F --count N --task NAME [--group K]          inserts and deletes messages in tables of its own
 *     raw_sqlite --file F --count N --task NAME [--group K] --fill   puts them into the queue of the task, to be consumed
 *
 * All messages are made before the clock starts. Prints {"count","seconds","cpu_us"}: CPU of that time. */
#include "bench/common.h"
#include "bench/messages.h"

#include <getopt.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static const char settings[] = "pragma journal_mode = wal; pragma synchronous = full; pragma busy_timeout = 5000;";

static const char own_tables[] =
        "create table broker_queue (id integer primary key, name text not null unique);"
        "insert into broker_queue (name) select 'raw' union all select 'chard.echo' union all select 'chard.note';"
        "create table broker_message (id integer primary key, exchange text not null, routing_key text not null,"
        " properties blob not null, body blob not null);"
        "create table broker_entry (queue integer not null, owner integer not null, id integer not null,"
        " redelivered integer not null, deliveries integer not null, primary key (queue, owner, id)) without rowid;";

struct statements {
        sqlite3_stmt *begin, *commit, *message, *entry, *take_entry, *take_message;
};

static void check(sqlite3 *db, bool ok, const char *doing)
{
        if (!ok)
                die("%s: %s", doing, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
        sqlite3_stmt *s = NULL;
        check(db, sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, sql);
        return s;
}

static void run(sqlite3 *db, sqlite3_stmt *s)
{
        check(db, sqlite3_step(s) == SQLITE_DONE, sqlite3_sql(s));
        sqlite3_reset(s);
}

static struct statements prepare_all(sqlite3 *db)
{
        return (struct statements){
                .begin = prepare(db, "begin immediate"),
                .commit = prepare(db, "commit"),
                .message = prepare(db, "insert into broker_message (exchange, routing_key, properties, body)"
                                       " values (?1, ?2, ?3, ?4)"),
                .entry = prepare(db, "insert into broker_entry (queue, owner, id, redelivered, deliveries)"
                                     " values ((select id from broker_queue where name = ?1), 0, ?2, 0, 0)"),
                .take_entry = prepare(db, "delete from broker_entry where queue ="
                                          " (select id from broker_queue where name = ?1) and owner = 0 and id = ?2"),
                .take_message = prepare(db, "delete from broker_message where id = ?1"),
        };
}

static sqlite3_int64 insert(sqlite3 *db, const struct statements *s, const struct message *m, const char *queue)
{
        sqlite3_bind_text(s->message, 1, m->exchange, -1, SQLITE_STATIC);
        sqlite3_bind_text(s->message, 2, m->routing_key, -1, SQLITE_STATIC);
        sqlite3_bind_blob(s->message, 3, m->properties.data, (int)m->properties.size, SQLITE_STATIC);
        sqlite3_bind_blob(s->message, 4, m->body.data, (int)m->body.size, SQLITE_STATIC);
        run(db, s->message);
        const sqlite3_int64 id = sqlite3_last_insert_rowid(db);
        sqlite3_bind_text(s->entry, 1, queue, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s->entry, 2, id);
        run(db, s->entry);
        return id;
}

static void delete (sqlite3 *db, const struct statements *s, sqlite3_int64 id, const char *queue)
{
        sqlite3_bind_text(s->take_entry, 1, queue, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s->take_entry, 2, id);
        run(db, s->take_entry);
        sqlite3_bind_int64(s->take_message, 1, id);
        run(db, s->take_message);
}

/* One group in a transaction; with `keep` unset, gone again in another. */
static void move_group(sqlite3 *db, const struct statements *s, struct message **all, long count, const char *queue,
                       bool keep)
{
        sqlite3_int64 first = 0;
        run(db, s->begin);
        for (long i = 0; i < count; i++) {
                const sqlite3_int64 id = insert(db, s, all[i], queue);
                first = first ? first : id;
        }
        run(db, s->commit);
        if (keep)
                return;
        run(db, s->begin);
        for (long i = 0; i < count; i++)
                delete (db, s, first + i, queue);
        run(db, s->commit);
}

int main(int argc, char **argv)
{
        static const struct option options[] = { { "file", 1, NULL, 'f' }, { "count", 1, NULL, 'n' },
                                                 { "task", 1, NULL, 't' }, { "group", 1, NULL, 'g' },
                                                 { "fill", 0, NULL, 'k' }, { NULL, 0, NULL, 0 } };
        const char *path = NULL;
        struct recipe recipe = { 0 };
        long count = 0, group = 500;
        bool fill = false;
        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 'f': path = optarg; break;
                case 'n': count = number_of(optarg, 1); break;
                case 't': recipe.tasks = optarg; break;
                case 'g': group = number_of(optarg, 1); break;
                case 'k': fill = true; break;
                default: exit(2);
                }
        }
        if (!path || !count || !recipe.tasks)
                die("--file, --count and --task are needed");
        struct message **all = calloc((size_t)count, sizeof(struct message *));
        sqlite3 *db = NULL;
        if (!all || sqlite3_open(path, &db) != SQLITE_OK)
                die("%s: %s", path, sqlite3_errmsg(db));
        for (long i = 0; i < count; i++)
                all[i] = recipe_message(&recipe, (unsigned long)i, (unsigned long)count);
        check(db, sqlite3_exec(db, settings, NULL, NULL, NULL) == SQLITE_OK, "settings");
        if (!fill)
                check(db, sqlite3_exec(db, own_tables, NULL, NULL, NULL) == SQLITE_OK, "tables");
        const struct statements s = prepare_all(db);
        const uint64_t cpu = cpu_us(), start_ns = now_ns();
        for (long done = 0; done < count; done += group)
                move_group(db, &s, all + done, group < count - done ? group : count - done, recipe.tasks, fill);
        printf("{\"count\":%ld,\"seconds\":%.6f,\"cpu_us\":%llu}\n", count, (double)(now_ns() - start_ns) / 1e9,
               (unsigned long long)(cpu_us() - cpu));
        return 0;
}
