/* SPDX-License-Identifier: Apache-2.0 */
#include "message/task/task_headers.h"

#include "core/clock.h"
#include "core/text/utf8.h"
#include "message/wire/wire.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* One pass reads them all; each reader fills the field at its offset and returns 0, 1 for a wrong value, or -ENOMEM. */
struct header_reading {
        struct arena *arena;
        struct task_message *task;
        struct body_form *form;
};
typedef int read_header(struct header_reading *r, const struct header *h, void *field);

static read_header read_text, read_count, read_ms, read_index, read_time, read_limits, read_bool, read_trace, read_form;

#define NAME(text)                                              \
        {                                                       \
                (const unsigned char *)(text), sizeof(text) - 1 \
        }

static const struct known {
        struct bytes name;
        read_header *read;
        size_t field;
        const char *wanted;
} known[] = {
        { NAME("task"), read_text, offsetof(struct task_message, name), "text" },
        { NAME("id"), read_text, offsetof(struct task_message, id), "text" },
        { NAME("root_id"), read_text, offsetof(struct task_message, root_id), "text or null" },
        { NAME("parent_id"), read_text, offsetof(struct task_message, parent_id), "text or null" },
        { NAME("group"), read_text, offsetof(struct task_message, group_id), "text or null" },
        { NAME("origin"), read_text, offsetof(struct task_message, origin), "text or null" },
        { NAME("traceparent"), read_text, offsetof(struct task_message, traceparent), "text or null" },
        { NAME("tracestate"), read_trace, offsetof(struct task_message, tracestate), "text" },
        { NAME("baggage"), read_trace, offsetof(struct task_message, baggage), "text" },
        { NAME("deadBefore"), read_text, offsetof(struct task_message, revived), "text or null" },
        { NAME("group_index"), read_index, offsetof(struct task_message, group_index), "a number or null" },
        { NAME("retries"), read_count, offsetof(struct task_message, retries), "a number from 0 to 2147483647" },
        { NAME("replaced_task_nesting"), read_count, offsetof(struct task_message, nesting),
          "a number from 0 to 2147483647" },
        { NAME("chard_excused"), read_count, offsetof(struct task_message, failures.excused),
          "a number from 0 to 2147483647" },
        { NAME("chard_failed_first"), read_ms, offsetof(struct task_message, failures.first_ms),
          "a number that is not negative" },
        { NAME("chard_failed_last"), read_ms, offsetof(struct task_message, failures.last_ms),
          "a number that is not negative" },
        { NAME("eta"), read_time, offsetof(struct task_message, eta_ms), "an ISO 8601 time or null" },
        { NAME("expires"), read_time, offsetof(struct task_message, expires_ms), "an ISO 8601 time or null" },
        { NAME("timelimit"), read_limits, 0, "[hard, soft] in seconds, each a positive number or null" },
        { NAME("ignore_result"), read_bool, offsetof(struct task_message, ignore_result), "true, false or null" },
        { NAME("chard_aside"), read_bool, offsetof(struct task_message, aside), "true, false or null" },
        { NAME("chard_heir"), read_bool, offsetof(struct task_message, heir), "true, false or null" },
        { NAME("compression"), read_form, offsetof(struct body_form, compression), "text or null" },
        { NAME("body_encoding"), read_form, offsetof(struct body_form, body_encoding), "text or null" },
};

static const struct known *find_known(struct bytes name)
{
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (bytes_equal(name, known[i].name))
                        return &known[i];
        return NULL;
}

int task_headers_read(struct arena *a, struct bytes table, struct task_message *out, struct body_form *form,
                      struct problem *why)
{
        struct header_reading r = { a, out, form };
        struct header h;
        size_t at = 0;
        int result = 0;
        while (header_next(table, &at, &h)) {
                const struct known *k = find_known(h.name);
                if (!k)
                        continue;
                void *base = k->read == read_form ? (void *)form : (void *)out;
                int rc = k->read(&r, &h, (char *)base + k->field);
                if (rc < 0)
                        return rc;
                if (rc > 0 && result == 0)
                        result = problem_set(why, "message", "bad_header", "the header \"%.*s\" must be %s",
                                             (int)h.name.size, (const char *)h.name.data, k->wanted);
        }
        if (at != table.size)
                return problem_set(why, "message", "bad_properties", "the header table is damaged at byte %zu of %zu",
                                   at, table.size);
        return result;
}

