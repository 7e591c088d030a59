/* SPDX-License-Identifier: Apache-2.0 */
/* claim: may this task run now? A task that is new is inserted; one that is there is judged by its row. */
#include "store/sqlite/lite.h"

#include "core/json.h"

#include <string.h>

struct claim_call {
        struct lite_call call; /* its text: a result */
        const struct claim *what;
        enum claim_verdict verdict;
        unsigned starts;
        int64_t wait_us;
        bool has_result;
        struct buffer error, sends; /* JSON */
        struct buffer facts; /* of each set that has an owner, in their order: an object as JSON, and a NUL byte */
};

enum {
        JUDGED_STATE,
        JUDGED_STARTS,
        JUDGED_ATTEMPTS,
        JUDGED_UNTIL,
        JUDGED_NAMELESS,
        JUDGED_RESULT,
        JUDGED_ERROR,
        JUDGED_MAY,
        JUDGED_REPLACED,
        JUDGED_SENDS
};

static int lite_claim_insert(struct claim_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_claim_insert);
        int rc;

        query_text(&q, c->what->id);
        query_text(&q, c->what->root_id);
        query_text(&q, c->what->parent_id);
        query_text(&q, c->what->name);
        query_number(&q, c->what->retries);
        query_text(&q, c->call.store->owner);
        query_number(&q, now_us + (int64_t)c->what->lease_ms * 1000);
        query_number(&q, now_us);
        query_number(&q, c->what->nesting);
        rc = query_run(&q);
        if (rc == SQLITE_OK && sqlite3_changes(db) == 1)
                c->verdict = CLAIM_GRANTED;
        return rc;
}

static int insert_cancelled(struct claim_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_claim_cancelled);
        int rc;

        query_text(&q, c->what->id);
        query_text(&q, c->what->root_id);
        query_text(&q, c->what->parent_id);
        query_text(&q, c->what->name);
        query_number(&q, c->what->retries);
        query_number(&q, now_us);
        rc = query_run(&q);
        if (rc == SQLITE_OK && sqlite3_changes(db) == 1)
                c->verdict = CLAIM_REVOKED;
        return rc;
}

static int start_again(const struct claim_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_claim_again);

        query_text(&q, c->what->id);
        query_text(&q, c->call.store->owner);
        query_number(&q, now_us + (int64_t)c->what->lease_ms * 1000);
        query_number(&q, now_us);
        query_text(&q, c->what->name);
        query_number(&q, c->what->nesting);
        return query_run(&q);
}

/* A row that was made by a commit whose claim was lost. */
static int give_name(const struct claim_call *c, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_claim_name);

        query_text(&q, c->what->id);
        query_text(&q, c->what->name);
        return query_run(&q);
}

static void claim_keep(struct buffer *b, struct bytes value)
{
        if (value.data)
                buffer_add(b, value.data, value.size);
}

static int lite_claim_judge(struct claim_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_claim_judge);
        bool nameless = false;
        int rc;

        query_text(&q, c->what->id);
        query_number(&q, c->what->retries);
        query_text(&q, c->call.store->owner);
        query_number(&q, now_us);
        query_number(&q, c->what->nesting);
        if (query_row(&q)) {
                c->starts = (unsigned)query_read_number(&q, JUDGED_STARTS);
                c->wait_us = query_read_number(&q, JUDGED_UNTIL) - now_us;
                const struct claim_seen seen = {
                        .state = query_read_text(&q, JUDGED_STATE),
                        .granted = query_read_number(&q, JUDGED_MAY) != 0,
                        .attempts = query_read_number(&q, JUDGED_ATTEMPTS),
                        .replaced = query_read_number(&q, JUDGED_REPLACED),
                };
                c->verdict = claim_verdict_of(c->what, &seen);
                c->has_result = query_read_bytes(&q, JUDGED_RESULT).data != NULL;
                claim_keep(&c->call.text, query_read_bytes(&q, JUDGED_RESULT));
                claim_keep(&c->error, query_read_bytes(&q, JUDGED_ERROR));
                claim_keep(&c->sends, query_read_bytes(&q, JUDGED_SENDS));
                nameless = query_read_number(&q, JUDGED_NAMELESS) != 0;
        }
        rc = query_end(&q);
        if (rc == SQLITE_OK && c->verdict == CLAIM_GRANTED) {
                c->starts++;
                return start_again(c, db, now_us);
        }
        return rc == SQLITE_OK && nameless ? give_name(c, db) : rc;
}

static int start_job(const struct claim_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_claim_job);

        query_text(&q, c->what->root_id);
        query_text(&q, c->what->pipeline);
        query_number(&q, now_us);
        return query_run(&q);
}

