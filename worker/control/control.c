/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox: who is meant, which command, and the answer's way back. */
#include "worker/control/control.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "worker/control.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS "celery.pidbox"
#define EVENTS   "celeryev"

/* By name; `needs` are the arguments that Celery's own have without a default, in their order. */
static const struct {
        const char *name, *alias;
        remote_command *run;
        const char *needs[2];
} table[] = {
        { "active", "dump_active", inspect_active, { NULL } },
        { "active_queues", NULL, inspect_active_queues, { NULL } },
        { "add_consumer", NULL, command_add_consumer, { "queue" } },
        { "autoscale", NULL, command_autoscale, { NULL } },
        { "cancel_consumer", NULL, command_cancel_consumer, { "queue" } },
        { "clock", NULL, inspect_clock, { NULL } },
        { "conf", "dump_conf", inspect_conf, { NULL } },
        { "disable_events", NULL, command_disable_events, { NULL } },
        { "election", NULL, command_election, { "id", "topic" } },
        { "enable_events", NULL, command_enable_events, { NULL } },
        { "heartbeat", NULL, command_heartbeat, { NULL } },
        { "hello", NULL, inspect_hello, { "from_node" } },
        { "log_level", NULL, command_log_level, { NULL } },
        { "memdump", NULL, inspect_memdump, { NULL } },
        { "memsample", NULL, inspect_memsample, { NULL } },
        { "objgraph", NULL, inspect_objgraph, { NULL } },
        { "ping", NULL, inspect_ping, { NULL } },
        { "pool_grow", NULL, command_pool_grow, { NULL } },
        { "pool_restart", NULL, command_pool_restart, { NULL } },
        { "pool_shrink", NULL, command_pool_shrink, { NULL } },
        { "query_task", NULL, inspect_query_task, { "ids" } },
        { "rate_limit", NULL, command_rate_limit, { "task_name", "rate_limit" } },
        { "registered", "dump_tasks", inspect_registered, { NULL } },
        { "report", NULL, inspect_report, { NULL } },
        { "reserved", "dump_reserved", inspect_reserved, { NULL } },
        { "revoke", NULL, command_revoke, { "task_id" } },
        { "revoke_by_stamped_headers", NULL, command_revoke_by_stamped_headers, { "headers" } },
        { "revoked", "dump_revoked", inspect_revoked, { NULL } },
        { "scheduled", "dump_schedule", inspect_scheduled, { NULL } },
        { "shutdown", NULL, command_shutdown, { NULL } },
        { "stats", NULL, inspect_stats, { NULL } },
        { "terminate", NULL, command_terminate, { "signal", "task_id" } },
        { "time_limit", NULL, command_time_limit, { NULL } },
};
enum { COMMAND_COUNT = sizeof(table) / sizeof(table[0]) };

uint64_t control_tick(struct control *c)
{
        return ++c->clock;
}

static json_t *control_answer_text(const char *key, const char *format, va_list ap)
{
        char *text = NULL;
        if (vasprintf(&text, format, ap) < 0)
                return NULL;
        json_t *answer = json_pack("{s:s}", key, text);
        free(text);
        return answer;
}

json_t *answer_ok(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        json_t *answer = control_answer_text("ok", format, ap);
        va_end(ap);
        return answer;
}

json_t *answer_error(const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        json_t *answer = control_answer_text("error", format, ap);
        va_end(ap);
        return answer;
}

bool control_is_active(const struct run *run)
{
        return run_began_ms(run) && run->message.id && run->message.name;
}

uint64_t control_begun(const struct control *c)
{
        return c->total;
}

size_t control_active(const struct control *c)
{
        size_t count = 0;
        for (const struct run *run = c->worker->runs.next; run != &c->worker->runs; run = run->next)
                count += control_is_active(run);
        return count;
}

struct run *control_run(const struct control *c, const char *id)
{
        const struct worker *w = c->worker;
        struct run *found = map_get(w->by_id, id);
        for (struct run *run = w->runs.next; !found && run != &w->runs; run = run->next)
                if (run->message.id && strcmp(run->message.id, id) == 0)
                        found = run;
        return found;
}

/* ---- answering ---- */

static void free_answer(struct reply_to *to)
{
        free(to->exchange);
        free(to->routing_key);
        free(to->ticket);
        *to = (struct reply_to){ 0 };
}

void control_publish(struct control *c, const char *exchange, const char *routing_key, struct buffer *headers,
                     const struct buffer *body)
{
        struct broker *broker = c->worker->broker;
        struct buffer properties = { 0 };
        const struct properties p = { .content_type = bytes_of_string("application/json"),
                                      .content_encoding = bytes_of_string("utf-8"),
                                      .headers = buffer_view(headers),
                                      .delivery_mode = 1,
                                      .priority = 0,
                                      .timestamp = -1 };
        properties_write(&p, &properties);
        struct message *m = NULL;
        if (!headers->failed && !properties.failed && !body->failed)
                m = message_new(exchange, routing_key, buffer_view(&properties), buffer_view(body));
        buffer_free(headers);
        buffer_free(&properties);
        if (m)
                broker->backend->publish_transient(broker, m);
}

