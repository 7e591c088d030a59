/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that only look: of tasks and of what the worker knows. stats.c has those about the process. */
#include "worker/control/control.h"

#include "core/json.h"
#include "core/clock.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

json_t *inspect_ping(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        return answer_ok("pong");
}

json_t *inspect_clock(struct control *c, const json_t *arguments)
{
        (void)arguments;
        return json_pack("{s:I}", "clock", (json_int_t)c->clock);
}

/* Celery 5.7 sends a list of ids; those before an object of them, with times by their own clock. False when memory ran out. */
static bool hello_learn(struct control *c, const json_t *revoked)
{
        const char *id;
        json_t *time;
        for (size_t i = 0; i < json_array_size(revoked); i++) {
                id = json_string_value(json_array_get(revoked, i));
                if (command_is_id(id) && revoked_add(&c->revoked, id) < 0)
                        return false;
        }
        json_object_foreach((json_t *)(uintptr_t)revoked, id, time) {
                if (command_is_id(id) && revoked_add(&c->revoked, id) < 0)
                        return false;
        }
        return true;
}

/* A worker that starts asks what the others know, and tells what it knows. */
json_t *inspect_hello(struct control *c, const json_t *arguments)
{
        if (strcmp(json_text(arguments, "from_node", ""), c->worker->config->name) == 0)
                return json_null();
        if (!hello_learn(c, json_object_get(arguments, "revoked")))
                return NULL;
        return json_pack("{s:o, s:I}", "revoked", revoked_list(&c->revoked), "clock", (json_int_t)control_tick(c));
}

json_t *inspect_revoked(struct control *c, const json_t *arguments)
{
        (void)arguments;
        return revoked_list(&c->revoked);
}

/* ---- tasks ---- */

/* Where a task's message came from. */
struct origin {
        const char *exchange, *routing_key;
        bool redelivered;
};

/* A text header, or null. New reference. */
static json_t *header_json(struct bytes headers, const char *name)
{
        struct header h;
        struct bytes text = { NULL, 0 };
        json_t *value = NULL;
        if (header_find(headers, name, &h) && header_text(&h, &text))
                value = json_stringn((const char *)text.data, text.size);
        return value ? value : json_null();
}

/* `safe`: its arguments as its sender shows them to people, in place of themselves. */
static json_t *task_json(const struct control *c, const struct task_message *m, struct origin from, int64_t began_ms,
                         bool safe)
{
        struct properties p = { .priority = 0 };
        if (properties_read(m->properties, &p, NULL) != 0 || p.priority < 0)
                p.priority = 0;
        const struct bytes name = task_message_shown_name(m);
        json_t *args = safe ? header_json(p.headers, "argsrepr") : json_incref(m->args);
        json_t *kwargs = safe ? header_json(p.headers, "kwargsrepr") : json_incref(m->kwargs);
        return json_pack("{s:s, s:s%, s:o, s:o, s:s, s:s, s:o, s:b, s:{s:s, s:s, s:i, s:b}, s:o}", "id", m->id, "name",
                         (const char *)name.data, name.size, "args", args, "kwargs", kwargs, "type", m->name,
                         "hostname", c->worker->config->name, "time_start",
                         began_ms ? json_real((double)began_ms / 1000) : json_null(), "acknowledged", 0,
                         "delivery_info", "exchange", from.exchange, "routing_key", from.routing_key, "priority",
                         p.priority, "redelivered", (int)from.redelivered, "worker_pid",
                         began_ms ? json_integer(getpid()) : json_null());
}

static json_t *run_json(const struct control *c, const struct run *run, bool safe)
{
        const struct delivery *d = run_delivery(run);
        return task_json(c, &run->message, (struct origin){ d->exchange, d->routing_key, d->redelivered },
                         run_began_ms(run), safe);
}

/* A run whose message is not decoded (yet, or at all) has nothing to show. */
static bool inspect_shown(const struct run *run)
{
        return run->message.id && run->message.name && run->message.args && run->message.kwargs;
}

static json_t *runs_json(struct control *c, bool active, bool safe)
{
        const struct worker *w = c->worker;
        json_t *list = json_array();
        for (const struct run *run = w->runs.next; run != &w->runs; run = run->next)
                if (inspect_shown(run) && control_is_active(run) == active)
                        json_array_append_new(list, run_json(c, run, safe));
        return list;
}

json_t *inspect_active(struct control *c, const json_t *arguments)
{
        return runs_json(c, true, json_is_true(json_object_get(arguments, "safe")));
}

json_t *inspect_reserved(struct control *c, const json_t *arguments)
{
        (void)arguments;
        return runs_json(c, false, false);
}

/* ---- tasks that wait in the store: all workers of a store show the same ---- */

struct inspect_question {
        struct control *control;
        struct reply_to to;
        json_t *ids, *found; /* of query_task: those that are not in hand, and what is known of the others; else NULL */
};

