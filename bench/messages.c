/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/messages.h"

#include "bench/common.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/trace.h"

#include <amqp_framing.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TASKS = 8 };

static json_t *make_kwargs(const struct recipe *r, unsigned long number)
{
        struct buffer text = { 0 };
        for (const char *at = r->kwargs ? r->kwargs : "{}"; *at;) {
                const char *hole = strstr(at, "@N");
                buffer_add(&text, at, hole ? (size_t)(hole - at) : strlen(at));
                if (!hole)
                        break;
                buffer_addf(&text, "%lu", number);
                at = hole + 2;
        }
        json_t *kwargs = json_loadb((const char *)text.data, text.size, 0, NULL);
        buffer_free(&text);
        if (!json_is_object(kwargs))
                die("--kwargs is no JSON object");
        return kwargs;
}

static void put_eta(int64_t eta_ms, struct buffer *table)
{
        char text[CLOCK_TEXT_SIZE];
        clock_format(eta_ms, text);
        header_add_text(table, "eta", bytes_of_string(text));
}

static void put_traceparent(bool recorded, struct buffer *table)
{
        char text[TRACE_PARENT_SIZE + 1];
        snprintf(text, sizeof(text), "00-%016" PRIx64 "%016" PRIx64 "-%016" PRIx64 "-0%d", random_bits() | 1,
                 random_bits(), random_bits() | 1, recorded);
        header_add_text(table, "traceparent", bytes_of_string(text));
}

/* The headers of a message, with what `r` wants in them besides. */
static void put_headers(const struct recipe *r, struct bytes headers, unsigned long number, struct buffer *table)
{
        struct header h;
        for (size_t at = 0; header_next(headers, &at, &h);)
                if (!r->eta_ms || h.name.size != 3 || memcmp(h.name.data, "eta", 3) != 0)
                        header_add_raw(table, &h);
        if (r->eta_ms)
                put_eta(r->eta_ms + (int64_t)((double)number * r->eta_step_ms), table);
        if (r->traced)
                put_traceparent(number % r->traced == 0, table);
}

/* The same message, takes it, with what `r` wants of its properties and headers. */
static struct message *changed(const struct recipe *r, struct message *m, unsigned long number)
{
        struct properties p;
        struct problem why;
        struct buffer table = { 0 }, encoded = { 0 };
        if (properties_read(m->properties, &p, &why) != 0)
                die("%s", why.text);
        put_headers(r, p.headers, number, &table);
        p.headers = buffer_view(&table);
        if (r->reply_to)
                p.reply_to = bytes_of_string(r->reply_to);
        properties_write(&p, &encoded);
        struct message *made = message_new(m->exchange, m->routing_key, buffer_view(&encoded), m->body);
        message_free(m);
        buffer_free(&table);
        buffer_free(&encoded);
        return made;
}

static struct message *task_message(const struct recipe *r, unsigned long number, bool marked)
{
        char names[512], ids[MOST_TASKS][ID_TEXT_SIZE];
        struct signature chain[MOST_TASKS] = { 0 };
        size_t count = 0;
        snprintf(names, sizeof(names), "%s", r->tasks);
        for (char *save, *name = strtok_r(names, ",", &save); name && count < MOST_TASKS - 1;
             name = strtok_r(NULL, ",", &save))
                chain[count++] = (struct signature){ .name = name, .queue = name };
        if (marked)
                chain[count++] = (struct signature){ .name = r->mark, .queue = r->mark };
        for (size_t i = 0; i < count; i++) {
                id_new(ids[i]);
                chain[i].id = ids[i];
        }
        json_t *kwargs = make_kwargs(r, number);
        chain[0].kwargs = kwargs;
        if (r->queue)
                chain[0].queue = r->queue;
        const struct send_options options = { .origin = "bench", .exchange = r->to };
        struct message *m = chain_message(chain, count, &options);
        json_decref(kwargs);
        return m;
}

static struct message *plain_message(const struct recipe *r, unsigned long number)
{
        struct buffer encoded = { 0 }, body = { 0 };
        const struct properties p = { .delivery_mode = r->transient ? 1 : 2, .priority = -1, .timestamp = -1 };
        properties_write(&p, &encoded);
        buffer_addf(&body, "%" PRId64, r->first + (int64_t)((double)number * r->eta_step_ms));
        while (body.size < r->size)
                buffer_add_byte(&body, ' ');
        struct message *m = message_new(r->plain, r->queue, buffer_view(&encoded), buffer_view(&body));
        buffer_free(&encoded);
        buffer_free(&body);
        return m;
}

struct message *recipe_message(const struct recipe *r, unsigned long number, unsigned long count)
{
        struct message *m = r->plain ? plain_message(r, number)
                                     : task_message(r, number, r->mark && (number == 0 || number + 1 == count));
        if (m && (r->eta_ms || r->reply_to || r->traced))
                m = changed(r, m, number);
        if (!m)
                die("out of memory");
        return m;
}

static amqp_bytes_t view(struct bytes b)
{
        return (amqp_bytes_t){ .len = b.size, .bytes = (void *)(uintptr_t)b.data };
}

struct ready ready_of(const struct message *m, amqp_pool_t *pool)
{
        void *decoded;
        check_status(amqp_decode_properties(AMQP_BASIC_CLASS, pool, view(m->properties), &decoded), "properties");
        return (struct ready){
                .exchange = amqp_cstring_bytes(m->exchange),
                .routing_key = amqp_cstring_bytes(m->routing_key),
                .body = view(m->body),
                .properties = decoded,
        };
}
