/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON. Which there are stands in shapes/. */
#include "store/shape.h"

#include "core/json.h"
#include "core/text/hex.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US 1000000
#define NANO      INT64_C(1000000000)

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

static void shape_add_nano(struct buffer *json, int64_t number)
{
        buffer_addf(json, "%s%lld.%09lld", number < 0 ? "-" : "", llabs(number / NANO), llabs(number % NANO));
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
        case SHAPE_NANO: shape_add_nano(json, c->number); break;
        case SHAPE_JSON: buffer_add(json, c->bytes.data, c->bytes.size); break;
        case SHAPE_HEX: shape_add_hex(json, c->bytes); break;
        }
}

static void shape_add_members(struct buffer *json, const struct shape *shape, shape_read *read, void *row)
{
        for (int i = 0; shape[i].name; i++) {
                const struct cell cell = read(row, i);

                buffer_addf(json, "%s\"%s\":", i ? "," : "", shape[i].name);
                shape_add_cell(json, shape[i].kind, &cell);
        }
}

void shape_add(struct buffer *json, const struct shape *shape, shape_read *read, void *row)
{
        buffer_add_byte(json, '{');
        shape_add_members(json, shape, read, row);
        buffer_add_byte(json, '}');
}

struct cell shape_read_cells(void *cells, int column)
{
        return ((const struct cell *)cells)[column];
}

/* ---- answers ---- */

bool answer_has_parts(const struct answer_part *parts)
{
        return parts[1].shape;
}

static void answer_add_to_map(struct buffer *json, const struct shape *shape, shape_read *read, void *row)
{
        struct cell cell = read(row, 0);

        shape_add_cell(json, SHAPE_TEXT, &cell);
        buffer_add_byte(json, ':');
        cell = read(row, 1);
        shape_add_cell(json, shape[1].kind, &cell);
}

void answer_add(struct answer *answer, const struct answer_part *parts, unsigned part, shape_read *read, void *row)
{
        const struct shape *shape = parts[part].shape;
        struct buffer *json = &answer->parts[part];

        if (json->size > 0 && parts[part].kind == ANSWER_ROW)
                return;
        if (json->size > 0)
                buffer_add_byte(json, ',');
        switch (parts[part].kind) {
        case ANSWER_ROW: shape_add_members(json, shape, read, row); break;
        case ANSWER_ROWS: shape_add(json, shape, read, row); break;
        case ANSWER_MAP: answer_add_to_map(json, shape, read, row); break;
        }
}

/* The value of a part: its rows within their brackets. */
static void answer_add_value(struct buffer *json, const struct answer_part *part, const struct buffer *rows)
{
        const bool list = part->kind == ANSWER_ROWS;

        if (part->kind == ANSWER_ROW && rows->size == 0) {
                buffer_add_string(json, "null");
                return;
        }
        buffer_add_byte(json, list ? '[' : '{');
        buffer_add(json, rows->data, rows->size);
        buffer_add_byte(json, list ? ']' : '}');
}

static void answer_add_parts(struct buffer *json, const struct answer_part *parts, const struct answer *answer)
{
        buffer_add_byte(json, '{');
        for (unsigned i = 0; parts[i].shape; i++) {
                if (i > 0)
                        buffer_add_byte(json, ',');
                if (parts[i].name) {
                        buffer_addf(json, "\"%s\":", parts[i].name);
                        answer_add_value(json, &parts[i], &answer->parts[i]);
                } else {
                        buffer_add(json, answer->parts[i].data, answer->parts[i].size);
                }
        }
        buffer_add_byte(json, '}');
}

/* Something that had to have a row has none. */
static bool answer_is_nothing(const struct answer_part *parts, const struct answer *answer)
{
        for (unsigned i = 0; parts[i].shape; i++) {
                if (parts[i].kind == ANSWER_ROW && !parts[i].name && answer->parts[i].size == 0)
                        return true;
        }
        return false;
}

void answer_end(struct answer *answer, const struct answer_part *parts, struct buffer *json)
{
        bool failed = false;

        for (unsigned i = 0; parts[i].shape; i++)
                failed = failed || answer->parts[i].failed;
        if (failed)
                json->failed = true;
        else if (!answer_is_nothing(parts, answer) && !answer_has_parts(parts) && !parts[0].name)
                answer_add_value(json, &parts[0], &answer->parts[0]);
        else if (!answer_is_nothing(parts, answer))
                answer_add_parts(json, parts, answer);
        for (unsigned i = 0; parts[i].shape; i++)
                buffer_free(&answer->parts[i]);
}