static void free_asking(struct inspect_question *asking)
{
        json_decref(asking->ids);
        json_decref(asking->found);
        free(asking);
}

/* How many microseconds stand behind the second: in its sender's words where it waits for that time, for a row knows milliseconds. */
static unsigned eta_micros(const struct task_message *m, int64_t due_ms)
{
        JSON_OWNED json_t *request = task_message_request(m, &(struct request_place){ .queue = NULL });
        const char *text = json_text(request, "eta", ""), *at = strchr(text, '.');
        unsigned micros = (unsigned)(due_ms % 1000) * 1000, digits = 0;
        int64_t eta_ms = 0;
        if (!at || clock_parse(text, &eta_ms) != 0 || eta_ms != due_ms)
                return micros;
        for (micros = 0, at++; *at >= '0' && *at <= '9' && digits < 6; at++, digits++)
                micros = micros * 10 + (unsigned)(*at - '0');
        for (; digits < 6; digits++)
                micros *= 10;
        return micros;
}

/* As Python writes a time. */
static void write_eta(const struct task_message *m, int64_t due_ms, char out[CLOCK_TEXT_SIZE])
{
        const unsigned micros = eta_micros(m, due_ms);
        clock_format(due_ms, out);
        char *dot = strchr(out, '.');
        const size_t capacity = dot ? CLOCK_TEXT_SIZE - (size_t)(dot - out) : 0;
        if (dot && micros)
                snprintf(dot, capacity, ".%06u+00:00", micros);
        else if (dot)
                snprintf(dot, capacity, "+00:00");
}

static json_t *scheduled_json(const struct control *c, const json_t *row, const struct task_message *m)
{
        enum { PRIORITY = 6 }; /* that Celery gives what waits for its time */
        char eta[CLOCK_TEXT_SIZE];
        const struct origin from = { json_text(row, "exchange", ""), json_text(row, "routing_key", ""), false };
        write_eta(m, json_number(row, "due_ms", 0), eta);
        return json_pack("{s:s, s:i, s:o}", "eta", eta, "priority", PRIORITY, "request",
                         task_json(c, m, from, 0, false));
}

static void add_scheduled(const struct control *c, json_t *list, const json_t *row)
{
        struct buffer properties = { 0 }, body = { 0 };
        struct arena arena = { 0 };
        struct task_message m = { 0 };
        struct problem why = { 0 };
        if (buffer_add_hex(&properties, json_text(row, "properties", "")) &&
            buffer_add_hex(&body, json_text(row, "body", "")) &&
            task_message_decode(&arena, buffer_view(&properties), buffer_view(&body), c->worker->config->max_body, &m,
                                &why) == 0)
                json_array_append_new(list, scheduled_json(c, row, &m));
        task_message_clear(&m);
        arena_free(&arena);
        buffer_free(&properties);
        buffer_free(&body);
}

/* [{"eta", "priority", "request"}…] of rows; NULL when memory ran out. */
static json_t *inspect_scheduled_list(const struct control *c, const json_t *rows)
{
        json_t *list = json_array();
        for (size_t i = 0; list && i < json_array_size(rows); i++)
                add_scheduled(c, list, json_array_get(rows, i));
        return list;
}

static void on_upcoming(json_t *rows, const struct problem *why, void *arg)
{
        struct inspect_question *asking = (struct inspect_question *)arg;
        struct control *c = asking->control;
        control_answer(c, &asking->to, why ? answer_error("%s", why->text) : inspect_scheduled_list(c, rows));
        free_asking(asking);
}

/* Ask for what waits; the command under way is answered then. Takes `ids` and `found`. Returns NULL, also when memory ran out. */
static json_t *ask_upcoming(struct control *c, json_done *done, json_t *ids_takes, json_t *found_takes)
{
        struct inspect_question *asking = calloc(1, sizeof(*asking));
        if (!asking) {
                json_decref(ids_takes);
                json_decref(found_takes);
                return NULL;
        }
        *asking = (struct inspect_question){ .control = c, .to = *c->asking, .ids = ids_takes, .found = found_takes };
        *c->asking = (struct reply_to){ 0 };
        c->worker->store->schedule->upcoming(c->worker->store, done, asking);
        return NULL;
}

json_t *inspect_scheduled(struct control *c, const json_t *arguments)
{
        (void)arguments;
        return ask_upcoming(c, on_upcoming, NULL, NULL);
}

/* ---- tasks by their ids, wherever they are ---- */

static void add_found(json_t *found, const char *id, const char *state, json_t *task_takes)
{
        json_object_set_new(found, id, json_pack("[s, o]", state, task_takes));
}

