/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/kafka/record.h"

#include "core/json.h"
#include "core/log.h"
#include "core/text/utf8.h"
#include "core/trace.h"

#include <stdlib.h>
#include <string.h>

/* ---- in ---- */

/* Bytes as text that JSON can hold: what is no UTF-8 is repaired, NUL characters end in '?'. */
static json_t *record_text(const void *data, size_t size)
{
        char *copy = malloc(size + 1);
        if (!copy)
                return NULL;
        memcpy(copy, data ? data : "", data ? size : 0);
        copy[data ? size : 0] = '\0';
        for (size_t i = 0; data && i < size; i++)
                if (copy[i] == '\0')
                        copy[i] = '?';
        utf8_repair(copy, false);
        json_t *text = json_string(copy);
        free(copy);
        return text;
}

static json_t *record_header(const rd_kafka_headers_t *headers, const char *name)
{
        const void *value = NULL;
        size_t size = 0;
        if (headers && rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR && value)
                return record_text(value, size);
        return json_string("");
}

/* A header's text as bytes of the trace's; empty where it has none. */
static struct bytes record_bytes(const json_t *text)
{
        return text && *json_string_value(text) ? bytes_of_string(json_string_value(text)) : bytes_of(NULL, 0);
}

/* Headers of W3C's names are what whoever carried it here says; else it is what the outbox row had. */
static json_t *record_trace(const rd_kafka_headers_t *headers)
{
        JSON_OWNED json_t *parent = record_header(headers, "traceparent");
        JSON_OWNED json_t *state = record_header(headers, "tracestate");
        JSON_OWNED json_t *baggage = record_header(headers, "baggage");
        if (!parent || !*json_string_value(parent))
                return record_header(headers, "tracingspancontext");
        const struct trace_context trace = { json_string_value(parent), record_bytes(state), record_bytes(baggage) };
        struct arena arena = { 0 };
        const char *text = trace_write_properties(&arena, &trace);
        json_t *context = json_string(text ? text : "");
        arena_free(&arena);
        return context;
}

static json_t *record_row(const rd_kafka_message_t *m, const char *prefix)
{
        const char *topic = rd_kafka_topic_name(m->rkt);
        const size_t size = strlen(prefix);
        rd_kafka_headers_t *headers = NULL;
        rd_kafka_message_headers(m, &headers);
        return json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:s}", "position",
                         json_sprintf("%s/%d/%lld", topic, (int)m->partition, (long long)m->offset), "id",
                         record_header(headers, "id"), "aggregate_type",
                         strncmp(topic, prefix, size) == 0 ? topic + size : topic, "aggregate_id",
                         record_text(m->key, m->key_len), "type", record_header(headers, "eventType"), "payload",
                         record_text(m->payload, m->len), "created_at", "", "tracingspancontext", record_trace(headers),
                         "topic", topic);
}

json_t *record_rows(rd_kafka_message_t *const records[], size_t count, const char *prefix)
{
        json_t *rows = json_array();
        for (size_t i = 0; rows && i < count; i++)
                if (json_array_append_new(rows, record_row(records[i], prefix)) != 0) {
                        json_decref(rows);
                        rows = NULL;
                }
        return rows;
}

/* ---- out ---- */

/* Each letter as JSON text of its own: jansson's values are one thread's. */
struct record_out {
        size_t count;
        char *texts[];
};

struct record_out *record_of_letters(const json_t *letters)
{
        const size_t count = json_array_size(letters);
        struct record_out *out = count ? calloc(1, sizeof(*out) + count * sizeof(out->texts[0])) : NULL;
        for (size_t i = 0; out && i < count; i++)
                out->texts[out->count++] = json_dumps(json_array_get(letters, i), JSON_COMPACT);
        return out;
}

void record_free(struct record_out *letters)
{
        for (size_t i = 0; letters && i < letters->count; i++)
                free(letters->texts[i]);
        free(letters);
}

static rd_kafka_headers_t *record_headers(const json_t *from)
{
        rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)from, name, value) {
                if (json_is_string(value))
                        rd_kafka_header_add(headers, name, -1, json_string_value(value),
                                            (ssize_t)json_string_length(value));
        }
        return headers;
}

static void record_produce_one(rd_kafka_t *producer, const json_t *letter)
{
        const char *key = json_text(letter, "key", ""), *value = json_text(letter, "value", "");
        rd_kafka_headers_t *headers = record_headers(json_object_get(letter, "headers"));
        const rd_kafka_resp_err_t code = rd_kafka_producev(
                producer, RD_KAFKA_V_TOPIC(json_text(letter, "topic", "")), RD_KAFKA_V_KEY(key, strlen(key)),
                RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)), RD_KAFKA_V_HEADERS(headers),
                RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (code == 0)
                return;
        rd_kafka_headers_destroy(headers);
        log_warn("kafka", "a dead letter can't be produced to %s, and is in the store alone: %s",
                 json_text(letter, "topic", ""), rd_kafka_err2str(code));
}

void record_produce(rd_kafka_t *producer, const struct record_out *letters)
{
        for (size_t i = 0; letters && i < letters->count; i++) {
                json_t *letter = letters->texts[i] ? json_loads(letters->texts[i], 0, NULL) : NULL;
                if (letter)
                        record_produce_one(producer, letter);
                json_decref(letter);
        }
}
