/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/otlp/encode.h"

#include "core/text/hex.h"
#include "core/text/utf8.h"

#include <stdlib.h>

/* How a field's value is written. */
enum wire_type { PROTO_VARINT, PROTO_FIXED64, PROTO_BYTES };

/* Numbers of fields; those of requests, resources and scopes are the same for lines of a log. */
enum { REQUEST_RESOURCE_SPANS = 1 };
enum { RESOURCE_SPANS_RESOURCE = 1, RESOURCE_SPANS_SCOPE_SPANS = 2 };
enum { RESOURCE_ATTRIBUTES = 1 };
enum { SCOPE_SPANS_SCOPE = 1, SCOPE_SPANS_SPANS = 2 };
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2 };
enum {
        SPAN_TRACE_ID = 1,
        SPAN_SPAN_ID = 2,
        SPAN_PARENT_ID = 4,
        SPAN_NAME = 5,
        SPAN_KIND = 6,
        SPAN_BEGIN = 7,
        SPAN_END = 8,
        SPAN_ATTRIBUTES = 9,
        SPAN_EVENTS = 11,
        SPAN_STATUS = 15
};
enum {
        RECORD_TIME = 1,
        RECORD_SEVERITY = 2,
        RECORD_SEVERITY_TEXT = 3,
        RECORD_BODY = 5,
        RECORD_ATTRIBUTES = 6,
        RECORD_TRACE_ID = 9,
        RECORD_SPAN_ID = 10,
        RECORD_OBSERVED = 11
};
enum { EVENT_TIME = 1, EVENT_NAME = 2, EVENT_ATTRIBUTES = 3 };
enum { STATUS_CODE = 3, STATUS_ERROR = 2 };
enum { PAIR_KEY = 1, PAIR_VALUE = 2 };
enum { VALUE_TEXT = 1, VALUE_NUMBER = 3, VALUE_REAL = 4 };

enum { MOST_VARINT = 10, MOST_TEXT = 255, MOST_BODY = 2047 };

/* ---- numbers and texts ---- */

static size_t proto_varint(unsigned char out[MOST_VARINT], uint64_t value)
{
        size_t size = 0;
        for (; value > 0x7f; value >>= 7)
                out[size++] = (unsigned char)(value | 0x80);
        out[size++] = (unsigned char)value;
        return size;
}

static void proto_add_varint(struct buffer *b, uint64_t value)
{
        unsigned char bytes[MOST_VARINT];
        buffer_add(b, bytes, proto_varint(bytes, value));
}

static void proto_tag(struct buffer *b, unsigned field, enum wire_type type)
{
        proto_add_varint(b, field << 3 | type);
}

static void proto_number(struct buffer *b, unsigned field, uint64_t value)
{
        proto_tag(b, field, PROTO_VARINT);
        proto_add_varint(b, value);
}

static void proto_fixed64(struct buffer *b, unsigned field, uint64_t value)
{
        unsigned char bytes[8];
        for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)(value >> 8 * i);
        proto_tag(b, field, PROTO_FIXED64);
        buffer_add(b, bytes, sizeof(bytes));
}

static void proto_bytes(struct buffer *b, unsigned field, const void *data, size_t size)
{
        proto_tag(b, field, PROTO_BYTES);
        proto_add_varint(b, size);
        buffer_add(b, data, size);
}

static bool proto_is_ascii(const char *text, size_t size)
{
        unsigned char all = 0;
        for (size_t i = 0; i < size; i++)
                all |= (unsigned char)text[i];
        return all < 0x80;
}

/* Cut, and made UTF-8: one text that is none would cost the whole request. `most` is MOST_BODY at most. */
static void proto_text_of(struct buffer *b, unsigned field, const char *text, size_t most)
{
        char copy[MOST_BODY + 1];
        const size_t size = strnlen(text, most);
        if (proto_is_ascii(text, size)) {
                proto_bytes(b, field, text, size);
                return;
        }
        memcpy(copy, text, size);
        copy[size] = '\0';
        utf8_repair(copy, size == most);
        proto_bytes(b, field, copy, strlen(copy));
}

static void proto_text(struct buffer *b, unsigned field, const char *text)
{
        proto_text_of(b, field, text, MOST_TEXT);
}

/* ---- messages inside others ---- */

/* Returns where it begins. */
static size_t proto_begin(struct buffer *b, unsigned field)
{
        proto_tag(b, field, PROTO_BYTES);
        buffer_add_byte(b, 0); /* its size, as far as it is one byte */
        return b->size;
}

static void proto_end(struct buffer *b, size_t begin)
{
        unsigned char bytes[MOST_VARINT];
        if (b->failed)
                return;
        const size_t inside = b->size - begin, size = proto_varint(bytes, inside);
        if (size > 1 && !buffer_reserve(b, size - 1))
                return;
        memmove(b->data + begin - 1 + size, b->data + begin, inside);
        memcpy(b->data + begin - 1, bytes, size);
        b->size += size - 1;
}

/* ---- attributes ---- */

static void otlp_add_value(struct buffer *b, const struct otlp_attribute *a)
{
        uint64_t bits;
        const size_t value = proto_begin(b, PAIR_VALUE);
        memcpy(&bits, &a->real, sizeof(bits));
        if (a->text)
                proto_text(b, VALUE_TEXT, a->text);
        else if (bits)
                proto_fixed64(b, VALUE_REAL, bits);
        else
                proto_number(b, VALUE_NUMBER, (uint64_t)a->number);
        proto_end(b, value);
}

