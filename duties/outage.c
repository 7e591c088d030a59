/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the chat room that an AI endpoint or a model takes no requests, and that it takes them again. The workers say so in their rows. Who leads
 * tells; the others look as well, and note after a while that it was told, so that whoever leads next neither tells it again nor forgets to tell its end.
 * What was told is in each one's memory: a leader that starts while an outage lasts tells of it. */
#include "duties/duty.h"
#include "store/read.h"

#include "core/bytes.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "duties/webhook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        TICK_MS = 2000,
        RETRY_MS = 10000,
        FRESH_MS = 10000, /* a row that is older is nobody's */
        LOOKS_GONE = 2,   /* so often in a row it must be gone: a worker that has just begun has not asked yet */
        LOOKS_LED =
                8, /* so often in a row another one leads before it counts as told: it may have died before it told */
};

struct outage {
        struct duty_run *run;
        json_t *told;    /* what is out, as the room knows it: by name */
        json_t *posting; /* the same as it will be once the message in flight is there; or NULL */
        unsigned gone;   /* looks in a row that missed something told */
        unsigned led;    /* looks in a row that another one must have told of */
        uint64_t quiet_until_ms;
};

/* What the rows say. */
struct outlook {
        json_t *out;    /* what is out: name -> text */
        size_t workers; /* that live */
};

static void on_rows(json_t *rows, const struct problem *why, void *arg);

static int outage_open(struct duty_run *run, struct problem *why)
{
        struct outage *o = calloc(1, sizeof(*o));
        (void)why;
        if (!o)
                return -ENOMEM;
        run->state = o;
        o->run = run;
        o->told = json_object();
        return o->told ? 0 : -ENOMEM;
}

static void outage_close(struct duty_run *run)
{
        struct outage *o = (struct outage *)run->state;
        if (!o)
                return;
        json_decref(o->told);
        free(o);
}

static uint64_t outage_period(const struct duty_run *run)
{
        return run->config->webhook_url && *run->config->webhook_url ? TICK_MS : 0;
}

/* ---- looking ---- */

static void outage_round(struct duty_run *run)
{
        const struct outage *o = (const struct outage *)run->state;
        if (clock_mono_ms() < o->quiet_until_ms)
                duty_done(run);
        else
                run->config->store->read->workers(run->config->store, on_rows, run->state);
}

static void read_row(const json_t *row, struct outlook *look)
{
        const json_t *state = json_object_get(row, "state");
        const char *name;
        json_t *why;
        if (json_number(row, "age_ms", FRESH_MS) >= FRESH_MS || strcmp(json_text(state, "why", ""), "stopping") == 0)
                return;
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

static void outage_on_posted(const struct webhook_result *result, void *arg)
{
        struct outage *o = (struct outage *)arg;
        if (result->ok) {
                outage_note(o, o->posting);
        } else if (!duty_stopping(o->run)) {
                log_warn("duties", "an outage could not be told, and is told again: %s", result->why);
                o->quiet_until_ms = clock_mono_ms() + (result->wait_ms ? result->wait_ms : RETRY_MS);
        }
        json_decref(o->posting);
        o->posting = NULL;
        duty_done(o->run);
        duty_drop(o->run);
}

/* True while the message is on its way. */
static bool outage_tell(struct outage *o, const char *changes, json_t *out)
{
        const struct duties_config *c = o->run->config;
        char *body = webhook_sentence(c->webhook_shape, c->webhook_url, changes);
        if (webhook_send(c->loop, c->webhook_url, body, outage_on_posted, o) != 0)
                return false;
        o->posting = json_incref(out);
        duty_hold(o->run);
        return true;
}

static bool outage_misses(json_t *out, json_t *told)
{
        const char *name;
        json_t *text;
        json_object_foreach(told, name, text)
                if (!json_object_get(out, name))
                        return true;
        return false;
}

/* True while a message is on its way. */
static bool outage_compare(struct outage *o, const struct outlook *look)
{
        struct buffer b = { 0 };
        bool under_way = false;
        o->gone = outage_misses(look->out, o->told) ? o->gone + 1 : 0;
        if (look->workers == 0 || (o->gone > 0 && o->gone < LOOKS_GONE))
                return false;
        buffer_add_string(&b, "chard:");
        const size_t nothing = b.size;
        add_changes(&b, o->told, look->out);
        const bool changed = b.size > nothing, leads = duty_leads(o->run);
        buffer_add_byte(&b, '\0');
        o->led = changed && !leads ? o->led + 1 : 0;
        if (o->led >= LOOKS_LED)
                outage_note(o, look->out);
        else if (changed && leads && !b.failed)
                under_way = outage_tell(o, (const char *)b.data, look->out);
        buffer_free(&b);
        return under_way;
}

static void on_rows(json_t *rows, const struct problem *why, void *arg)
{
        struct outage *o = (struct outage *)arg;
        struct outlook look = { .out = json_object() };
        size_t i;
        json_t *row;
        bool under_way = false;
        if (!why && !duty_stopping(o->run) && look.out) {
                json_array_foreach(rows, i, row)
                        read_row(row, &look);
                under_way = outage_compare(o, &look);
        }
        json_decref(look.out);
        if (!under_way)
                duty_done(o->run);
}

const struct duty duty_outage = {
        .name = "outage",
        .period_ms = outage_period,
        .round = outage_round,
        .everywhere = true,
        .open = outage_open,
        .close = outage_close,
};
