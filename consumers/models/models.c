/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/models/models.h"

#include "consumers/models/keys.h"
#include "consumers/models/search.h"
#include "core/arena.h"
#include "core/log.h"
#include "core/thread/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_GRACE_MS = 500 };

struct read_models {
        uv_loop_t *loop;
        char *search_url;
        unsigned connect_timeout_ms;
        struct opensearch *idle; /* a connection that nobody uses; or NULL */
        struct redis_link *link;
        struct models_call *calls; /* under way */
};

/* What of a call OpenSearch is asked for: a thread's, until it has run. It has its own copies, since a thread that is abandoned goes on with them. */
struct models_bulk {
        struct models_call *call; /* NULL: abandoned */
        struct arena arena;
        const char *who;
        struct opensearch *search;
        struct bulk_item *items;
        size_t count;
        struct work *work;
        bool failed; /* with `why` */
        struct problem why;
};

/* One models_write. */
struct models_call {
        struct models_call *next;
        struct read_models *models; /* NULL: it was closed */
        struct model_write *writes;
        size_t count;
        models_done *done;
        void *arg;
        struct arena arena;
        struct models_bulk *bulk; /* or NULL */
        struct keys_item *keys;
        size_t keys_count;
        unsigned parts; /* of it that are under way */
        bool failed;    /* with `why` */
        struct problem why;
};

/* ---- a call ---- */

static void models_bulk_free(struct models_bulk *b)
{
        if (!b)
                return;
        search_close(b->search);
        arena_free(&b->arena);
        free(b);
}

static void models_call_free(struct models_call *c)
{
        models_bulk_free(c->bulk);
        arena_free(&c->arena);
        free(c);
}

static void models_drop(struct models_call *c)
{
        struct models_call **at = &c->models->calls;
        while (*at != c)
                at = &(*at)->next;
        *at = c->next;
}

/* What became of each, back to where it was asked. */
static void models_call_tell(struct models_call *c)
{
        size_t bulk = 0, keys = 0;
        for (size_t i = 0; i < c->count; i++) {
                struct model_write *w = &c->writes[i];
                if (w->model->kind == READ_MODEL_SEARCH) {
                        w->end = c->bulk->items[bulk].end;
                        w->why = c->bulk->items[bulk++].why;
                } else {
                        w->end = c->keys[keys].end;
                        w->why = c->keys[keys++].why;
                }
        }
}

static void models_fail(struct models_call *c, const struct problem *why)
{
        c->failed = true;
        c->why = *why;
}

static void models_release(struct models_call *c)
{
        if (--c->parts > 0)
                return;
        if (c->models) {
                models_drop(c);
                if (!c->failed)
                        models_call_tell(c);
                c->done(c->failed ? &c->why : NULL, c->arg);
        }
        models_call_free(c);
}

/* ---- OpenSearch ---- */

static void models_run(void *arg)
{
        struct models_bulk *b = arg;
        const int rc = search_write(b->search, b->who, b->items, b->count, &b->why);
        b->failed = rc != 0;
        if (rc < 0)
                problem_set(&b->why, "models", "away", "out of memory");
}

static void models_ran(void *arg)
{
        struct models_bulk *b = arg;
        struct read_models *m = b->call->models;
        b->work = NULL;
        if (!m->idle) {
                m->idle = b->search;
                b->search = NULL;
        }
        if (b->failed)
                models_fail(b->call, &b->why);
        models_release(b->call);
}

static void models_forget(void *arg)
{
        models_bulk_free(arg);
}

static void models_start_search(struct models_call *c)
{
        static const struct work_calls calls = { models_run, models_ran, models_forget };
        struct read_models *m = c->models;
        struct problem why = { 0 };
        c->bulk->search = m->idle;
        m->idle = NULL;
        int rc = c->bulk->search ? 0 : search_open(&c->bulk->search, m->search_url, m->connect_timeout_ms, &why);
        if (rc == 0)
                rc = work_start(&c->bulk->work, m->loop, &calls, c->bulk);
        c->parts += rc == 0;
        if (rc == 0)
                return;
        problem_set(&why, "models", "away", "no thread, or no memory, to ask OpenSearch");
        models_fail(c, &why);
}

/* ---- Redis ---- */

static void models_on_keys(const struct problem *why, void *arg)
{
        struct models_call *c = arg;
        if (why)
                models_fail(c, why);
        models_release(c);
}

/* ---- writing ---- */

static int models_copy_body(struct arena *arena, const json_t *value, struct bytes *out)
{
        char *text = json_dumps(value, JSON_COMPACT);
        const char *copy = text ? arena_string(arena, text) : NULL;
        free(text);
        *out = bytes_of_string(copy ? copy : "");
        return copy ? 0 : -ENOMEM;
}

static int models_copy_bulk(struct models_bulk *to, const struct model_write *w)
{
        struct bulk_item *b = &to->items[to->count++];
        *b = (struct bulk_item){ .index = arena_string(&to->arena, w->index ? w->index : w->model->name),
                                 .id = arena_string(&to->arena, w->document->id),
                                 .version = w->document->version,
                                 .model = w->index ? NULL : w->model,
                                 .body = bytes_of_string("{\"deleted\":true}") };
        const int rc = w->document->value ? models_copy_body(&to->arena, w->document->value, &b->body) : 0;
        return b->index && b->id ? rc : -ENOMEM;
}

