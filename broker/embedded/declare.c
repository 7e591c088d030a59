/* SPDX-License-Identifier: Apache-2.0 */
/* The topology into the file; what stands there already stays. */
#include "broker/embedded/embedded.h"

#include <string.h>

static bool is_delay(const struct topology_row *row)
{
        return row->kind == TOPOLOGY_QUEUE && row->ttl_ms > 0;
}

/* Bound to a queue that is left out? */
static bool leads_to_delay(const struct topology *t, const struct topology_row *binding)
{
        if (binding->kind != TOPOLOGY_BINDING || binding->to_exchange)
                return false;
        for (size_t i = 0; i < t->count; i++)
                if (is_delay(&t->rows[i]) && strcmp(t->rows[i].name, binding->name) == 0)
                        return true;
        return false;
}

static int embedded_declare_run(sqlite3 *db, sqlite3_stmt *s)
{
        if (!s)
                return sqlite3_errcode(db);
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static sqlite3_stmt *with_name(sqlite3 *db, const char *constant_sql, const char *name)
{
        sqlite3_stmt *s = sqlite_statement(db, constant_sql);
        if (s)
                sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        return s;
}

static sqlite3_stmt *binding_of(sqlite3 *db, const struct topology_row *row)
{
        sqlite3_stmt *s = sqlite_statement(
                db, "insert into broker_binding (source, routing_key, destination, to_exchange) values (?1, ?2, ?3, ?4)"
                    " on conflict do nothing");
        if (s) {
                sqlite3_bind_text(s, 1, row->source, -1, SQLITE_STATIC);
                sqlite3_bind_text(s, 2, row->routing_key, -1, SQLITE_STATIC);
                sqlite3_bind_text(s, 3, row->name, -1, SQLITE_STATIC);
                sqlite3_bind_int(s, 4, row->to_exchange);
        }
        return s;
}

static int declare_row(sqlite3 *db, const struct topology_row *row)
{
        switch (row->kind) {
        case TOPOLOGY_EXCHANGE:
                return embedded_declare_run(
                        db, with_name(db, "insert into broker_exchange (name) values (?1) on conflict do nothing",
                                      row->name));
        case TOPOLOGY_QUEUE:
                return embedded_declare_run(
                        db,
                        with_name(db, "insert into broker_queue (name) values (?1) on conflict do nothing", row->name));
        case TOPOLOGY_BINDING: return embedded_declare_run(db, binding_of(db, row));
        }
        return SQLITE_MISUSE;
}

int embedded_declare(sqlite3 *db, const struct topology *topology)
{
        const sqlite3_int64 before = sqlite3_total_changes64(db);
        for (size_t i = 0; topology && i < topology->count; i++) {
                const struct topology_row *row = &topology->rows[i];
                const int code = is_delay(row) || leads_to_delay(topology, row) ? SQLITE_OK : declare_row(db, row);
                if (code)
                        return code;
        }
        if (sqlite3_total_changes64(db) == before)
                return SQLITE_OK;
        return embedded_declare_run(db, sqlite_statement(db, "update broker_declared set version = version + 1"));
}
