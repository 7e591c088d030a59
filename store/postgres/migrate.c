/* SPDX-License-Identifier: Apache-2.0 */
/* migrate: the numbered files of store/postgres/schema/, each in one transaction, once; then the views of facts, where they are not there as they
 * should be. An advisory lock keeps two at once apart: the second one waits, and finds everything done. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS  5000
#define PATIENCE_MS (10u * 60 * 1000) /* for another migration to end, and for long ones */

struct migration {
        PGconn *pg;
        struct patience patience;
        const struct store_migration *asked;
        struct problem *why;
};

static void migrate_say(const struct migration *m, const char *verb, const char *name)
{
        char line[256];

        snprintf(line, sizeof(line), "%s %s", verb, name);
        if (m->asked->said)
                m->asked->said(line, m->asked->arg);
}

/* FNV-1a, 64 bits: tells an edited file from the one that was applied; no defence against anybody.
 * Source: Fowler, Noll, Vo, "FNV hash". */
static void pg_migrate_checksum(const struct embedded_file *file, char out[17])
{
        uint64_t hash = 0xcbf29ce484222325;

        for (size_t i = 0; i < file->size; i++)
                hash = (hash ^ file->data[i]) * 0x100000001b3;
        snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

/* What is applied must be what this program has, byte for byte, and nothing beyond it. */
static int pg_migrate_compare(const struct migration *m, const PGresult *applied)
{
        char sum[17];

        for (int row = 0; row < PQntuples(applied); row++) {
                int version = (int)strtol(PQgetvalue(applied, row, 0), NULL, 10);

                if ((size_t)row >= embedded_schema_count)
                        return problem_set(m->why, "store", "schema_too_new",
                                           "the database's tables are of version %d, this program knows only %d",
                                           version, schema_newest());
                pg_migrate_checksum(&embedded_schema[row], sum);
                if (version != schema_number(embedded_schema[row].name) ||
                    strcmp(PQgetvalue(applied, row, 1), sum) != 0)
                        return problem_set(m->why, "store", "schema_changed",
                                           "migration %d of the database is not this program's %s", version,
                                           embedded_schema[row].name);
        }
        return 0;
}

static int migrate_apply(const struct migration *m, const struct embedded_file *file)
{
        struct buffer sql = { 0 };
        char sum[17];
        struct problem found;
        int rc;

        pg_migrate_checksum(file, sum);
        buffer_add_string(&sql, "begin; ");
        buffer_add(&sql, file->data, file->size);
        buffer_addf(&sql,
                    "; insert into chard.schema_version (version, name, checksum) values (%d, '%s', '%s'); commit",
                    schema_number(file->name), file->name, sum);
        buffer_add_byte(&sql, '\0');
        rc = sql.failed ? -ENOMEM : session_run(m->pg, (const char *)sql.data, &m->patience, NULL, NULL, &found);
        buffer_free(&sql);
        if (rc > 0)
                return problem_set(m->why, "store", "migration_failed", "%s: %s", file->name, found.text);
        if (rc == 0)
                migrate_say(m, "applied", file->name);
        return rc;
}

static int apply_missing(const struct migration *m)
{
        PGresult *applied = NULL;
        int rc = session_run(m->pg, pg_sql_migrate_applied.sql, &m->patience, &applied, NULL, m->why);
        int first = rc == 0 ? PQntuples(applied) : 0;

        if (rc == 0)
                rc = pg_migrate_compare(m, applied);
        PQclear(applied);
        for (size_t i = (size_t)first; rc == 0 && i < embedded_schema_count; i++)
                rc = migrate_apply(m, &embedded_schema[i]);
        if (rc == 0)
                rc = session_run(m->pg, "select chard.maintain()", &m->patience, NULL, NULL, m->why);
        if (rc == 0 && (size_t)first == embedded_schema_count)
                migrate_say(m, "up to date:",
                            embedded_schema_count > 0 ? embedded_schema[first - 1].name : "nothing to do");
        return rc;
}

/* A view is left alone while its comment says that it is this one: making it anew would wait for everybody who reads it. */
static int migrate_make_view(const struct migration *m, const struct fact_view *view)
{
        struct buffer query = { 0 }, sql = { 0 };
        int rc;

        fact_view_query(view, "chard.fact", "jsonb_object_agg(key, value)", &query);
        buffer_add_byte(&query, '\0');
        buffer_addf(
                &sql,
                "do $do$ begin if obj_description(to_regclass('chard.%s'), 'pg_class') is distinct from $q$%s$q$ then"
                " create or replace view chard.%s as %s;"
                " comment on view chard.%s is $q$%s$q$; end if; end $do$",
                view->name, (const char *)query.data, view->name, (const char *)query.data, view->name,
                (const char *)query.data);
        buffer_add_byte(&sql, '\0');
        rc = query.failed || sql.failed ? -ENOMEM
                                        : session_run(m->pg, (const char *)sql.data, &m->patience, NULL, NULL, m->why);
        buffer_free(&query);
        buffer_free(&sql);
        return rc;
}

static int migrate_make_views(const struct migration *m)
{
        const struct fact_view *const *list = m->asked->views;
        int rc = 0;

        for (; rc == 0 && list && *list; list++) {
                for (const struct fact_view *view = *list; rc == 0 && view->name; view++)
                        rc = migrate_make_view(m, view);
        }
        return rc;
}

int pg_migrate(const struct store_migration *migration, struct problem *why)
{
        unsigned timeout = migration->connect_timeout_ms ? migration->connect_timeout_ms : CONNECT_MS;
        struct migration m = { .patience = { clock_mono_ms() + timeout, -1 }, .asked = migration, .why = why };
        struct conninfo conninfo;
        int rc = conninfo_read(&conninfo, migration->url, "chard migrate", timeout, ANSWER_TIMEOUT_MS, why);

        if (rc != 0)
                return rc;
        rc = session_connect(&conninfo, &m.patience, &m.pg, why);
        m.patience.deadline_ms = clock_mono_ms() + PATIENCE_MS;
        if (rc == 0)
                rc = session_run(m.pg, pg_sql_migrate_prepare.sql, &m.patience, NULL, NULL, why);
        if (rc == 0)
                rc = apply_missing(&m);
        if (rc == 0)
                rc = migrate_make_views(&m);
        if (m.pg)
                PQfinish(m.pg);
        conninfo_free(&conninfo);
        return rc;
}