static int models_copy_keys(struct models_call *c, const struct model_write *w)
{
        struct keys_item *k = &c->keys[c->keys_count++];
        *k = (struct keys_item){ .model = w->model->name,
                                 .id = arena_string(&c->arena, w->document->id),
                                 .part = arena_string(&c->arena, w->document->part),
                                 .version = w->document->version,
                                 .body = bytes_of_string("") };
        const int rc = w->document->value ? models_copy_body(&c->arena, w->document->value, &k->body) : 0;
        return k->id && k->part ? rc : -ENOMEM;
}

static int models_copy(struct models_call *c, const char *who)
{
        int rc = 0;
        c->bulk = calloc(1, sizeof(*c->bulk));
        if (!c->bulk)
                return -ENOMEM;
        c->bulk->call = c;
        c->bulk->who = arena_string(&c->bulk->arena, who);
        c->bulk->items = arena_alloc(&c->bulk->arena, c->count * sizeof(*c->bulk->items));
        c->keys = arena_alloc(&c->arena, c->count * sizeof(*c->keys));
        if (!c->bulk->who || !c->bulk->items || !c->keys)
                return -ENOMEM;
        for (size_t i = 0; rc == 0 && i < c->count; i++)
                rc = c->writes[i].model->kind == READ_MODEL_SEARCH ? models_copy_bulk(c->bulk, &c->writes[i])
                                                                   : models_copy_keys(c, &c->writes[i]);
        return rc;
}

int models_write(struct read_models *m, const char *who, struct model_write *writes, size_t count, models_done *done,
                 void *arg)
{
        struct models_call *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (struct models_call){
                .models = m, .writes = writes, .count = count, .done = done, .arg = arg, .parts = 1
        };
        if (models_copy(c, who) != 0) {
                models_call_free(c);
                return -ENOMEM;
        }
        c->next = m->calls;
        m->calls = c;
        if (c->bulk->count > 0)
                models_start_search(c);
        if (c->keys_count > 0) {
                c->parts++;
                keys_write(m->link, c->keys, c->keys_count, models_on_keys, c);
        }
        models_release(c);
        return 0;
}

/* ---- its life ---- */

int models_have(const struct read_models *m, const struct read_model *model, struct problem *why)
{
        if (model->kind == READ_MODEL_SEARCH && !m->search_url)
                return problem_set(why, "models", "no_place",
                                   "the read model %s is kept in OpenSearch: say where that is, with CHARD_SEARCH_URL",
                                   model->name);
        if (model->kind == READ_MODEL_KEYS && !m->link)
                return problem_set(why, "models", "no_place",
                                   "the read model %s is kept in Redis: say where that is, with CHARD_MODELS_REDIS_URL",
                                   model->name);
        return 0;
}

static int models_open_redis(struct read_models *m, const struct models_config *config, struct problem *why)
{
        struct redis_address address;
        struct problem said = { 0 };
        int rc = redis_address_read(config->redis_url, &address, &said);
        if (rc == 1)
                return problem_set(why, "models", "bad_url", "CHARD_MODELS_REDIS_URL: %.400s", said.text);
        if (rc != 0)
                return rc;
        if (address.password)
                log_hide(address.password);
        if (address.sentinel_password)
                log_hide(address.sentinel_password);
        const struct redis_link_config link = { .loop = config->loop,
                                                .connect_timeout_ms = config->connect_timeout_ms,
                                                .then = "; read models wait",
                                                .probe_key = "chard-models" };
        rc = redis_link_open(&m->link, &link, &address, why);
        redis_address_free(&address);
        return rc;
}

/* Its form is looked at now, and whether it answers when something is to be written. */
static int models_open_search(struct read_models *m, const struct models_config *config, struct problem *why)
{
        m->search_url = strdup(config->search_url);
        return m->search_url ? search_open(&m->idle, m->search_url, m->connect_timeout_ms, why) : -ENOMEM;
}

int models_open(struct read_models **out, const struct models_config *config, struct problem *why)
{
        struct read_models *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->loop = config->loop;
        m->connect_timeout_ms = config->connect_timeout_ms;
        int rc = config->search_url && *config->search_url ? models_open_search(m, config, why) : 0;
        if (rc == 0 && config->redis_url && *config->redis_url)
                rc = models_open_redis(m, config, why);
        if (rc != 0)
                models_close(m);
        else
                *out = m;
        return rc;
}

/* Its thread ends by itself; what Redis owes is answered from inside redis_link_close. */
static void models_abandon(struct models_call *c)
{
        struct models_bulk *b = c->bulk;
        c->models = NULL;
        if (!b->work)
                return;
        c->bulk = NULL;
        b->call = NULL;
        work_abandon(b->work, MODELS_GRACE_MS);
        models_release(c);
}

void models_close(struct read_models *m)
{
        if (!m)
                return;
        struct models_call *next;
        for (struct models_call *c = m->calls; c; c = next) {
                next = c->next;
                models_abandon(c);
        }
        if (m->link)
                redis_link_close(m->link);
        search_close(m->idle);
        free(m->search_url);
        free(m);
}
