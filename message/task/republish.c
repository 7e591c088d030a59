/* SPDX-License-Identifier: Apache-2.0 */
/* A message once more: to its queue again, or to the dead letters. What chard doesn't know stays as it came. */
#include "core/clock.h"
#include "core/text/utf8.h"
#include "message/wire/base64.h"
#include "message/wire/wire.h"

#include <errno.h>

enum { LONGEST_TEXT = 8192 };

/* ---- again ---- */

/* One attempt is not to wait for its time once more, but may still be asked which that was; the next one had none. */
static void add_eta(struct buffer *table, const struct header *h, bool same_attempt)
{
        struct bytes text = { NULL, 0 };
        header_add_null(table, "eta");
        if (same_attempt && header_text(h, &text) && text.size > 0)
                header_add_text(table, "chard_eta", text);
}

static void add_again(struct buffer *table, const struct header *h, unsigned retries, bool same_attempt,
                      bool *has_retries)
{
        if (bytes_equal(h->name, bytes_of_string("retries"))) {
                if (!*has_retries)
                        header_add_number(table, "retries", retries);
                *has_retries = true;
        } else if (bytes_equal(h->name, bytes_of_string("eta"))) {
                add_eta(table, h, same_attempt);
        } else if (header_owner_of(h->name) != HEADER_BROKER &&
                   (same_attempt || !bytes_equal(h->name, bytes_of_string("chard_eta")))) {
                header_add_raw(table, h);
        }
}

/* What the broker would act upon once more; see message.h. */
static void drop_spent(struct properties *p)
{
        p->expiration = (struct bytes){ NULL, 0 };
        p->user_id = (struct bytes){ NULL, 0 };
}

static struct message *message_from(const char *exchange, const char *routing_key, struct properties *p,
                                    struct buffer *table, struct bytes body)
{
        struct buffer properties = { 0 };
        struct message *m = NULL;
        p->headers = buffer_view(table);
        properties_write(p, &properties);
        if (!table->failed && !properties.failed)
                m = message_new(exchange, routing_key, buffer_view(&properties), body);
        buffer_free(&properties);
        buffer_free(table);
        return m;
}

static const char *const of_failures[] = { "chard_excused", "chard_failed_first", "chard_failed_last" };

static bool is_of_failures(struct bytes name)
{
        for (size_t i = 0; i < sizeof(of_failures) / sizeof(of_failures[0]); i++)
                if (bytes_equal(name, bytes_of_string(of_failures[i])))
                        return true;
        return false;
}

static void add_failures(struct buffer *table, const struct task_failures *failures)
{
        const int64_t values[] = { failures->excused, failures->first_ms, failures->last_ms };
        for (size_t i = 0; i < sizeof(of_failures) / sizeof(of_failures[0]); i++)
                header_add_number(table, of_failures[i], values[i]);
}

/* `failures`: what is new of them; NULL: nothing. */
static struct message *publish_again(const struct task_message *t, const char *exchange, const char *routing_key,
                                     unsigned retries, const struct task_failures *failures)
{
        struct properties p;
        struct buffer table = { 0 };
        struct header h;
        bool has_retries = false;
        properties_read(t->properties, &p, NULL); /* the decoder has read them before */
        for (size_t at = 0; header_next(p.headers, &at, &h);)
                if ((!failures || !is_of_failures(h.name)) &&
                    (t->eta_ms == 0 || !bytes_equal(h.name, bytes_of_string("chard_eta"))))
                        add_again(&table, &h, retries, retries == t->retries, &has_retries);
        if (!has_retries)
                header_add_number(&table, "retries", retries);
        if (failures)
                add_failures(&table, failures);
        drop_spent(&p);
        return message_from(exchange, routing_key, &p, &table, t->raw_body);
}

struct message *task_message_again(const struct task_message *t, const char *exchange, const char *routing_key,
                                   unsigned retries)
{
        return publish_again(t, exchange, routing_key, retries, NULL);
}

struct message *task_message_retry(const struct task_message *t, const char *exchange, const char *routing_key,
                                   const struct task_failures *failures)
{
        return publish_again(t, exchange, routing_key, t->retries + 1, failures);
}

/* ---- dead ---- */

/* Does the record replace a header of this name? */
static bool republish_replaced(struct bytes name, const struct dead_record *record)
{
        return header_owner_of(name) == HEADER_DEAD || bytes_equal(name, bytes_of_string("timestamp")) ||
               bytes_equal(name, bytes_of_string("attempts")) ||
               (record->trace_id && bytes_equal(name, bytes_of_string("trace_id")));
}

