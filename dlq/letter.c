/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/letter.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/text/digest.h"
#include "core/text/utf8.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST_TEXT = 8192, LONGEST_NAME = 512, LONGEST_QUEUE = 255, LONGEST_REDUCED = 200 };

struct letter_reading {
        struct arena *arena;
        struct dead_letter *out;
        struct bytes headers;
        bool failed; /* memory ran out */
};

/* A text of the arena that a database takes. */
static const char *letter_clean(struct letter_reading *r, struct bytes raw, size_t most)
{
        const size_t size = raw.size < most ? raw.size : most;
        char *text = arena_copy(r->arena, raw.data ? (const void *)raw.data : "", size);
        if (!text) {
                r->failed = true;
                return "";
        }
        for (size_t i = 0; i < size; i++)
                if (text[i] == '\0')
                        text[i] = '?';
        utf8_repair(text, size < raw.size);
        return text;
}

static const char *letter_header_as_text(struct letter_reading *r, const char *name, size_t most)
{
        struct header h;
        struct bytes raw;
        return header_find(r->headers, name, &h) && header_text(&h, &raw) ? letter_clean(r, raw, most) : NULL;
}

/* ---- why it died ---- */

static bool read_record(struct letter_reading *r)
{
        struct dead_letter *l = r->out;
        const char *source = letter_header_as_text(r, "errorSource", LONGEST_NAME), *at;
        struct header h;
        int64_t attempts = 0;
        if (!source)
                return false;
        l->error_source = source;
        l->error_code = letter_header_as_text(r, "errorCode", LONGEST_NAME);
        l->error_message = letter_header_as_text(r, "errorMessage", LONGEST_TEXT);
        l->trace_id = letter_header_as_text(r, "trace_id", LONGEST_NAME);
        l->verdict = letter_header_as_text(r, "errorVerdict", LONGEST_NAME);
        l->worker = letter_header_as_text(r, "deadWorker", LONGEST_NAME);
        at = letter_header_as_text(r, "timestamp", CLOCK_TEXT_SIZE);
        if (at)
                clock_parse(at, &l->died_ms);
        if (header_find(r->headers, "attempts", &h) && header_number(&h, &attempts) && attempts > 0)
                l->attempts = (unsigned)(attempts < INT32_MAX ? attempts : INT32_MAX);
        return true;
}

/* RabbitMQ's own word: x-death, the latest death first. Source: rabbitmq.com, "Dead Letter Exchanges". */
static json_t *broker_death(const struct letter_reading *r)
{
        struct header h;
        if (!header_find(r->headers, "x-death", &h))
                return NULL;
        json_t *headers = headers_to_json(r->headers);
        json_t *death = json_incref(json_array_get(json_object_get(headers, "x-death"), 0));
        json_decref(headers);
        return death;
}

static const char *reason_text(const char *reason)
{
        static const struct {
                const char *reason, *text;
        } known[] = {
                { "expired", "it waited longer than its time to live" },
                { "delivery_limit",
                  "it was delivered more often than the queue's delivery limit allows, and never acknowledged" },
                { "maxlen", "the queue was full" },
                { "rejected", "a consumer rejected it without putting it back" },
        };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (strcmp(reason, known[i].reason) == 0)
                        return known[i].text;
        return "the broker dead-lettered it";
}

/* Did the broker dead-letter it after the record was written, or without one? */
static bool read_broker(struct letter_reading *r, bool has_record)
{
        struct dead_letter *l = r->out;
        JSON_OWNED json_t *death = broker_death(r);
        int64_t at_ms = l->died_ms;
        const char *reason = json_text(death, "reason", NULL), *queue = json_text(death, "queue", NULL);
        if (!reason)
                return false;
        const bool timed = clock_parse(json_text(death, "time", ""), &at_ms) == 0;
        if (has_record && (!timed || at_ms <= l->died_ms))
                return true;
        l->died_ms = at_ms;
        l->error_source = "broker";
        l->error_code = letter_clean(r, bytes_of_string(reason), LONGEST_NAME);
        l->error_message = arena_printf(r->arena, "%s (queue %s, %lld times)", reason_text(reason),
                                        letter_clean(r, bytes_of_string(queue ? queue : "?"), LONGEST_QUEUE),
                                        (long long)json_number(death, "count", 1));
        l->worker = "";
        if (queue && *queue)
                l->queue = letter_clean(r, bytes_of_string(queue), LONGEST_NAME);
        r->failed = r->failed || !l->error_message;
        return true;
}