static void otlp_add_pair(struct buffer *b, unsigned field, const char *name, const struct otlp_attribute *a)
{
        const size_t pair = proto_begin(b, field);
        proto_text(b, PAIR_KEY, name);
        otlp_add_value(b, a);
        proto_end(b, pair);
}

static void otlp_add_attributes(struct buffer *b, unsigned field, const struct otlp_attribute *list, size_t count)
{
        for (size_t i = 0; i < count; i++)
                otlp_add_pair(b, field, otlp_names[list[i].name], &list[i]);
}

void otlp_add_resource(struct buffer *resource, const struct otlp_attribute *a)
{
        otlp_add_pair(resource, RESOURCE_ATTRIBUTES, otlp_names[a->name], a);
}

void otlp_add_named(struct buffer *resource, const char *name, const char *text)
{
        otlp_add_pair(resource, RESOURCE_ATTRIBUTES, name, &(struct otlp_attribute){ .text = text });
}

/* ---- a span ---- */

static void otlp_add_id(struct buffer *b, unsigned field, const char *digits)
{
        unsigned char bytes[16];
        const size_t size = strlen(digits) / 2;
        for (size_t i = 0; i < size && i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)((unsigned)hex_value(digits[2 * i]) << 4 |
                                           (unsigned)hex_value(digits[2 * i + 1]));
        if (size)
                proto_bytes(b, field, bytes, size);
}

static void otlp_add_number_id(struct buffer *b, unsigned field, uint64_t id)
{
        unsigned char bytes[8];
        for (unsigned i = 0; i < sizeof(bytes); i++)
                bytes[i] = (unsigned char)(id >> (56 - 8 * i));
        proto_bytes(b, field, bytes, sizeof(bytes));
}

static void otlp_add_event(struct buffer *b, const struct otlp_event *e)
{
        const size_t event = proto_begin(b, SPAN_EVENTS);
        proto_fixed64(b, EVENT_TIME, (uint64_t)e->at_us * 1000);
        proto_text(b, EVENT_NAME, e->name);
        otlp_add_attributes(b, EVENT_ATTRIBUTES, e->attributes, e->attribute_count);
        proto_end(b, event);
}

void otlp_add_span(struct buffer *list, const struct otlp_span *span)
{
        const size_t begin = proto_begin(list, SCOPE_SPANS_SPANS);
        otlp_add_id(list, SPAN_TRACE_ID, span->trace);
        otlp_add_number_id(list, SPAN_SPAN_ID, span->id);
        otlp_add_id(list, SPAN_PARENT_ID, span->parent);
        proto_text(list, SPAN_NAME, span->name);
        proto_number(list, SPAN_KIND, span->kind);
        proto_fixed64(list, SPAN_BEGIN, (uint64_t)span->begin_us * 1000);
        proto_fixed64(list, SPAN_END, (uint64_t)span->end_us * 1000);
        otlp_add_attributes(list, SPAN_ATTRIBUTES, span->attributes, span->attribute_count);
        for (size_t i = 0; i < span->event_count; i++)
                otlp_add_event(list, &span->events[i]);
        if (span->failed) {
                const size_t status = proto_begin(list, SPAN_STATUS);
                proto_number(list, STATUS_CODE, STATUS_ERROR);
                proto_end(list, status);
        }
        proto_end(list, begin);
}

/* ---- a line of a log ---- */

static void otlp_add_free_pair(struct buffer *b, unsigned field, const struct otlp_pair *pair)
{
        const struct otlp_attribute value = { .text = pair->number ? NULL : pair->text,
                                              .number = pair->number ? strtoll(pair->text, NULL, 10) : 0 };
        otlp_add_pair(b, field, pair->name, &value);
}

void otlp_add_record(struct buffer *list, const struct otlp_record *record)
{
        const size_t begin = proto_begin(list, SCOPE_SPANS_SPANS);
        proto_fixed64(list, RECORD_TIME, (uint64_t)record->at_us * 1000);
        proto_number(list, RECORD_SEVERITY, record->severity);
        proto_text(list, RECORD_SEVERITY_TEXT, record->severity_text);
        const size_t body = proto_begin(list, RECORD_BODY);
        proto_text_of(list, VALUE_TEXT, record->body, MOST_BODY);
        proto_end(list, body);
        for (size_t i = 0; i < record->pair_count; i++)
                otlp_add_free_pair(list, RECORD_ATTRIBUTES, &record->pairs[i]);
        otlp_add_id(list, RECORD_TRACE_ID, record->trace);
        otlp_add_id(list, RECORD_SPAN_ID, record->span);
        proto_fixed64(list, RECORD_OBSERVED, (uint64_t)record->at_us * 1000);
        proto_end(list, begin);
}

/* ---- the request ---- */

void otlp_write_request(struct buffer *out, struct bytes resource, struct bytes list)
{
        const size_t all = proto_begin(out, REQUEST_RESOURCE_SPANS);
        proto_bytes(out, RESOURCE_SPANS_RESOURCE, resource.data, resource.size);
        const size_t spans = proto_begin(out, RESOURCE_SPANS_SCOPE_SPANS);
        const size_t scope = proto_begin(out, SCOPE_SPANS_SCOPE);
        proto_text(out, SCOPE_NAME, "chard");
        proto_text(out, SCOPE_VERSION, CHARD_VERSION);
        proto_end(out, scope);
        buffer_add(out, list.data, list.size);
        proto_end(out, spans);
        proto_end(out, all);
}
