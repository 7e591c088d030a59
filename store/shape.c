/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shape.h"

#include "core/json.h"
#include "core/text/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_US 1000000

const struct shape shape_owed[] = { { "id", SHAPE_NUMBER },
                                    { "task_id", SHAPE_TEXT },
                                    { "queue", SHAPE_TEXT },
                                    { "properties", SHAPE_HEX },
                                    { "body", SHAPE_HEX },
                                    { "telling", SHAPE_HEX },
                                    { NULL, 0 } };

const struct shape shape_scheduled[] = { { "id", SHAPE_NUMBER },        { "task_id", SHAPE_TEXT },
                                         { "reason", SHAPE_TEXT },      { "exchange", SHAPE_TEXT },
                                         { "routing_key", SHAPE_TEXT }, { "due_ms", SHAPE_MS },
                                         { "created_ms", SHAPE_MS },    { "returns", SHAPE_NUMBER },
                                         { "size", SHAPE_NUMBER },      { NULL, 0 } };

const struct shape shape_upcoming[] = { { "due_ms", SHAPE_MS },        { "exchange", SHAPE_TEXT },
                                        { "routing_key", SHAPE_TEXT }, { "properties", SHAPE_HEX },
                                        { "body", SHAPE_HEX },         { NULL, 0 } };

const struct shape shape_worker[] = { { "name", SHAPE_TEXT },       { "state", SHAPE_JSON },
                                      { "started_at", SHAPE_TIME }, { "beat_at", SHAPE_TIME },
                                      { "age_ms", SHAPE_NUMBER },   { NULL, 0 } };

const struct shape shape_chord_part[] = { { "id", SHAPE_TEXT },
                                          { "part", SHAPE_TEXT },
                                          { "state", SHAPE_TEXT },
                                          { "result", SHAPE_TEXT },
                                          { "error", SHAPE_JSON },
                                          { "sends", SHAPE_JSON },
                                          { NULL, 0 } };

const struct shape shape_outbox[] = { { "position", SHAPE_TEXT },       { "id", SHAPE_TEXT },
                                      { "aggregate_type", SHAPE_TEXT }, { "aggregate_id", SHAPE_TEXT },
                                      { "type", SHAPE_TEXT },           { "payload", SHAPE_JSON },
                                      { "created_at", SHAPE_TIME },     { "tracingspancontext", SHAPE_TEXT },
                                      { "backfill", SHAPE_TEXT },       { NULL, 0 } };

const struct shape shape_outbox_text[] = { { "position", SHAPE_TEXT },
                                           { "id", SHAPE_TEXT },
                                           { "aggregate_type", SHAPE_TEXT },
                                           { "aggregate_id", SHAPE_TEXT },
                                           { "type", SHAPE_TEXT },
                                           { "payload", SHAPE_TEXT },
                                           { "created_at", SHAPE_TIME },
                                           { "tracingspancontext", SHAPE_TEXT },
                                           { NULL, 0 } };

/* The latest entry's texts, and figures of all. */
#define SHAPE_GROUP                                                                                                    \
        { "group", SHAPE_TEXT }, { "name", SHAPE_TEXT }, { "queue", SHAPE_TEXT }, { "source", SHAPE_TEXT },            \
                { "code", SHAPE_TEXT }, { "cause", SHAPE_TEXT }, { "verdict", SHAPE_TEXT }, { "message", SHAPE_TEXT }, \
                { "count", SHAPE_NUMBER }, { "entry", SHAPE_NUMBER }, { "edited", SHAPE_NUMBER },                      \
                { "users", SHAPE_NUMBER }, { "first_died_at", SHAPE_MS },                                              \
        {                                                                                                              \
                "last_died_at", SHAPE_MS                                                                               \
        }

const struct shape shape_group[] = { SHAPE_GROUP, { NULL, 0 } };

const struct shape shape_alarm[] = { SHAPE_GROUP, { "new", SHAPE_FLAG }, { "before", SHAPE_NUMBER }, { NULL, 0 } };

const struct shape shape_count[] = {
        { "count", SHAPE_NUMBER }, { "upto", SHAPE_NUMBER }, { "edited", SHAPE_NUMBER }, { NULL, 0 }
};

const struct shape shape_act[] = { { "at", SHAPE_MS },        { "action", SHAPE_TEXT },
                                   { "who", SHAPE_TEXT },     { "reason", SHAPE_TEXT },
                                   { "scope", SHAPE_TEXT },   { "operation", SHAPE_TEXT },
                                   { "count", SHAPE_NUMBER }, { NULL, 0 } };

/* As PostgreSQL prints a time in JSON: the fraction without zeros at its end. */
static void shape_add_time(struct buffer *json, int64_t us)
{
        const int64_t second = us / SECOND_US - (us % SECOND_US < 0);
        const time_t whole = (time_t)second;
        char text[48], fraction[16];
        struct tm tm;

        gmtime_r(&whole, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(fraction, sizeof(fraction), ".%06d", (int)(us - second * SECOND_US));
        for (size_t n = strlen(fraction); n > 0 && strchr("0.", fraction[n - 1]); n--) {
                const bool dot = fraction[n - 1] == '.';

                fraction[n - 1] = '\0';
                if (dot)
                        break;
        }
        buffer_addf(json, "\"%s%s+00:00\"", text, fraction);
}

static void shape_add_hex(struct buffer *json, struct bytes value)
{
        unsigned char *at = buffer_reserve(json, 2 * value.size + 2);

        if (!at)
                return;
        *at = '"';
        *hex_write((char *)at + 1, value.data, value.size) = '"';
        json->size += 2 * value.size + 2;
}

static void shape_add_cell(struct buffer *json, enum shape_kind kind, const struct cell *c)
{
        if (c->null) {
                buffer_add_string(json, "null");
                return;
        }
        switch (kind) {
        case SHAPE_TEXT: json_write_text(c->bytes, json); break;
        case SHAPE_NUMBER: buffer_addf(json, "%" PRId64, c->number); break;
        case SHAPE_FLAG: buffer_add_string(json, c->number ? "true" : "false"); break;
        case SHAPE_TIME: shape_add_time(json, c->number); break;
        case SHAPE_MS: buffer_addf(json, "%" PRId64, c->number / 1000); break;
        case SHAPE_JSON: buffer_add(json, c->bytes.data, c->bytes.size); break;
        case SHAPE_HEX: shape_add_hex(json, c->bytes); break;
        }
}

void shape_add(struct buffer *json, const struct shape *shape, shape_read *read, void *row)
{
        for (int i = 0; shape[i].name; i++) {
                const struct cell cell = read(row, i);

                buffer_addf(json, "%s\"%s\":", i ? "," : "{", shape[i].name);
                shape_add_cell(json, shape[i].kind, &cell);
        }
        buffer_add_byte(json, '}');
}
