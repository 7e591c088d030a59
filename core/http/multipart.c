/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/multipart.h"

#include <stdio.h>
#include <strings.h>

enum {
        MULTIPART_BOUNDARY = 70,
        MULTIPART_HEAD = 4096
}; /* bytes at most: of a boundary, as RFC 2046 has it; of a part's headers */

static int multipart_refuse(struct problem *why, const char *what)
{
        return problem_set(why, "request", "bad_form", "the form %s; see: RFC 7578, and curl -F", what);
}

static bool multipart_space(unsigned char c)
{
        return c == ' ' || c == '\t';
}

static struct bytes multipart_trim(struct bytes text)
{
        while (text.size && multipart_space(text.data[0]))
                text = bytes_of(text.data + 1, text.size - 1);
        while (text.size && multipart_space(text.data[text.size - 1]))
                text.size--;
        return text;
}

/* Up to a character that stands outside quotes; *text is moved behind it. */
static struct bytes multipart_until(struct bytes *text, char end)
{
        bool quoted = false;
        size_t at = 0;
        for (; at < text->size && (quoted || text->data[at] != (unsigned char)end); at++) {
                if (quoted && text->data[at] == '\\' && at + 1 < text->size)
                        at++;
                else if (text->data[at] == '"')
                        quoted = !quoted;
        }
        const struct bytes found = bytes_of(text->data, at);
        const size_t gone = at < text->size ? at + 1 : at;
        *text = bytes_of(text->data + gone, text->size - gone);
        return multipart_trim(found);
}

/* A parameter of "value; name=value; name="value"". Quotes left out; false: it is not there. */
static bool multipart_parameter(struct bytes value, const char *name, struct bytes *out)
{
        multipart_until(&value, ';');
        while (value.size) {
                struct bytes one = multipart_until(&value, ';');
                const struct bytes key = multipart_until(&one, '=');
                if (key.size != strlen(name) || strncasecmp((const char *)key.data, name, key.size) != 0)
                        continue;
                *out = multipart_trim(one);
                if (out->size >= 2 && out->data[0] == '"' && out->data[out->size - 1] == '"')
                        *out = bytes_of(out->data + 1, out->size - 2);
                return true;
        }
        return false;
}

/* Behind a delimiter: spaces and a line's end follow, or "--", which ends all. 0; MULTIPART_END; or 1: it was none. */
static int multipart_behind(const struct multipart *m, size_t *at)
{
        const struct bytes b = m->body;
        if (b.size - *at >= 2 && memcmp(b.data + *at, "--", 2) == 0)
                return MULTIPART_END;
        size_t next = *at;
        while (next < b.size && multipart_space(b.data[next]))
                next++;
        if (b.size - next < 2 || memcmp(b.data + next, "\r\n", 2) != 0)
                return 1;
        *at = next + 2;
        return 0;
}

/* The next delimiter from m->at on, which is moved behind it; *before: what stood before it. 0; MULTIPART_END: it is the last; or 1: there is none. */
static int multipart_find(struct multipart *m, struct bytes *before)
{
        const struct bytes b = m->body;
        size_t from = m->at;
        for (;;) {
                const unsigned char *found = memmem(b.data + from, b.size - from, m->delimiter, m->delimiter_size);
                if (!found)
                        return 1;
                size_t at = (size_t)(found - b.data) + m->delimiter_size;
                const int code = multipart_behind(m, &at);
                if (code != 1) {
                        *before = bytes_of(b.data + m->at, (size_t)(found - b.data) - m->at);
                        m->at = at;
                        return code;
                }
                from = (size_t)(found - b.data) + 2;
        }
}

int multipart_begin(struct multipart *m, const char *type, struct bytes body, struct problem *why)
{
        struct bytes boundary;
        *m = (struct multipart){ .body = body };
        if (!multipart_parameter(bytes_of_string(type), "boundary", &boundary) || boundary.size == 0 ||
            boundary.size > MULTIPART_BOUNDARY)
                return multipart_refuse(why, "must name a boundary of 1 to 70 characters in Content-Type");
        m->delimiter_size = (size_t)snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%.*s", (int)boundary.size,
                                             (const char *)boundary.data);
        /* the first one may stand at the very beginning, without a line's end before it */
        const struct bytes first = bytes_of(m->delimiter + 2, m->delimiter_size - 2);
        size_t at = first.size;
        int code = 1;
        if (body.size >= first.size && memcmp(body.data, first.data, first.size) == 0)
                code = multipart_behind(m, &at);
        m->at = code == 0 ? at : 0;
        if (code == 1)
                code = multipart_find(m, &(struct bytes){ 0 });
        if (code == MULTIPART_END)
                return multipart_refuse(why, "has no parts");
        return code ? multipart_refuse(why, "does not have the boundary that Content-Type names") : 0;
}

/* One header of a part. */
static bool multipart_header(struct bytes line, struct multipart_part *out, struct problem *why)
{
        struct bytes ignored;
        const struct bytes name = multipart_until(&line, ':');
        const struct bytes value = multipart_trim(line);
        if (name.size == 19 && strncasecmp((const char *)name.data, "Content-Disposition", 19) == 0) {
                out->file = multipart_parameter(value, "filename", &ignored) ||
                            multipart_parameter(value, "filename*", &ignored);
                return multipart_parameter(value, "name", &out->name) ||
                       multipart_refuse(why, "has a part without a name") == 0;
        }
        if (name.size == 12 && strncasecmp((const char *)name.data, "Content-Type", 12) == 0)
                out->type = value;
        if (name.size == 25 && strncasecmp((const char *)name.data, "Content-Transfer-Encoding", 25) == 0 &&
            !(value.size == 6 && strncasecmp((const char *)value.data, "binary", 6) == 0) &&
            !(value.size == 4 && strncasecmp((const char *)value.data + 1, "bit", 3) == 0))
                return multipart_refuse(why, "has a part that is encoded: send it as it is") == 0;
        return true;
}

/* The headers of a part, and where they end. */
static int multipart_head(struct bytes *part, struct multipart_part *out, struct problem *why)
{
        size_t left = part->size < MULTIPART_HEAD ? part->size : MULTIPART_HEAD;
        for (;;) {
                const unsigned char *end = memmem(part->data, left, "\r\n", 2);
                if (!end)
                        return multipart_refuse(why,
                                                "has a part whose headers do not end, or have more than 4096 bytes");
                const struct bytes line = bytes_of(part->data, (size_t)(end - part->data));
                *part = bytes_of(end + 2, part->size - line.size - 2);
                left -= line.size + 2;
                if (line.size == 0)
                        return 0;
                if (!multipart_header(line, out, why))
                        return 1;
        }
}

int multipart_next(struct multipart *m, struct multipart_part *out, struct problem *why)
{
        struct bytes part;
        *out = (struct multipart_part){ 0 };
        if (m->ended)
                return MULTIPART_END;
        const int code = multipart_find(m, &part);
        if (code == 1)
                return multipart_refuse(why, "is cut short: its last boundary is missing");
        m->ended = code == MULTIPART_END;
        if (multipart_head(&part, out, why))
                return 1;
        if (out->name.size == 0)
                return multipart_refuse(why, "has a part without a name");
        out->content = part;
        return 0;
}