static void read_death(struct letter_reading *r)
{
        struct dead_letter *l = r->out;
        const bool has_record = read_record(r);
        if (read_broker(r, has_record) || has_record)
                return;
        l->error_source = "message";
        l->error_code = "no_record";
        l->error_message = "it lies among the dead letters without a word on why: neither an error record nor x-death";
}

/* ---- what it is ---- */

static const char *user_of(const struct task_message *m)
{
        const json_t *document = json_array_get(m->args, 0);
        const char *user = json_text(m->kwargs, "user_id", NULL);
        if (!user)
                user = json_text(json_object_get(document, "job"), "user_id", NULL);
        return user ? user : json_text(document, "user_id", NULL);
}

static void read_task(struct letter_reading *r, struct bytes properties, struct bytes body, size_t max_body)
{
        struct dead_letter *l = r->out;
        struct task_message m = { 0 };
        const int code = task_message_decode(r->arena, properties, body, max_body, &m, NULL);
        r->failed = r->failed || code < 0;
        if (m.name)
                l->name = letter_clean(r, bytes_of_string(m.name), LONGEST_NAME);
        if (m.id)
                l->task_id = letter_clean(r, bytes_of_string(m.id), LONGEST_NAME);
        l->root_id = m.root_id ? letter_clean(r, bytes_of_string(m.root_id), LONGEST_NAME) : l->task_id;
        if (code == 0) {
                const char *user = user_of(&m);
                const json_t *next = json_array_get(m.chain, json_array_size(m.chain) - 1);
                l->user_id = user ? letter_clean(r, bytes_of_string(user), LONGEST_NAME) : "";
                l->next_task = letter_clean(r, bytes_of_string(json_text(next, "task", "")), LONGEST_NAME);
                if (l->attempts == 0)
                        l->attempts = m.retries + 1;
                if (!l->trace_id && m.traceparent)
                        l->trace_id = letter_clean(r, bytes_of_string(m.traceparent), LONGEST_NAME);
        }
        task_message_clear(&m);
}

/* ---- who it is ---- */

static bool make_key(const struct bytes parts[], size_t count, unsigned char out[DEAD_KEY_SIZE])
{
        unsigned char digest[DIGEST_SIZE];
        const bool ok = digest_of(parts, count, digest);
        memcpy(out, digest, DEAD_KEY_SIZE);
        return ok;
}

static int by_name(const void *a, const void *b)
{
        const struct header *one = a, *other = b;
        const size_t size = one->name.size < other->name.size ? one->name.size : other->name.size;
        const int order = memcmp(one->name.data, other->name.data, size);
        return order ? order : (one->name.size > other->name.size) - (one->name.size < other->name.size);
}

/* The headers as they were published: when a quorum queue delivers again, it puts them in another order and adds x-delivery-count. */
static void letter_add_headers(struct buffer *out, struct bytes table)
{
        static const char added[] = "x-delivery-count";
        enum { MOST = 256 };
        struct header headers[MOST];
        size_t count = 0;
        for (size_t at = 0; count < MOST && header_next(table, &at, &headers[count]);)
                count += headers[count].name.size != strlen(added) ||
                         memcmp(headers[count].name.data, added, strlen(added)) != 0;
        qsort(headers, count, sizeof(headers[0]), by_name);
        for (size_t i = 0; i < count; i++)
                buffer_add(out, headers[i].name.data,
                           (size_t)(headers[i].value.data + headers[i].value.size - headers[i].name.data));
}