void control_publish_event(struct control *c, const char *routing_key, const struct buffer *body)
{
        struct buffer headers = { 0 };
        header_add_text(&headers, "hostname", bytes_of_string(c->worker->config->name));
        control_publish(c, c->bus.events, routing_key, &headers, body);
}

void control_answer(struct control *c, struct reply_to *to, json_t *takes)
{
        const struct worker *w = c->worker;
        JSON_OWNED json_t *body = takes ? json_pack("{s:o}", w->config->name, takes) : NULL;
        if (w->phase != WORKER_CLOSED && to->exchange && body) {
                struct buffer headers = { 0 }, text = { 0 };
                header_add_text(&headers, "ticket", bytes_of_string(to->ticket ? to->ticket : ""));
                header_add_number(&headers, "clock", (int64_t)control_tick(c));
                json_write(body, &text);
                control_publish(c, to->exchange, to->routing_key, &headers, &text);
                buffer_free(&text);
        }
        free_answer(to);
}

/* "" names the default exchange, to which a key is a queue; what AMQP can't name, nobody waits at. */
static struct reply_to read_answer(const json_t *body)
{
        enum { LONGEST = 255 };
        const json_t *to = json_object_get(body, "reply_to");
        const char *exchange = json_text(to, "exchange", NULL), *key = json_text(to, "routing_key", NULL);
        struct reply_to answer = { 0 };
        if (!exchange || !key || strlen(exchange) > LONGEST || strlen(key) > LONGEST)
                return answer;
        answer.exchange = strdup(exchange);
        answer.routing_key = strdup(key);
        answer.ticket = strdup(json_text(body, "ticket", ""));
        if (!answer.exchange || !answer.routing_key || !answer.ticket)
                free_answer(&answer);
        return answer;
}

/* ---- who is meant ---- */

static bool control_listed(const json_t *destination, const char *name)
{
        for (size_t i = 0; i < json_array_size(destination); i++) {
                const char *one = json_string_value(json_array_get(destination, i));
                if (one && strcmp(one, name) == 0)
                        return true;
        }
        return false;
}

/* Does compiling it take little memory? The C library copies what is repeated by {n} or +, and copies of copies are as many as
 * memory holds; back references make matching as dear. */
static bool is_modest(const char *pattern)
{
        enum { LONGEST = 256, MOST_PLUS = 6 };
        unsigned plus = 0;
        for (const char *at = pattern; *at; at++) {
                plus += *at == '+';
                if (*at == '{' || (*at == '\\' && at[1] >= '0' && at[1] <= '9'))
                        return false;
        }
        return plus <= MOST_PLUS && strlen(pattern) <= LONGEST;
}

/* As a regular expression from the name's start. */
static bool matches_expression(const char *pattern, const char *name)
{
        regex_t expression;
        regmatch_t at;
        if (!is_modest(pattern) || regcomp(&expression, pattern, REG_EXTENDED) != 0) {
                log_warn("control", "the pattern \"%.100s\" is not understood: no answer", pattern);
                return false;
        }
        const bool found = regexec(&expression, name, 1, &at, 0) == 0 && at.rm_so == 0;
        regfree(&expression);
        return found;
}

static bool control_meant(const json_t *body, const char *name)
{
        const json_t *destination = json_object_get(body, "destination");
        const char *pattern = json_text(body, "pattern", NULL), *matcher = json_text(body, "matcher", NULL);
        if (json_array_size(destination) > 0)
                return control_listed(destination, name);
        if (!pattern || !*pattern || !matcher || !*matcher)
                return true;
        if (strcmp(matcher, "pcre") == 0)
                return matches_expression(pattern, name);
        return strcmp(matcher, "glob") == 0 && fnmatch(pattern, name, 0) == 0;
}

/* ---- which command ---- */

/* What Python says of a call that lacks arguments. */
static json_t *control_lacking(size_t i, const json_t *arguments)
{
        const char *missing[2];
        int count = 0;
        for (int n = 0; n < 2 && table[i].needs[n]; n++)
                if (!json_object_get(arguments, table[i].needs[n]))
                        missing[count++] = table[i].needs[n];
        if (count == 0)
                return NULL;
        return answer_error("TypeError(\"%s() missing %d required positional argument%s: '%s'%s%s%s\")", table[i].name,
                            count, count > 1 ? "s" : "", missing[0], count > 1 ? " and '" : "",
                            count > 1 ? missing[1] : "", count > 1 ? "'" : "");
}