/* The text's NUL must be its end, and every character before it whole. */
static bool is_clean(const char *text, size_t size)
{
        return strlen(text) == size && utf8_is(text);
}

int task_text_copy(struct arena *a, struct bytes text, const char **out)
{
        *out = NULL;
        if (text.size > MESSAGE_MAX_NAME)
                return 1;
        const char *copy = arena_copy(a, text.data ? (const void *)text.data : "", text.size);
        if (!copy)
                return -ENOMEM;
        if (!is_clean(copy, text.size))
                return 1;
        *out = copy;
        return 0;
}

static int read_text(struct header_reading *r, const struct header *h, void *field)
{
        const char **out = (const char **)field;
        struct bytes text;
        *out = NULL;
        if (h->kind == 'V')
                return 0;
        return header_text(h, &text) ? task_text_copy(r->arena, text, out) : 1;
}

static int read_count(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        unsigned *out = (unsigned *)field;
        int64_t number = 0;
        if (h->kind != 'V' && (!header_number(h, &number) || number < 0 || number > INT_MAX))
                return 1;
        *out = (unsigned)number;
        return 0;
}

static int read_ms(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        int64_t number = 0;
        if (h->kind != 'V' && (!header_number(h, &number) || number < 0))
                return 1;
        *(int64_t *)field = number;
        return 0;
}

static int read_index(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        json_int_t *out = (json_int_t *)field;
        int64_t number = -1;
        if (h->kind != 'V' && (!header_number(h, &number) || number < 0))
                return 1;
        *out = number;
        return 0;
}

static int read_bool(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        if (h->kind != 't' && h->kind != 'V')
                return 1;
        *(bool *)field = h->kind == 't' && h->value.data[0] != 0;
        return 0;
}

/* Whatever is wrong with it is no reason not to run the task. */
static int read_trace(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        struct bytes *out = (struct bytes *)field;
        *out = (struct bytes){ NULL, 0 };
        (void)header_text(h, out);
        return 0;
}

static int read_form(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        struct bytes *out = (struct bytes *)field;
        *out = (struct bytes){ NULL, 0 };
        return h->kind == 'V' || header_text(h, out) ? 0 : 1;
}

static int read_time(struct header_reading *r, const struct header *h, void *field)
{
        (void)r;
        int64_t *out = (int64_t *)field;
        char text[CLOCK_TEXT_SIZE];
        struct bytes raw;
        *out = 0;
        if (h->kind == 'V')
                return 0;
        if (!header_text(h, &raw) || raw.size >= sizeof(text) || memchr(raw.data, '\0', raw.size))
                return 1;
        memcpy(text, raw.data, raw.size);
        text[raw.size] = '\0';
        if (clock_parse(text, out) != 0)
                return 1;
        if (*out == 0)
                *out = 1; /* 0 means that there is none */
        return 0;
}

/* Seconds to whole milliseconds; more than 49 days are as good as for ever. */
static bool limit_ms(const struct header *h, unsigned *out)
{
        int64_t number;
        double seconds;
        *out = 0;
        if (h->kind == 'V')
                return true;
        if (header_number(h, &number))
                seconds = (double)number;
        else if (!wire_real(h, &seconds))
                return false;
        if (!isfinite(seconds) || seconds < 0)
                return false;
        *out = seconds >= UINT_MAX / 1000 ? UINT_MAX : (unsigned)(seconds * 1000);
        return true;
}

static int read_limits(struct header_reading *r, const struct header *h, void *field)
{
        (void)field;
        struct header item;
        unsigned *const limits[2] = { &r->task->hard_limit_ms, &r->task->soft_limit_ms };
        unsigned count = 0;
        if (h->kind == 'V')
                return 0;
        if (h->kind != 'A')
                return 1;
        const struct bytes inside = wire_inside(h);
        for (size_t at = 0; wire_next_item(inside, &at, &item); count++)
                if (count >= 2 || !limit_ms(&item, limits[count]))
                        return 1;
        return count == 2 ? 0 : 1;
}