/* Without the flags and the table's size, which that header changes too. */
static void add_lasting(struct buffer *out, struct bytes properties, struct bytes headers)
{
        enum { FLAGS = 2, TABLE_SIZE = 4 };
        const unsigned char *at = properties.data, *end = at + properties.size;
        if (properties.size < FLAGS)
                return;
        at += FLAGS;
        if (headers.size > 0) {
                buffer_add(out, at, (size_t)(headers.data - TABLE_SIZE - at));
                letter_add_headers(out, headers);
                at = headers.data + headers.size;
        }
        buffer_add(out, at, (size_t)(end - at));
}

/* Two without an id are never the same task, however alike they look. */
static bool letter_identify(struct dead_letter *l, struct bytes headers)
{
        struct buffer lasting = { 0 };
        add_lasting(&lasting, l->properties, headers);
        const struct bytes letter[] = { bytes_of_string(l->queue), buffer_view(&lasting), l->body };
        const struct bytes task[] = { bytes_of_string(l->queue), bytes_of_string(l->name), bytes_of_string(l->task_id),
                                      l->body };
        const bool ok = !lasting.failed && make_key(letter, 3, l->key);
        buffer_free(&lasting);
        if (*l->task_id)
                return ok && make_key(task, 4, l->same);
        memcpy(l->same, l->key, DEAD_KEY_SIZE);
        return ok;
}

enum { TEXTS = 17 };

static const char **letter_text_at(struct dead_letter *l, size_t i)
{
        const char **const texts[TEXTS] = { &l->task_id,      &l->root_id,    &l->name,          &l->queue,
                                            &l->error_source, &l->error_code, &l->error_message, &l->group,
                                            &l->cause,        &l->trace_id,   &l->user_id,       &l->worker,
                                            &l->next_task,    &l->state,      &l->task_state,    &l->job_state,
                                            &l->verdict };
        return texts[i];
}

static void fill_gaps(struct dead_letter *l)
{
        for (size_t i = 0; i < TEXTS; i++)
                if (!*letter_text_at(l, i))
                        *letter_text_at(l, i) = "";
}

bool letter_reduce(struct arena *a, struct dead_letter *l)
{
        for (size_t i = 0; i < TEXTS; i++) {
                const char **const text = letter_text_at(l, i);
                char *plain = arena_copy(a, *text, strnlen(*text, LONGEST_REDUCED));
                if (!plain)
                        return false;
                for (char *at = plain; *at; at++)
                        if (*at < ' ' || *at > '~')
                                *at = '?';
                *text = plain;
        }
        l->died_ms = l->kept_ms;
        return true;
}

bool letter_read(struct arena *a, const char *dead_queue, struct bytes properties, struct bytes body, size_t max_body,
                 int64_t now_ms, struct dead_letter *out)
{
        static const char ending[] = ".dead";
        const size_t size = strlen(dead_queue);
        const bool named = size > strlen(ending) && strcmp(dead_queue + size - strlen(ending), ending) == 0;
        const unsigned long lost = json_memory_lost();
        struct properties p = { 0 };
        struct letter_reading r = { .arena = a, .out = out };
        *out = (struct dead_letter){
                .died_ms = now_ms, .kept_ms = now_ms, .state = "kept", .properties = properties, .body = body
        };
        out->body_size = (int64_t)body.size;
        out->queue = letter_clean(&r, bytes_of(dead_queue, named ? size - strlen(ending) : size), LONGEST_NAME);
        if (properties_read(properties, &p, NULL) == 0)
                r.headers = p.headers;
        read_death(&r);
        read_task(&r, properties, body, max_body);
        fill_gaps(out);
        out->cause = letter_cause(a, out->error_message);
        char *group = arena_alloc(a, LETTER_GROUP_SIZE);
        if (r.failed || json_memory_lost() != lost || !out->cause || !group || !letter_group(out, group))
                return false;
        out->group = group;
        return letter_identify(out, r.headers);
}
