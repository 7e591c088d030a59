/* SPDX-License-Identifier: Apache-2.0 */
/* A request as it goes over the wire, written straight into its buffer: building a tree first would cost more than all the rest
 * of a call's own work. Source: OpenAI API reference, "Create chat completion". */
#include "ai/wire/request.h"

#include "core/json.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <string.h>

/* Where a request goes, and what needn't be encoded again. */
struct writer {
        const char *constant;
        struct bytes constant_json;
        struct buffer *out;
};

static void write_turn(const struct ai_turn *turn, const struct writer *w);
static void write_part(const struct ai_part *part, const struct writer *w);
static void write_said(const char *text, const struct writer *w);
static size_t plain_run(const char *text, size_t size);
static size_t write_other(const char *at, struct buffer *out);

int ai_request_write(const struct ai_request *request, const char *model, struct buffer *out)
{
        struct buffer format = { 0 };
        request_write_format(request->schema_name, request->schema, &format);
        const struct request_known known = { .format = buffer_view(&format) };
        const int result = format.failed ? -ENOMEM : request_write(request, model, &known, out);
        buffer_free(&format);
        return result;
}

void request_write_format(const char *schema_name, const json_t *schema, struct buffer *out)
{
        if (!schema) {
                buffer_add_string(out, "{\"type\":\"json_object\"}");
                return;
        }
        buffer_add_string(out, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
        request_write_text(schema_name ? schema_name : "answer", out);
        buffer_add_string(out, ",\"strict\":true,\"schema\":");
        json_write(schema, out);
        buffer_add_string(out, "}}");
}

int request_write(const struct ai_request *request, const char *model, const struct request_known *known,
                  struct buffer *out)
{
        const struct writer w = { request->constant, known->constant_json, out };
        buffer_add_string(out, "{\"model\":");
        request_write_text(model, out);
        buffer_add_string(out, ",\"messages\":[");
        for (size_t i = 0; i < request->turn_count; i++) {
                if (i)
                        buffer_add_byte(out, ',');
                write_turn(&request->turns[i], &w);
        }
        buffer_add_string(out, "],\"response_format\":");
        buffer_add(out, known->format.data, known->format.size);
        if (request->max_tokens)
                buffer_addf(out, ",\"max_completion_tokens\":%u", request->max_tokens);
        buffer_add_byte(out, '}');
        return out->failed ? -ENOMEM : 0;
}

/* A turn that is one text is written as that text, which every endpoint takes; only others need the list of parts. */
static void write_turn(const struct ai_turn *turn, const struct writer *w)
{
        struct buffer *out = w->out;
        buffer_add_string(out, "{\"role\":");
        request_write_text(turn->role, out);
        buffer_add_string(out, ",\"content\":");
        if (turn->part_count == 1 && turn->parts[0].kind == AI_TEXT) {
                write_said(turn->parts[0].text, w);
        } else {
                buffer_add_byte(out, '[');
                for (size_t i = 0; i < turn->part_count; i++) {
                        if (i)
                                buffer_add_byte(out, ',');
                        write_part(&turn->parts[i], w);
                }
                buffer_add_byte(out, ']');
        }
        buffer_add_byte(out, '}');
}

static void write_part(const struct ai_part *part, const struct writer *w)
{
        struct buffer *out = w->out;
        const bool image = part->kind == AI_IMAGE_URL;
        buffer_add_string(out,
                          image ? "{\"type\":\"image_url\",\"image_url\":{\"url\":" : "{\"type\":\"text\",\"text\":");
        write_said(part->text, w);
        buffer_add_string(out, image ? "}}" : "}");
}

static void write_said(const char *text, const struct writer *w)
{
        if (text == w->constant && w->constant_json.size > 0)
                buffer_add(w->out, w->constant_json.data, w->constant_json.size);
        else
                request_write_text(text, w->out);
}

void request_write_text(const char *text, struct buffer *out)
{
        size_t left = strlen(text);
        buffer_add_byte(out, '"');
        while (left > 0) {
                const size_t run = plain_run(text, left);
                buffer_add(out, text, run);
                text += run;
                left -= run;
                if (left > 0) {
                        const size_t other = write_other(text, out);
                        text += other;
                        left -= other;
                }
        }
        buffer_add_byte(out, '"');
}

/* All eight bytes go out as they are. A byte of `x ^ c` is zero where x has c, and (v - 1) & 0x80 marks zero bytes (and perhaps ones past
 * ASCII, which are out anyway). Source: Warren, "Hacker's Delight", 6-1. */
static bool eight_plain(const char *text)
{
        const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
        uint64_t x;
        memcpy(&x, text, 8);
        const uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
        return !((x | (x - ones * 0x20) | (quote - ones) | (slash - ones)) & tops);
}

/* utf8_next, with a short cut for three bytes without special cases: most text of East Asia is that. 0 = broken. */
static size_t ai_request_character(const char *text)
{
        const unsigned char *at = (const unsigned char *)text;
        size_t size;
        if (at[0] >= 0xE1 && at[0] <= 0xEC && (at[1] & 0xC0) == 0x80 && (at[2] & 0xC0) == 0x80)
                return 3;
        return utf8_next(text, &size) ? size : 0;
}

/* How many of the next bytes go out as they are. An image in a data URL is megabytes of them. */
static size_t plain_run(const char *text, size_t size)
{
        size_t at = 0;
        while (at < size) {
                const unsigned char c = (unsigned char)text[at];
                if (c >= 0x80) {
                        const size_t more = ai_request_character(text + at);
                        if (more == 0)
                                break;
                        at += more;
                } else if (at + 8 <= size && eight_plain(text + at)) {
                        at += 8;
                } else if (c >= 0x20 && c != '"' && c != '\\') {
                        at++;
                } else {
                        break;
                }
        }
        return at;
}

/* What must be escaped or replaced; returns how many bytes of the text that was. */
static size_t write_other(const char *at, struct buffer *out)
{
        static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";
        size_t size = 1;
        if ((unsigned char)*at >= 0x80) {
                utf8_next(at, &size);
                buffer_add_string(out, "\xef\xbf\xbd");
                return size;
        }
        const char *found = strchr(shorts, *at);
        if (found && (found - shorts) % 2 == 0)
                buffer_add(out, (const char[2]){ '\\', found[1] }, 2);
        else
                buffer_addf(out, "\\u%04x", (unsigned char)*at);
        return size;
}
