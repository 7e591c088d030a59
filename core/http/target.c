/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/target.h"

#include "core/text/hex.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What is being read, and where its decoded texts are written: never more bytes than were read. */
struct target_reader {
        const char *at;
        char *out;
        struct problem *why;
};

static int target_refuse(struct problem *why, const char *what)
{
        return problem_set(why, "request", "bad_target", "the request's target %s", what);
}

/* Every character stands for itself and steers nothing. */
static bool target_is_plain(const char *text)
{
        size_t size;
        for (; *text; text += size) {
                if (!utf8_next(text, &size) || (unsigned char)*text < 0x20 || *text == 0x7f)
                        return false;
        }
        return true;
}

/* Decode up to one of `ends` or the text's end; NULL after a complaint. */
static const char *target_decode(struct target_reader *r, const char *ends, bool plus)
{
        char *const from = r->out;
        const size_t size = strcspn(r->at, ends);
        for (size_t i = 0; i < size; i++) {
                const char c = r->at[i];
                const int escape = c == '%' ? hex_escape(r->at + i, size - i) : -1;
                if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7f) {
                        target_refuse(r->why, "may have visible ASCII characters only");
                        return NULL;
                }
                if (c == '%' && escape <= 0) {
                        target_refuse(r->why, "has a % that two hexadecimal digits must follow, other than 00");
                        return NULL;
                }
                *r->out++ = c == '%' ? (char)escape : plus && c == '+' ? ' ' : c;
                i += c == '%' ? 2 : 0;
        }
        *r->out++ = '\0';
        r->at += size;
        if (target_is_plain(from))
                return from;
        target_refuse(r->why, "must be UTF-8 without control characters");
        return NULL;
}

static int target_read_path(struct target_reader *r, struct target *t)
{
        while (*r->at == '/') {
                r->at++;
                if (t->segment_count == TARGET_MOST_SEGMENTS)
                        return target_refuse(r->why, "has too many segments");
                const char *segment = target_decode(r, "/?", false);
                if (!segment)
                        return 1;
                const bool folder = !*segment && t->segment_count > 0 && *r->at != '/'; /* "/console/" */
                if ((!*segment && !folder) || strcmp(segment, ".") == 0 || strcmp(segment, "..") == 0)
                        return target_refuse(r->why, "has an empty segment, or one that is only dots");
                t->segments[t->segment_count++] = segment;
        }
        return 0;
}

static int target_add_pair(struct target_reader *r, struct target *t, const char *name, const char *value)
{
        if (target_value(t, name))
                return problem_set(r->why, "request", "bad_target", "the parameter %.60s is given twice", name);
        if (t->pair_count == TARGET_MOST_PAIRS)
                return target_refuse(r->why, "has too many parameters");
        t->pairs[t->pair_count++] = (struct target_pair){ name, value };
        return 0;
}

static int target_read_query(struct target_reader *r, struct target *t)
{
        while (*r->at == '?' || *r->at == '&') {
                r->at++;
                const char *name = target_decode(r, "=&", true), *value = "";
                if (name && *r->at == '=') {
                        r->at++;
                        value = target_decode(r, "&", true);
                }
                if (!name || !value)
                        return 1;
                if ((*name || *value) && target_add_pair(r, t, name, value))
                        return 1;
        }
        return 0;
}

int target_read(const char *text, struct target *out, struct problem *why)
{
        *out = (struct target){ 0 };
        if (*text != '/')
                return target_refuse(why, "must be a path that begins with /");
        /* each text that is read takes its bytes, less the one before it, and an end; "=" alone makes two of one */
        out->memory = malloc(2 * strlen(text) + 4);
        if (!out->memory)
                return -ENOMEM;
        struct target_reader r = { .at = text, .out = out->memory, .why = why };
        if (strcmp(text, "/") == 0 || strncmp(text, "/?", 2) == 0)
                r.at++;
        else if (target_read_path(&r, out))
                return 1;
        return target_read_query(&r, out);
}

void target_free(struct target *t)
{
        free(t->memory);
        *t = (struct target){ 0 };
}

const char *target_value(const struct target *t, const char *name)
{
        for (size_t i = 0; i < t->pair_count; i++)
                if (strcmp(t->pairs[i].name, name) == 0)
                        return t->pairs[i].value;
        return NULL;
}
