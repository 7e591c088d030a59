/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/limits.h"

#include "core/json.h"

#include <inttypes.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that RabbitMQ 3 takes as well, where -1 is none since 4.0. */
#define PLENTY 1000000

enum { FOUR_HAS_DELIVERIES = 20, NONE = -1 };

enum queue_role queue_role_of(const struct topology_row *row)
{
        return row->never_drop ? QUEUE_OF_DEAD_LETTERS : row->ttl_ms ? QUEUE_OF_DELAY : QUEUE_OF_TASKS;
}

/* ---- reading ---- */

/* Where a setting may stand: x-NAME among the arguments, NAME in the policies. */
struct limit_source {
        const json_t *arguments, *operator_policy, *policy;
};

static const json_t *argument_of(const struct limit_source *from, const char *name)
{
        char key[64];
        snprintf(key, sizeof(key), "x-%s", name);
        return json_object_get(from->arguments, key);
}

/* The lower of two counts; of two of which one is negative, which is no limit, the higher. */
static int64_t limit_of_two(int64_t a, int64_t b)
{
        const bool first = a < 0 || b < 0 ? a > b : a < b;
        return first ? a : b;
}

static int64_t number_of(const struct limit_source *from, const char *name)
{
        const json_t *places[] = { argument_of(from, name), json_object_get(from->operator_policy, name),
                                   json_object_get(from->policy, name) };
        int64_t number = NONE;
        bool found = false;
        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
                if (!json_is_integer(places[i]))
                        continue;
                const int64_t here = json_integer_value(places[i]);
                number = found ? limit_of_two(number, here) : here;
                found = true;
        }
        return number;
}

/* The argument counts, else the operator's. */
static const char *broker_limits_text_of(const struct limit_source *from, const char *name)
{
        const char *text = json_string_value(argument_of(from, name));
        if (!text)
                text = json_string_value(json_object_get(from->operator_policy, name));
        return text ? text : json_string_value(json_object_get(from->policy, name));
}

static bool is_set(const struct limit_source *from, const char *name)
{
        return argument_of(from, name) || json_object_get(from->operator_policy, name) ||
               json_object_get(from->policy, name);
}

/* RabbitMQ's patterns are Perl's. What POSIX has otherwise is not guessed. */
static bool pattern_fits(const char *pattern, const char *name, bool *unread)
{
        regex_t expression;
        *unread = strstr(pattern, "(?") || strstr(pattern, "\\d") || strstr(pattern, "?+") ||
                  regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) != 0;
        if (*unread)
                return false;
        const bool fits = regexec(&expression, name, 0, NULL, 0) == 0;
        regfree(&expression);
        return fits;
}

static bool is_for_type(const char *applies_to, const char *type)
{
        const size_t size = strlen(type);
        return strcmp(applies_to, "all") == 0 || strcmp(applies_to, "queues") == 0 ||
               (strncmp(applies_to, type, size) == 0 && strcmp(applies_to + size, "_queues") == 0);
}

/* RabbitMQ applies a policy whole or not at all: none that sets what a queue of this type does not have. Seen on 3.10 and 4.0. */
static bool policy_fits_type(const json_t *policy, const char *type)
{
        static const struct {
                const char *type, *key;
        } lacking[] = {
                { "classic", "delivery-limit" },
                { "classic", "dead-letter-strategy" },
                { "classic", "max-age" },
                { "classic", "stream-max-segment-size-bytes" },
                { "classic", "initial-cluster-size" },
                { "quorum", "queue-mode" },
                { "quorum", "ha-mode" },
                { "quorum", "max-age" },
                { "quorum", "stream-max-segment-size-bytes" },
                { "quorum", "initial-cluster-size" },
        };
        const json_t *definition = json_object_get(policy, "definition");
        for (size_t i = 0; i < sizeof(lacking) / sizeof(*lacking); i++)
                if (strcmp(lacking[i].type, type) == 0 && json_object_get(definition, lacking[i].key))
                        return false;
        return true;
}

