/* SPDX-License-Identifier: Apache-2.0 */
/* Answers with rows, as JSON of a shape. */
#include "store/postgres/postgres.h"

#include "core/json.h"

struct shape_row {
        const PGresult *r;
        int row;
};

enum { TYPE_TIMESTAMPTZ = 1184 };

/* PostgreSQL's times begin with the year 2000. */
#define EPOCH_US INT64_C(946684800000000)

static struct cell shape_read_cell(void *row, int column)
{
        const struct shape_row *at = row;
        struct cell c = { .null = field_null(at->r, at->row, column) };

        if (c.null)
                return c;
        switch (PQftype(at->r, column)) {
        case TYPE_TIMESTAMPTZ: c.number = field_number(at->r, at->row, column) + EPOCH_US; break;
        case COLUMN_INT4:
        case COLUMN_INT8: c.number = field_number(at->r, at->row, column); break;
        default: c.bytes = field_bytes(at->r, at->row, column); break;
        }
        return c;
}

static void shape_add_rows(struct buffer *json, const PGresult *r, const struct shape *shape, bool list)
{
        const int rows = PQntuples(r);

        if (list)
                buffer_add_byte(json, '[');
        for (int row = 0; row < (list ? rows : rows > 0); row++) {
                if (row > 0)
                        buffer_add_byte(json, ',');
                shape_add(json, shape, shape_read_cell, &(struct shape_row){ r, row });
        }
        if (list)
                buffer_add_byte(json, ']');
}

void answer_shape(struct pg_link *link, struct pg_group *group, const struct shape *shape, bool list)
{
        struct pg_call *call = group_take(group, 0);
        json_done *done = (json_done *)call->done;
        struct buffer json = { 0 };
        void *arg = call->arg;
        json_t *value = NULL;
        struct problem why;
        int rc = 0;

        shape_add_rows(&json, group->results[0], shape, list);
        if (json.failed)
                rc = problem_set(&why, "store", "out_of_memory", "out of memory");
        else if (json.size > 0)
                rc = json_parse(buffer_view(&json), "store", &value, &why);
        buffer_free(&json);
        call_free(link->store, call);
        done(value, rc != 0 ? &why : NULL, arg);
        json_decref(value);
}
