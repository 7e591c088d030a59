/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters are asked for: a call's own copy of a filter, and its parameters. */
#include "store/sqlite/dead/dead.h"

#include <stdlib.h>

static void filter_clear(struct lite_call *call)
{
        struct dead_call *c = (struct dead_call *)call;

        arena_free(&c->asked);
        arena_free(&c->read);
        buffer_free(&c->entries);
        free(c->letters);
}

/* The texts of a filter, in the order of their parameters. */
enum { TEXTS = 9 };
static void texts_of(struct dead_filter *f, const char **out[TEXTS])
{
        const char **const all[TEXTS] = { &f->state,   &f->name,    &f->queue,   &f->error_code, &f->group,
                                          &f->user_id, &f->root_id, &f->task_id, &f->text };

        memcpy(out, all, sizeof(all));
}

static bool copy_texts(struct dead_call *c)
{
        const char **texts[TEXTS];

        texts_of(&c->query.filter, texts);
        for (int i = 0; i < TEXTS; i++) {
                *texts[i] = arena_string(&c->asked, *texts[i] ? *texts[i] : "");
                if (!*texts[i])
                        return false;
        }
        return true;
}

static bool copy_entries(struct dead_call *c, const struct dead_filter *f)
{
        buffer_add_byte(&c->entries, '[');
        for (size_t i = 0; i < f->entry_count; i++)
                buffer_addf(&c->entries, "%s%lld", i > 0 ? "," : "", (long long)f->entries[i]);
        buffer_add(&c->entries, "]", 2);
        return !c->entries.failed;
}

struct dead_call *dead_call_new(struct lite_store *s, const struct dead_filter *filter, void (*done)(void), void *arg)
{
        struct dead_call *c = lite_call_new(s, sizeof(*c), done, arg);

        if (!c)
                return NULL;
        c->call.clear = filter_clear;
        c->query.filter = *filter;
        if (copy_texts(c) && copy_entries(c, filter))
                return c;
        lite_call_free(&c->call);
        return NULL;
}

void dead_bind_filter(struct query *q, const struct dead_call *c)
{
        struct dead_filter f = c->query.filter;
        const char **texts[TEXTS];

        query_text(q, (const char *)c->entries.data);
        texts_of(&f, texts);
        for (int i = 0; i < TEXTS; i++)
                query_text(q, *texts[i]);
        query_number(q, f.since_ms * 1000);
        query_number(q, f.until_ms * 1000);
        query_number(q, f.after);
        query_number(q, f.upto);
        query_number(q, f.by_round ? (int64_t)f.round : -1);
}