const json_t *policy_of_queue(const json_t *policies, const json_t *queue, const char **unread)
{
        const char *type = json_text(queue, "type", "classic");
        const json_t *one, *best = NULL;
        size_t at;
        json_array_foreach(policies, at, one) {
                bool odd = false;
                if (!is_for_type(json_text(one, "apply-to", "all"), type) || !policy_fits_type(one, type))
                        continue;
                const bool fits = pattern_fits(json_text(one, "pattern", ""), json_text(queue, "name", ""), &odd);
                if (odd && unread)
                        *unread = json_text(one, "name", "");
                if (fits && (!best || json_number(one, "priority", 0) > json_number(best, "priority", 0)))
                        best = one;
        }
        return best;
}

static int64_t deliveries_of(const struct limit_source *from, const char *type, unsigned broker_major)
{
        if (strcmp(type, "quorum") != 0)
                return NONE;
        if (!is_set(from, "delivery-limit"))
                return broker_major >= 4 ? FOUR_HAS_DELIVERIES : NONE;
        const int64_t limit = number_of(from, "delivery-limit");
        return limit < 0 ? NONE : limit;
}

void queue_limits_read(const json_t *queue, const json_t *policy, const json_t *operator_policy, unsigned broker_major,
                       struct queue_limits *out)
{
        const struct limit_source from = { json_object_get(queue, "arguments"),
                                           json_object_get(operator_policy, "definition"),
                                           json_object_get(policy, "definition") };
        const char *overflow = broker_limits_text_of(&from, "overflow");
        *out = (struct queue_limits){
                .durable = json_is_true(json_object_get(queue, "durable")),
                .auto_delete = json_is_true(json_object_get(queue, "auto_delete")),
                .deliveries = deliveries_of(&from, json_text(queue, "type", "classic"), broker_major),
                .ttl_ms = number_of(&from, "message-ttl"),
                .unused_ms = number_of(&from, "expires"),
                .length = number_of(&from, "max-length"),
                .bytes = number_of(&from, "max-length-bytes"),
                .rejects = overflow && strncmp(overflow, "reject-publish", strlen("reject-publish")) == 0,
                .dead_exchange = broker_limits_text_of(&from, "dead-letter-exchange"),
                .dead_key = broker_limits_text_of(&from, "dead-letter-routing-key"),
        };
}

/* A wildcard may fit: what it fits in full is the broker's to say. Without a key of its own a message comes with one of many, as delayed ones
 * have their digits in front. */
static bool key_fits(const char *bound, const char *key, bool words)
{
        if (words && strcmp(bound, "#") == 0)
                return true;
        return key && (strcmp(bound, key) == 0 || (words && strpbrk(bound, "*#")));
}

bool bindings_route(const json_t *bindings, const char *exchange_type, const char *key)
{
        const bool words = strcmp(exchange_type, "topic") == 0, direct = strcmp(exchange_type, "direct") == 0;
        size_t at;
        const json_t *one;
        json_array_foreach(bindings, at, one)
                if ((!words && !direct) || key_fits(json_text(one, "routing_key", ""), key, words))
                        return true;
        return false;
}

/* ---- judging ---- */

/* A sentence that is put together; what does not fit is left out. */
struct sentence {
        char text[480];
        size_t size;
        unsigned parts;
};

__attribute__((format(printf, 2, 3))) static void sentence_say(struct sentence *s, const char *format, ...)
{
        va_list ap;
        va_start(ap, format);
        const int size = vsnprintf(s->text + s->size, sizeof(s->text) - s->size, format, ap);
        va_end(ap);
        s->size += size > 0 ? (size_t)size : 0;
        if (s->size >= sizeof(s->text))
                s->size = sizeof(s->text) - 1;
}

/* One more thing in a list of them. */
static void sentence_next_part(struct sentence *s)
{
        sentence_say(s, "%s", s->parts++ ? ", and " : "");
}

static void sentence_say_time(struct sentence *s, int64_t ms)
{
        if (ms % 1000)
                sentence_say(s, "%" PRId64 " ms", ms);
        else
                sentence_say(s, "%" PRId64 " s", ms / 1000);
}

