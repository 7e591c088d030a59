/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the chat room that an AI endpoint or a model takes no requests, and that it takes them again. The workers say so in their rows. Of several keepers
 * the first by name tells; the others note that it was told. What a keeper told is in its memory: one that starts while an outage lasts tells of it. */
#include "duties/keeper.h"

#include "core/bytes.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "duties/webhook.h"
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        TICK_MS = 2000,
        RETRY_MS = 10000,
        FRESH_MS = 10000, /* a row that is older is nobody's */
        LOOKS_GONE = 2,   /* so often in a row it must be gone: a worker that has just begun has not asked yet */
};

struct outage {
        struct dlq_keeper *keeper;
        uv_timer_t timer;
        json_t *told;    /* what is out, as the room knows it: by name */
        json_t *posting; /* the same as it will be once the message in flight is there; or NULL */
        unsigned gone;   /* looks in a row that missed something told */
        bool asking, closing, closed;
        uint64_t quiet_until_ms;
};

/* What the rows say. */
struct outlook {
        json_t *out;       /* what is out: name -> text */
        const char *first; /* of the living keepers, or NULL */
        size_t workers;    /* that live */
};

static void on_tick(uv_timer_t *timer);
static void on_rows(json_t *rows, const struct problem *why, void *arg);

int outage_open(struct outage **out, struct dlq_keeper *k)
{
        const char *url = k->config->webhook_url;
        struct outage *o = calloc(1, sizeof(*o));
        json_t *told = json_object();
        if (!o || !told) {
                json_decref(told);
                free(o);
                return -ENOMEM;
        }
        o->keeper = k;
        o->told = told;
        uv_timer_init(k->config->loop, &o->timer);
        o->timer.data = o;
        if (url && *url)
                uv_timer_start(&o->timer, on_tick, TICK_MS, TICK_MS);
        *out = o;
        return 0;
}

void outage_stop(struct outage *o)
{
        uv_timer_stop(&o->timer);
}

static void outage_release(struct outage *o)
{
        if (!o->closed || o->posting)
                return;
        json_decref(o->told);
        free(o);
}

static void on_closed(uv_handle_t *timer)
{
        struct outage *o = (struct outage *)timer->data;
        o->closed = true;
        outage_release(o);
}

void outage_close(struct outage *o)
{
        if (!o)
                return;
        o->closing = true;
        uv_close((uv_handle_t *)&o->timer, on_closed);
}

/* ---- looking ---- */

static void on_tick(uv_timer_t *timer)
{
        struct outage *o = (struct outage *)timer->data;
        struct store *s = o->keeper->store;
        if (o->asking || o->posting || clock_mono_ms() < o->quiet_until_ms || !s->backend->up(s))
                return;
        o->asking = true;
        s->read->workers(s, on_rows, o);
}

static void read_row(const json_t *row, struct outlook *look)
{
        const json_t *state = json_object_get(row, "state");
        const char *name;
        json_t *why;
        if (json_number(row, "age_ms", FRESH_MS) >= FRESH_MS || strcmp(json_text(state, "why", ""), "stopping") == 0)
                return;
        if (strcmp(json_text(state, "role", ""), "keeper") == 0) {
                if (!look->first)
                        look->first = json_text(row, "name", "");
                return;
        }
        look->workers += json_object_get(state, "paused") != NULL;
        json_object_foreach(json_object_get(state, "paused"), name, why)
                if (json_is_true(json_object_get(why, "fault")))
                        json_object_set(look->out, name, json_object_get(why, "text"));
}

/* ---- telling ---- */

static void add_name(struct buffer *b, const char *name)
{
        if (strcmp(name, "endpoint") == 0)
                buffer_add_string(b, " The AI endpoint");
        else
                buffer_addf(b, " Model %.80s", name);
}

/* Appends what has changed; nothing when nothing has. */
static void add_changes(struct buffer *b, json_t *told, json_t *out)
{
        const char *name;
        json_t *text;
        json_object_foreach(out, name, text)
                if (!json_object_get(told, name)) {
                        add_name(b, name);
                        buffer_addf(b, " takes no requests, so the tasks that ask it wait: %.300s.",
                                    json_is_string(text) ? json_string_value(text) : "");
                }
        json_object_foreach(told, name, text)
                if (!json_object_get(out, name)) {
                        add_name(b, name);
                        buffer_add_string(b, " takes requests again.");
                }
}

static void outage_note(struct outage *o, json_t *out)
{
        json_decref(o->told);
        o->told = json_incref(out);
}

static void on_posted(const struct webhook_result *result, void *arg)
{
        struct outage *o = (struct outage *)arg;
        if (result->ok) {
                outage_note(o, o->posting);
        } else if (!o->closing) {
                log_warn("dlq", "an outage could not be told, and is told again: %s", result->why);
                o->quiet_until_ms = clock_mono_ms() + (result->wait_ms ? result->wait_ms : RETRY_MS);
        }
        json_decref(o->posting);
        o->posting = NULL;
        outage_release(o);
}

static void outage_tell(struct outage *o, const char *changes, json_t *out)
{
        const struct dlq_config *c = o->keeper->config;
        char *body = webhook_sentence(c->webhook_shape, c->webhook_url, changes);
        if (webhook_send(c->loop, c->webhook_url, body, on_posted, o) == 0)
                o->posting = json_incref(out);
}

static bool misses(json_t *out, json_t *told)
{
        const char *name;
        json_t *text;
        json_object_foreach(told, name, text)
                if (!json_object_get(out, name))
                        return true;
        return false;
}

static void outage_compare(struct outage *o, const struct outlook *look)
{
        struct buffer b = { 0 };
        o->gone = misses(look->out, o->told) ? o->gone + 1 : 0;
        if (look->workers == 0 || (o->gone > 0 && o->gone < LOOKS_GONE))
                return;
        buffer_add_string(&b, "chard:");
        const size_t nothing = b.size;
        add_changes(&b, o->told, look->out);
        const bool changed = b.size > nothing, mine = strcmp(look->first, o->keeper->config->name) == 0;
        buffer_add_byte(&b, '\0');
        if (changed && !mine)
                outage_note(o, look->out);
        else if (changed && !b.failed)
                outage_tell(o, (const char *)b.data, look->out);
        buffer_free(&b);
}

static void on_rows(json_t *rows, const struct problem *why, void *arg)
{
        struct outage *o = (struct outage *)arg;
        struct outlook look = { .out = json_object() };
        size_t i;
        json_t *row;
        o->asking = false;
        if (!why && !o->closing && !o->keeper->stopping && look.out) {
                json_array_foreach(rows, i, row)
                        read_row(row, &look);
                if (look.first)
                        outage_compare(o, &look);
        }
        json_decref(look.out);
}
