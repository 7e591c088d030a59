/* SPDX-License-Identifier: Apache-2.0 */
/* What all verbs share: a call's way to the file's thread and back. */
#include "store/sqlite/lite.h"

#include "core/json.h"
#include "core/text/utf8.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

int64_t lite_now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void *lite_call_new(struct lite_store *s, size_t size, void (*done)(void), void *arg)
{
        struct lite_call *call = calloc(1, size);

        if (!call)
                return NULL;
        call->store = s;
        call->done = done;
        call->arg = arg;
        store_key_make(call->key);
        lite_hold(s);
        return call;
}

void lite_call_start(struct lite_call *call, const struct sqlite_verb *verb)
{
        call->open = true;
        call->store->open_calls++;
        lite_call_start_unseen(call, verb);
}

void lite_call_start_unseen(struct lite_call *call, const struct sqlite_verb *verb)
{
        if (call->store->closing)
                verb->done(&call->work, SQLITE_END_CLOSED, NULL);
        else
                sqlite_do(call->store->file, &call->work, verb);
}

enum sqlite_end lite_call_end(struct lite_call *call, enum sqlite_end end)
{
        if (call->open)
                call->store->open_calls--;
        call->open = false;
        return call->store->closing ? SQLITE_END_CLOSED : end;
}

void lite_call_free(struct lite_call *call)
{
        struct lite_store *s = call->store;

        if (call->clear)
                call->clear(call);
        buffer_free(&call->text);
        free(call);
        lite_drop(s);
}

void lite_why(const struct lite_call *call, enum sqlite_end end, const struct problem *said, struct problem *why)
{
        if (end == SQLITE_END_CLOSED)
                problem_set(why, "store", "closed", "the store was closed");
        else
                problem_set(why, "store", "refused", "%s", call->refused ? call->refused : said ? said->text : "");
}

/* ---- verbs with a store_done ---- */

void lite_stored(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_call *call = (struct lite_call *)work;
        store_done *done = (store_done *)call->done;
        enum store_result result = call->result;
        struct lite_store *s = call->store;
        struct problem why;

        if (call->scheduled_id == s->seen_id + 1)
                s->seen_id = call->scheduled_id;
        end = lite_call_end(call, end);
        if (end == SQLITE_END_CLOSED)
                result = STORE_CLOSED;
        else if (end == SQLITE_END_REFUSED || call->refused)
                result = STORE_REFUSED;
        lite_why(call, end, said, &why);
        done(result, result == STORE_ALREADY ? buffer_view(&call->text) : bytes_of(NULL, 0),
             result == STORE_CLOSED || result == STORE_REFUSED ? &why : NULL, call->arg);
        lite_call_free(call);
}

static void call_out_of_memory(struct problem *why)
{
        problem_set(why, "store", "out_of_memory", "out of memory");
}

void lite_refuse_stored(store_done *done, void *arg)
{
        struct problem why;

        call_out_of_memory(&why);
        done(STORE_STARVED, bytes_of(NULL, 0), &why, arg);
}

/* ---- verbs with a json_done ---- */

/* SQLite stores any bytes as text: one row that is not UTF-8 must not hide all others. */
static int call_parse(struct buffer *text, json_t **value, struct problem *why)
{
        const int code = json_parse(buffer_view(text), "store", value, why);

        if (code == 0)
                return 0;
        buffer_add_byte(text, '\0');
        if (text->failed)
                return code;
        utf8_repair((char *)text->data, false);
        return json_parse(bytes_of_string((const char *)text->data), "store", value, why);
}

void lite_read(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_call *call = (struct lite_call *)work;
        json_t *value = NULL;
        struct problem why;
        bool failed;

        end = lite_call_end(call, end);
        failed = end != SQLITE_END_COMMITTED;
        if (failed)
                lite_why(call, end, said, &why);
        else if (call->text.size > 0)
                failed = call_parse(&call->text, &value, &why) != 0;
        ((json_done *)call->done)(value, failed ? &why : NULL, call->arg);
        json_decref(value);
        lite_call_free(call);
}

void lite_add_json(struct buffer *b, const json_t *value)
{
        if (value)
                json_write(value, b);
        else
                buffer_add_string(b, "null");
        buffer_add_byte(b, '\0');
}

int lite_end_answer(struct buffer *text, struct answer *answer, const struct answer_part *gives, int rc)
{
        buffer_reset(text);
        answer_end(answer, gives, text);
        return rc == SQLITE_OK && text->failed ? SQLITE_NOMEM : rc;
}

int lite_add_rows(struct answer *answer, const struct answer_part *gives, unsigned part, struct query *q)
{
        while (query_row(q))
                answer_add(answer, gives, part, query_read_cell, q);
        return query_end(q);
}

int lite_answer(struct buffer *text, struct query *q)
{
        struct answer answer = { 0 };
        assert(q->gives);
        const int rc = lite_add_rows(&answer, q->gives, 0, q);

        return lite_end_answer(text, &answer, q->gives, rc);
}

int lite_answer_parts(struct buffer *text, sqlite3 *db, const struct answer_part *gives,
                      const struct statement *const parts[], lite_bind *bind, const void *arg)
{
        struct answer answer = { 0 };
        int rc = SQLITE_OK;

        for (unsigned i = 0; rc == SQLITE_OK && gives[i].shape; i++) {
                struct query q;

                if (!parts[i])
                        continue;
                q = query_of(db, parts[i]);
                bind(&q, arg);
                rc = lite_add_rows(&answer, gives, i, &q);
        }
        return lite_end_answer(text, &answer, gives, rc);
}

int lite_answer_cells(struct buffer *text, const struct answer_part *gives, const struct cell *cells, int rc)
{
        struct answer answer = { 0 };

        answer_add(&answer, gives, 0, shape_read_cells, (void *)(uintptr_t)cells);
        return lite_end_answer(text, &answer, gives, rc);
}

int lite_answer_count(struct buffer *text, int64_t count, int rc)
{
        return lite_answer_cells(text, answer_count, &(struct cell){ .number = count }, rc);
}

void lite_refuse_read(json_done *done, void *arg)
{
        struct problem why;

        call_out_of_memory(&why);
        done(NULL, &why, arg);
}