static void on_upcoming_queried(json_t *rows, const struct problem *why, void *arg)
{
        struct inspect_question *asking = (struct inspect_question *)arg;
        struct control *c = asking->control;
        JSON_OWNED json_t *list = why ? NULL : inspect_scheduled_list(c, rows);
        for (size_t i = 0; i < json_array_size(list); i++) {
                json_t *request = json_object_get(json_array_get(list, i), "request");
                const char *id = json_text(request, "id", "");
                if (json_object_get(asking->ids, id))
                        add_found(asking->found, id, "scheduled", json_incref(request));
        }
        control_answer(c, &asking->to, json_incref(asking->found));
        free_asking(asking);
}

json_t *inspect_query_task(struct control *c, const json_t *arguments)
{
        const json_t *ids = json_object_get(arguments, "ids");
        json_t *found = json_object(), *others = json_object();
        const size_t count = json_is_string(ids) ? 1 : json_array_size(ids);
        for (size_t i = 0; i < count; i++) {
                const char *id = json_string_value(json_is_string(ids) ? ids : json_array_get(ids, i));
                const struct run *run = id ? control_run(c, id) : NULL;
                if (run && inspect_shown(run))
                        add_found(found, id, control_is_active(run) ? "active" : "reserved", run_json(c, run, false));
                else if (id)
                        json_object_set_new(others, id, json_true());
        }
        if (json_object_size(others) > 0 && c->worker->store->backend->up(c->worker->store))
                return ask_upcoming(c, on_upcoming_queried, others, found);
        json_decref(others);
        return found;
}

/* ---- what it can do ---- */

static json_t *inspect_time_limit(const struct control *c, const struct task_def *def, const char *name)
{
        unsigned soft_ms = def->soft_time_limit_ms, hard_ms = def->time_limit_ms;
        limits_time(&c->limits, def->name, &soft_ms, &hard_ms);
        const unsigned shown_ms = strcmp(name, "time_limit") == 0        ? hard_ms
                                  : strcmp(name, "soft_time_limit") == 0 ? soft_ms
                                                                         : 0;
        return shown_ms ? json_sprintf("%s=%g", name, (double)shown_ms / 1000) : NULL;
}

/* What a Python worker would say of its task class; NULL: nothing, as of an attribute that is None there. */
static json_t *inspect_attribute(const struct control *c, const struct task_def *def, const char *name)
{
        const char *const same[][2] = { { "name", def->name },
                                        { "queue", def->queue },
                                        { "routing_key", def->queue },
                                        { "exchange", def->queue },
                                        { "rate_limit", limits_rate(&c->limits, def->name) },
                                        { "serializer", "json" },
                                        { "acks_late", "True" },
                                        { "ignore_result", "False" },
                                        { "track_started", c->worker->config->track_started ? "True" : "False" } };
        for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
                if (strcmp(name, same[i][0]) == 0)
                        return same[i][1] ? json_sprintf("%s=%s", name, same[i][1]) : NULL;
        if (strcmp(name, "max_retries") == 0)
                return json_sprintf("max_retries=%u", def->retry.limit);
        if (strcmp(name, "default_retry_delay") == 0)
                return json_sprintf("default_retry_delay=%g", (double)def->retry.base_ms / 1000);
        return inspect_time_limit(c, def, name);
}

/* "name", or "name [attribute=value …]" with those that were asked for; as Celery's, rate_limit where there is one. */
static json_t *registered_line(const struct control *c, const struct task_def *def, const json_t *asked)
{
        struct buffer line = { 0 };
        const size_t count = json_array_size(asked);
        buffer_add_string(&line, def->name);
        const size_t bare = line.size;
        for (size_t i = 0; i < (count ? count : 1); i++) {
                const char *name = count ? json_string_value(json_array_get(asked, i)) : "rate_limit";
                JSON_OWNED json_t *shows = name ? inspect_attribute(c, def, name) : NULL;
                if (shows)
                        buffer_addf(&line, "%s%s", line.size == bare ? " [" : " ", json_string_value(shows));
        }
        if (line.size > bare)
                buffer_add_byte(&line, ']');
        json_t *text = line.failed ? NULL : json_stringn((const char *)line.data, line.size);
        buffer_free(&line);
        return text;
}

static int by_text(const void *a, const void *b)
{
        return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

json_t *inspect_registered(struct control *c, const json_t *arguments)
{
        const json_t *asked = json_object_get(arguments, "taskinfoitems");
        const bool builtins = json_is_true(json_object_get(arguments, "builtins"));
        json_t **lines = calloc(c->tally_count + 1, sizeof(*lines));
        json_t *list = lines ? json_array() : NULL;
        size_t count = 0;
        for (size_t i = 0; lines && i < c->tally_count; i++) {
                const struct task_def *def = c->tallies[i].def;
                const bool listed = builtins || strncmp(def->name, "celery.", 7) != 0;
                json_t *line = listed ? registered_line(c, def, asked) : NULL;
                if (line)
                        lines[count++] = line;
        }
        if (count > 1)
                qsort(lines, count, sizeof(*lines), by_text);
        for (size_t i = 0; i < count; i++)
                json_array_append_new(list, lines[i]);
        free(lines);
        return list;
}