int lite_read_facts(struct buffer *out, sqlite3 *db, const struct fact_set *set)
{
        struct query q = query_of(db, &lite_sql_claim_facts);
        char before = '{';

        query_text(&q, set->kind);
        query_text(&q, set->owner);
        while (query_row(&q)) {
                buffer_add_byte(out, (unsigned char)before);
                claim_keep(out, query_read_bytes(&q, 0));
                buffer_add_byte(out, ':');
                claim_keep(out, query_read_bytes(&q, 1));
                before = ',';
        }
        if (before == '{')
                buffer_add_byte(out, '{');
        buffer_add(out, "}", 2); /* and its NUL byte */
        return query_end(&q);
}

static int read_facts(struct claim_call *c, sqlite3 *db)
{
        int rc = SQLITE_OK;

        for (unsigned i = 0; i < c->what->see_count && rc == SQLITE_OK; i++) {
                if (c->what->sees[i].owner)
                        rc = lite_read_facts(&c->facts, db, &c->what->sees[i]);
        }
        return rc;
}

static int lite_run_claim(struct sqlite_work *work, sqlite3 *db)
{
        struct claim_call *c = (struct claim_call *)work;
        int64_t now_us = lite_now_us();
        int rc;

        buffer_reset(&c->call.text);
        buffer_reset(&c->error);
        buffer_reset(&c->facts);
        buffer_reset(&c->sends);
        c->has_result = false;
        c->verdict = CLAIM_LEASED;
        c->starts = 1;
        rc = strcmp(c->what->root_id, c->what->id) ? insert_cancelled(c, db, now_us) : SQLITE_OK;
        if (rc == SQLITE_OK && c->verdict != CLAIM_REVOKED)
                rc = lite_claim_insert(c, db, now_us);
        if (rc == SQLITE_OK && c->verdict == CLAIM_LEASED)
                rc = lite_claim_judge(c, db, now_us);
        if (rc == SQLITE_OK && c->verdict == CLAIM_GRANTED && c->what->pipeline)
                rc = start_job(c, db, now_us);
        if (rc == SQLITE_OK)
                rc = read_facts(c, db);
        return rc == SQLITE_OK && (c->call.text.failed || c->error.failed || c->facts.failed || c->sends.failed)
                       ? SQLITE_NOMEM
                       : rc;
}

static json_t *claim_parse(const struct buffer *text)
{
        json_t *value = NULL;

        if (text->size > 0)
                (void)json_parse(buffer_view(text), "store", &value, NULL);
        return value;
}

static json_t *lite_claim_facts_of(const struct claim_call *c)
{
        const char *text = (const char *)c->facts.data;
        json_t *facts = c->what->see_count > 0 ? json_object() : NULL;

        for (unsigned i = 0; i < c->what->see_count; i++) {
                if (!c->what->sees[i].owner)
                        continue;
                (void)fact_found(facts, &c->what->sees[i], bytes_of_string(text));
                text += strlen(text) + 1;
        }
        return facts;
}

static void claim_answered(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct claim_call *c = (struct claim_call *)work;
        struct claim_reply reply = { .verdict = c->verdict, .starts = c->starts };
        const unsigned long lost = json_memory_lost();

        end = lite_call_end(&c->call, end);
        if (end == SQLITE_END_COMMITTED) {
                if (c->has_result)
                        reply.result = buffer_view(&c->call.text);
                if (reply.verdict == CLAIM_LEASED)
                        reply.wait_ms = claim_wait_ms((c->wait_us + 999) / 1000);
                reply.sends = claim_parse(&c->sends);
                reply.error = claim_parse(&c->error);
                reply.facts = lite_claim_facts_of(c);
                if (json_whole_since(lost, 0) != 0)
                        reply.verdict = CLAIM_STARVED;
        } else {
                reply = (struct claim_reply){ .verdict = end == SQLITE_END_CLOSED ? CLAIM_CLOSED : CLAIM_REFUSED };
                lite_why(&c->call, end, why, &reply.why);
        }
        ((claim_done *)c->call.done)(&reply, c->call.arg);
        json_decref(reply.sends);
        json_decref(reply.error);
        json_decref(reply.facts);
        lite_call_free(&c->call);
}

static const char *claim_about(const struct sqlite_work *work)
{
        return ((const struct claim_call *)work)->what->id;
}

/* A claim that is lost in a power cut is only claimed again: it need not wait for the disk. */
static const struct sqlite_verb verb = {
        .run = lite_run_claim, .done = claim_answered, .loose = true, .name = "claim", .about = claim_about
};

static void claim_clear(struct lite_call *call)
{
        struct claim_call *c = (struct claim_call *)call;

        buffer_free(&c->error);
        buffer_free(&c->facts);
        buffer_free(&c->sends);
}

void lite_claim(struct store *s, const struct claim *claim, claim_done *done, void *arg)
{
        struct claim_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);
        struct claim_reply reply = { .verdict = CLAIM_STARVED };

        if (!c) {
                problem_set(&reply.why, "store", "out_of_memory", "out of memory");
                done(&reply, arg);
                return;
        }
        c->what = claim;
        c->call.clear = claim_clear;
        lite_call_start(&c->call, &verb);
}