/* What the queue drops by itself. */
static void say_dropped(struct sentence *s, enum queue_role role, const struct queue_limits *l)
{
        if (l->deliveries != NONE && l->deliveries < PLENTY && role != QUEUE_OF_DELAY) {
                sentence_next_part(s);
                sentence_say(s, "what was delivered %" PRId64 " times (delivery-limit)", l->deliveries);
        }
        if (l->ttl_ms != NONE && role != QUEUE_OF_DELAY) {
                sentence_next_part(s);
                sentence_say(s, "what waits longer than ");
                sentence_say_time(s, l->ttl_ms);
                sentence_say(s, " (message-ttl)");
        }
        if (l->length != NONE && !l->rejects) {
                sentence_next_part(s);
                sentence_say(s, "the oldest of more than %" PRId64 " messages (max-length, overflow drop-head)",
                             l->length);
        }
        if (l->bytes != NONE && !l->rejects) {
                sentence_next_part(s);
                sentence_say(s, "the oldest of more than %" PRId64 " bytes (max-length-bytes, overflow drop-head)",
                             l->bytes);
        }
}

static void say_route(struct sentence *s, enum dead_route route, const struct queue_limits *l)
{
        if (route == DEAD_ROUTE_NONE)
                sentence_say(s, "has no dead-letter exchange");
        else if (route == DEAD_ROUTE_MISSING)
                sentence_say(s, "has the dead-letter exchange %.120s, which is not there", l->dead_exchange);
        else if (l->dead_key)
                sentence_say(s, "has the dead-letter exchange %.80s, where no queue takes the key %.80s",
                             l->dead_exchange, l->dead_key);
        else
                sentence_say(
                        s,
                        "has the dead-letter exchange %.80s without a dead-letter-routing-key, and no queue there takes every key",
                        l->dead_exchange);
        sentence_say(s, ": lost is ");
}

static void judge_drops(const char *queue, enum queue_role role, const struct queue_limits *l, enum dead_route route,
                        risk_tell *tell, void *arg)
{
        struct sentence s = { .size = 0 };
        if (route != DEAD_ROUTE_OPEN)
                say_route(&s, route, l);
        say_dropped(&s, role, l);
        if (route == DEAD_ROUTE_OPEN) {
                sentence_say(&s, " becomes a dead letter");
                if (s.parts)
                        tell(RISK_NOTE, queue, s.text, arg);
                return;
        }
        if (role == QUEUE_OF_TASKS) {
                sentence_next_part(&s);
                sentence_say(&s, "what its sender lets expire (expires) while nobody consumes");
        }
        if (s.parts)
                tell(RISK_LOSS, queue, s.text, arg);
}

void queue_limits_judge(const char *queue, enum queue_role role, const struct queue_limits *l, enum dead_route route,
                        risk_tell *tell, void *arg)
{
        struct sentence s = { .size = 0 };
        if (!l->durable)
                tell(RISK_LOSS, queue, "is not durable: a restart of the broker loses all that it holds", arg);
        if (l->auto_delete)
                tell(RISK_LOSS, queue, "is deleted, with all that it holds, when its last consumer goes (auto-delete)",
                     arg);
        if (l->unused_ms != NONE) {
                sentence_say(&s, "is deleted, with all that it holds, when nobody consumes for ");
                sentence_say_time(&s, l->unused_ms);
                sentence_say(&s, " (expires)");
                tell(RISK_LOSS, queue, s.text, arg);
        }
        judge_drops(queue, role, l, route, tell, arg);
}

/* ---- policies ---- */

char *queue_policy_name(const char *queue)
{
        char *name = NULL;
        return asprintf(&name, "chard-%s", queue) < 0 ? NULL : name;
}

char *queue_policy_pattern(const char *queue)
{
        char *pattern = malloc(2 * strlen(queue) + 3), *at = pattern;
        if (!pattern)
                return NULL;
        *at++ = '^';
        for (const char *c = queue; *c; c++) {
                if (strchr(".+*?()[]{}^$|\\", *c))
                        *at++ = '\\';
                *at++ = *c;
        }
        *at++ = '$';
        *at = '\0';
        return pattern;
}

json_t *queue_policy_definition(const char *queue, const char *type)
{
        if (strcmp(type, "quorum") != 0)
                return json_pack("{s:s, s:s}", "dead-letter-exchange", "chard.dead", "dead-letter-routing-key", queue);
        return json_pack("{s:i, s:s, s:s}", "delivery-limit", PLENTY, "dead-letter-exchange", "chard.dead",
                         "dead-letter-routing-key", queue);
}
