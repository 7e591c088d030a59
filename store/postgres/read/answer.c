/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to calls with a json_done: the rows of a statement, as its answer in store/shapes/ says. Where that has several parts, a row is the number of its part and
 * a record with the part's columns. */
#include "store/postgres/postgres.h"

#include "core/json.h"

#include <assert.h>

enum { TYPE_BOOL = 16, TYPE_TIMESTAMPTZ = 1184 };

/* PostgreSQL's times begin with the year 2000. */
#define EPOCH_US INT64_C(946684800000000)

struct answer_row {
        const PGresult *r;
        int row;
};

static struct cell cell_of(Oid type, struct bytes value)
{
        switch (type) {
        case TYPE_BOOL: return (struct cell){ .number = value.data[0] != 0 };
        case TYPE_TIMESTAMPTZ: return (struct cell){ .number = bytes_number(value) + EPOCH_US };
        case COLUMN_INT4:
        case COLUMN_INT8: return (struct cell){ .number = bytes_number(value) };
        case COLUMN_JSONB:
                return (struct cell){ .bytes = bytes_of(value.data + 1, value.size - 1) }; /* its version first */
        default: return (struct cell){ .bytes = value };
        }
}

static struct cell answer_read_column(void *row, int column)
{
        const struct answer_row *at = row;
        const struct bytes value = field_bytes(at->r, at->row, column);

        return value.data ? cell_of(PQftype(at->r, column), value) : (struct cell){ .null = true };
}

/* The next column of a record, of which `row` is the rest. Source of the form: PostgreSQL's record_send (src/backend/utils/adt/rowtypes.c):
 * of each column its type, its size or -1 for null, and its value, behind the number of columns. */
static struct cell answer_read_record(void *row, int column)
{
        struct bytes *rest = row;

        if (column == 0)
                *rest = bytes_of(rest->data + 4, rest->size - 4);
        if (rest->size < 8)
                return (struct cell){ .null = true };
        const Oid type = (Oid)bytes_number(bytes_of(rest->data, 4));
        const int64_t size = bytes_number(bytes_of(rest->data + 4, 4));
        const struct bytes value = bytes_of(rest->data + 8, size > 0 ? (size_t)size : 0);

        *rest = bytes_of(value.data + value.size, rest->size - 8 - value.size);
        return size >= 0 ? cell_of(type, value) : (struct cell){ .null = true };
}

void answer_add_record(struct answer *answer, const struct answer_part *gives, unsigned part, struct bytes record)
{
        answer_add(answer, gives, part, answer_read_record, &record);
}

static void answer_add_row(struct answer *answer, const struct answer_part *gives, const PGresult *r, int row)
{
        if (answer_has_parts(gives))
                answer_add_record(answer, gives, (unsigned)field_number(r, row, 0), field_bytes(r, row, 1));
        else
                answer_add(answer, gives, 0, answer_read_column, &(struct answer_row){ r, row });
}

/* The rows from `first` up to `end`. Ends the call. */
static void answer_tell(struct pg_link *link, struct pg_call *call, const struct pg_group *group, int first, int end)
{
        json_done *done = (json_done *)call->done;
        struct buffer json = { 0 };
        struct answer answer = { 0 };
        void *arg = call->arg;
        json_t *value = NULL;
        struct problem why;
        int rc = 0;

        assert(group->gives);
        for (int row = first; row < end; row++)
                answer_add_row(&answer, group->gives, group->results[0], row);
        answer_end(&answer, group->gives, &json);
        if (json.failed)
                rc = problem_set(&why, "store", "out_of_memory", "out of memory");
        else if (json.size > 0)
                rc = json_parse(buffer_view(&json), "store", &value, &why);
        buffer_free(&json);
        call_free(link->store, call);
        done(value, rc != 0 ? &why : NULL, arg);
        json_decref(value);
}

void answer_rows(struct pg_link *link, struct pg_group *group)
{
        answer_tell(link, group_take(group, 0), group, 0, PQntuples(group->results[0]));
}

void answer_each(struct pg_link *link, struct pg_group *group)
{
        const int rows = PQntuples(group->results[0]);

        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);

                if (call) /* no callback has closed the store */
                        answer_tell(link, call, group, (int)i, (int)i < rows ? (int)i + 1 : (int)i);
        }
}

void refuse_json(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((json_done *)call->done)(NULL, why, call->arg);
}