static json_t *control_dispatch(struct control *c, const char *method, const json_t *arguments)
{
        for (size_t i = 0; i < COMMAND_COUNT; i++) {
                if (strcmp(method, table[i].name) != 0 && (!table[i].alias || strcmp(method, table[i].alias) != 0))
                        continue;
                json_t *refusal = control_lacking(i, arguments);
                return refusal ? refusal : table[i].run(c, arguments);
        }
        log_warn("control", "no such command: %.100s", method);
        return answer_error("KeyError('%.100s')", method);
}

static void control_obey(struct control *c, const json_t *body)
{
        const char *method = json_text(body, "method", NULL);
        JSON_OWNED json_t *none = json_object();
        const json_t *arguments = json_object_get(body, "arguments");
        if (!method || !c->worker->config->remote_control || !control_meant(body, c->worker->config->name))
                return;
        log_debug("control", "%s", method);
        struct reply_to to = read_answer(body);
        c->asking = &to;
        json_t *answer = control_dispatch(c, method, json_is_object(arguments) ? arguments : none);
        c->asking = NULL;
        control_answer(c, &to, answer);
}

static void see_clock(struct control *c, struct bytes headers)
{
        struct header h;
        int64_t clock;
        control_tick(c);
        if (header_find(headers, "clock", &h) && header_number(&h, &clock) && clock > 0 && (uint64_t)clock >= c->clock)
                c->clock = (uint64_t)clock + 1;
}

static void control_on_heard(struct delivery *takes, void *arg)
{
        struct control *c = (struct control *)arg;
        struct properties p;
        struct problem why = { 0 };
        JSON_OWNED json_t *body = NULL;
        int code = properties_read(takes->properties, &p, &why);
        if (code == 0) {
                see_clock(c, p.headers);
                code = json_parse(takes->body, "control", &body, &why);
        }
        if (code == 0 && json_is_object(body))
                control_obey(c, body);
        else
                log_warn("control", "a message in the mailbox is no command: %s", code ? why.text : "no JSON object");
        delivery_free(takes);
}

/* ---- opening and closing ---- */

static void on_joined(void *arg)
{
        struct control *c = (struct control *)arg;
        log_debug("control", "mailbox %s", c->mailbox);
        if (c->dispatcher)
                c->dispatcher->joined(c->dispatcher);
}

static int make_tallies(struct control *c)
{
        const struct task_set *set = catalog_tasks(c->worker->catalog);
        const size_t count = set->count;
        c->tallies = calloc(count + 1, sizeof(*c->tallies));
        if (!c->tallies)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++)
                c->tallies[i].def = set->tasks[i].def;
        c->tally_count = count;
        return 0;
}

bool control_events_asked(const struct control *c)
{
        return c->dispatcher->observer.kinds != 0;
}

void control_ask_events(struct control *c, bool on)
{
        observing_want(&c->worker->observing, &c->dispatcher->observer, on ? c->dispatcher->wants : 0);
}

static void open_dispatcher(struct control *c)
{
        struct dispatcher *d = c->dispatcher = c->worker->config->dispatcher;
        if (!d)
                return;
        d->begin(d, c, c->worker->loop);
        observing_add(&c->worker->observing, &d->observer);
        control_ask_events(c, d->at_once);
}

int control_open(struct control **out, struct worker *w)
{
        const struct worker_config *config = w->config;
        *out = NULL;
        if (!w->broker->backend->join || (!config->remote_control && !config->dispatcher))
                return 0;
        struct control *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->worker = w;
        c->began_ms = clock_mono_ms();
        snprintf(c->mailbox, sizeof(c->mailbox), "%.255s." COMMANDS, config->name);
        c->bus = (struct broker_bus){ .commands = COMMANDS,
                                      .queue = c->mailbox,
                                      .events = EVENTS,
                                      .arg = c,
                                      .joined = on_joined,
                                      .heard = control_on_heard };
        open_dispatcher(c);
        stats_open(c);
        *out = c;
        int code = revoked_open(&c->revoked);
        if (!code)
                code = make_tallies(c);
        return code ? code : w->broker->backend->join(w->broker, &c->bus);
}

void control_stop(struct control *c)
{
        if (!c || !c->dispatcher)
                return;
        control_ask_events(c, false);
        c->dispatcher->end(c->dispatcher);
}

void control_free(struct control *c)
{
        if (!c)
                return;
        while (c->older) {
                struct older_topology *next = c->older->next;
                topology_free(&c->older->topology);
                free(c->older);
                c->older = next;
        }
        limits_close(&c->limits);
        revoked_close(&c->revoked);
        stamped_close(&c->stamped);
        free(c->tallies);
        free(c);
}
