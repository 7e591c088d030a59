/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/query.h"

#include "core/sqlite/sqlite.h"

struct query query_of(sqlite3 *db, const struct statement *sql)
{
        struct query q = { .db = db, .gives = sql->gives, .statement = sqlite_statement(db, sql->sql) };

        if (!q.statement)
                q.rc = sqlite3_errcode(db) != SQLITE_OK ? sqlite3_errcode(db) : SQLITE_ERROR;
        return q;
}

static void query_note(struct query *q, int rc)
{
        if (q->rc == SQLITE_OK)
                q->rc = rc;
}

void query_text(struct query *q, const char *text)
{
        if (q->statement)
                query_note(q, sqlite3_bind_text(q->statement, ++q->bound, text, -1, SQLITE_STATIC));
}

void query_text_bytes(struct query *q, struct bytes text)
{
        if (q->statement)
                query_note(q, sqlite3_bind_text64(q->statement, ++q->bound, text.data ? (const char *)text.data : "",
                                                  text.size, SQLITE_STATIC, SQLITE_UTF8));
}

void query_blob(struct query *q, struct bytes value)
{
        if (q->statement)
                query_note(q,
                           sqlite3_bind_blob64(q->statement, ++q->bound, value.size > 0 ? (const void *)value.data : "",
                                               value.size, SQLITE_STATIC));
}

void query_number(struct query *q, int64_t number)
{
        if (q->statement)
                query_note(q, sqlite3_bind_int64(q->statement, ++q->bound, number));
}

bool query_row(struct query *q)
{
        int rc;

        if (q->rc != SQLITE_OK)
                return false;
        rc = sqlite3_step(q->statement);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
                q->rc = rc;
        return rc == SQLITE_ROW;
}

const char *query_read_text(struct query *q, int column)
{
        return (const char *)sqlite3_column_text(q->statement, column);
}

struct bytes query_read_bytes(struct query *q, int column)
{
        const void *data = sqlite3_column_blob(q->statement, column);
        int size = sqlite3_column_bytes(q->statement, column);

        /* SQLite gives no address for a value that is empty. */
        if (!data && sqlite3_column_type(q->statement, column) != SQLITE_NULL)
                data = "";
        return bytes_of(data, (size_t)size);
}

int64_t query_read_number(struct query *q, int column)
{
        return sqlite3_column_int64(q->statement, column);
}

struct cell query_read_cell(void *query, int column)
{
        struct query *q = query;

        switch (sqlite3_column_type(q->statement, column)) {
        case SQLITE_NULL: return (struct cell){ .null = true };
        case SQLITE_INTEGER: return (struct cell){ .number = query_read_number(q, column) };
        default: return (struct cell){ .bytes = query_read_bytes(q, column) };
        }
}

int query_end(struct query *q)
{
        if (q->statement) {
                sqlite3_reset(q->statement);
                sqlite3_clear_bindings(q->statement);
        }
        return q->rc;
}

int query_run(struct query *q)
{
        while (query_row(q))
                ;
        return query_end(q);
}