/* The headers as they came; false when they can't be read to the end. */
static bool add_originals(struct buffer *table, struct bytes headers, const struct dead_record *record)
{
        struct header h;
        size_t at = 0;
        while (header_next(headers, &at, &h))
                if (header_owner_of(h.name) != HEADER_BROKER && !republish_replaced(h.name, record))
                        header_add_raw(table, &h);
        return at == headers.size;
}

static void start_afresh(struct properties *p, struct buffer *table, struct bytes original)
{
        struct buffer encoded = { 0 };
        *p = (struct properties){ .delivery_mode = 2, .priority = -1, .timestamp = -1 };
        if (original.size > MESSAGE_MAX_PROPERTIES)
                original.size = MESSAGE_MAX_PROPERTIES;
        base64_encode(original, &encoded);
        buffer_reset(table);
        header_add_text(table, "originalProperties", buffer_view(&encoded));
        table->failed = table->failed || encoded.failed;
        buffer_free(&encoded);
}

static void add_record_text(struct buffer *table, const char *name, const char *text)
{
        const struct bytes whole = bytes_of_string(text ? text : "");
        header_add_text(table, name, bytes_of(whole.data, utf8_cut(whole, LONGEST_TEXT)));
}

static void add_record(struct buffer *table, const struct dead_record *record)
{
        char at[CLOCK_TEXT_SIZE];
        clock_format(record->at_ms, at);
        add_record_text(table, "errorSource", record->source);
        add_record_text(table, "errorCode", record->code);
        add_record_text(table, "errorMessage", record->text);
        add_record_text(table, "timestamp", at);
        header_add_number(table, "attempts", record->attempts);
        if (record->trace_id)
                add_record_text(table, "trace_id", record->trace_id);
        if (record->verdict)
                add_record_text(table, "errorVerdict", record->verdict);
        if (record->worker)
                add_record_text(table, "deadWorker", record->worker);
        if (record->id)
                add_record_text(table, "deadId", record->id);
}

struct message *message_dead(const char *queue, struct bytes properties, struct bytes body,
                             const struct dead_record *record)
{
        struct properties p;
        struct buffer table = { 0 };
        if (properties.size > MESSAGE_MAX_PROPERTIES || properties_read(properties, &p, NULL) != 0 ||
            !add_originals(&table, p.headers, record))
                start_afresh(&p, &table, properties);
        add_record(&table, record);
        drop_spent(&p);
        return message_from("chard.dead", queue, &p, &table, body);
}

/* ---- from the dead ---- */

static bool has_header(struct bytes table, const char *name)
{
        struct header h;
        return header_find(table, name, &h);
}

/* Names that the error record shares with clients: the record's own only where there is one. */
static bool is_of_record(struct bytes name, struct bytes table)
{
        if (!has_header(table, "errorSource"))
                return false;
        return bytes_equal(name, bytes_of_string("timestamp")) || bytes_equal(name, bytes_of_string("attempts")) ||
               (bytes_equal(name, bytes_of_string("trace_id")) && has_header(table, "traceparent"));
}

static void add_revived(struct buffer *table, const struct header *h, struct bytes all, bool *has_retries)
{
        if (bytes_equal(h->name, bytes_of_string("expires")))
                header_add_null(table, "expires");
        else if (header_owner_of(h->name) != HEADER_DEAD && !is_of_record(h->name, all) && !is_of_failures(h->name))
                add_again(table, h, 0, false, has_retries);
}

/* Which of its deaths this letter tells of. */
static struct bytes death_of(struct bytes table)
{
        static const char *const names[] = { "deadId", "timestamp" };
        struct header h;
        struct bytes text;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (header_find(table, names[i], &h) && header_text(&h, &text) && text.size > 0 &&
                    text.size <= MESSAGE_MAX_NAME)
                        return text;
        return bytes_of_string("unknown");
}

int message_revive(const char *queue, struct bytes properties, struct bytes body, struct message **out,
                   struct problem *why)
{
        struct properties p;
        struct buffer table = { 0 };
        struct header h;
        size_t at = 0;
        bool has_retries = false;
        if (properties_read(properties, &p, why) != 0)
                return 1;
        while (header_next(p.headers, &at, &h))
                add_revived(&table, &h, p.headers, &has_retries);
        if (at != p.headers.size || has_header(p.headers, "originalProperties")) {
                buffer_free(&table);
                return problem_set(why, "message", "bad_properties",
                                   "its properties could not be read when it died: it can't be sent again as it was");
        }
        if (!has_retries)
                header_add_number(&table, "retries", 0);
        header_add_text(&table, "deadBefore", death_of(p.headers));
        drop_spent(&p);
        *out = message_from("", queue, &p, &table, body);
        return *out ? 0 : -ENOMEM;
}
