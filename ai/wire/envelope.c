/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive descent through the JSON text. What it accepts is a subset of what jansson accepts (only ASCII without escapes outside the
 * content, only integers, no depth), so that both ways always come to the same result. */
#include "ai/wire/envelope.h"

#include "core/text/hex.h"

#include <string.h>

enum { MOST_DEPTH = 16, MOST_DIGITS = 18 };

enum seen {
        SEEN_CHOICES = 1,
        SEEN_USAGE = 2,
        SEEN_MODEL = 4,
        SEEN_MESSAGE = 8,
        SEEN_FINISH = 16,
        SEEN_CONTENT = 32,
        SEEN_IN = 64,
        SEEN_OUT = 128
};

struct scan {
        const unsigned char *at, *end;
        unsigned depth;
        unsigned seen; /* of enum seen; a second one of the same name is left to the slow way */
        struct envelope *out;
        struct buffer *scratch;
};

/* Reads the value of a member. All of these return false when the slow way must look. */
typedef bool member(struct scan *s, struct bytes key);

static bool envelope_members(struct scan *s, member *read);
static member root_member, choice_member, message_member, usage_member;
static bool envelope_choices(struct scan *s);
static bool envelope_content(struct scan *s);
static bool envelope_unescape(const unsigned char *at, const unsigned char *end, struct buffer *out);
static bool skip_value(struct scan *s);
static bool plain_string(struct scan *s, struct bytes *out);
static bool envelope_integer(struct scan *s, uint64_t *out);
static bool envelope_tokens(struct scan *s, unsigned *out);
static bool envelope_word(struct scan *s, const char *text);

static void skip_space(struct scan *s)
{
        while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
                s->at++;
}

/* The next character that is no space; taken when it is this one. */
static bool envelope_take(struct scan *s, unsigned char c)
{
        skip_space(s);
        if (s->at == s->end || *s->at != c)
                return false;
        s->at++;
        return true;
}

static bool envelope_once(struct scan *s, enum seen what)
{
        const bool first = !(s->seen & what);
        s->seen |= what;
        return first;
}

static bool envelope_is(struct bytes key, const char *name)
{
        return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

int envelope_read(struct bytes body, struct envelope *out, struct buffer *scratch)
{
        struct scan s = { .at = body.data, .end = body.data + body.size, .out = out, .scratch = scratch };
        *out = (struct envelope){ 0 };
        if (body.size == 0 || !envelope_members(&s, root_member))
                return 1;
        skip_space(&s);
        const unsigned needed = SEEN_CONTENT | SEEN_FINISH;
        return s.at == s.end && (s.seen & needed) == needed ? 0 : 1;
}

/* ---- what is where ---- */

static bool root_member(struct scan *s, struct bytes key)
{
        if (envelope_is(key, "choices"))
                return envelope_once(s, SEEN_CHOICES) && envelope_choices(s);
        if (envelope_is(key, "usage"))
                return envelope_once(s, SEEN_USAGE) && envelope_members(s, usage_member);
        if (envelope_is(key, "model"))
                return envelope_once(s, SEEN_MODEL) && plain_string(s, &s->out->model);
        return !envelope_is(key, "error") && skip_value(s);
}

static bool envelope_choices(struct scan *s)
{
        if (!envelope_take(s, '[') || !envelope_members(s, choice_member))
                return false;
        while (envelope_take(s, ','))
                if (!skip_value(s))
                        return false;
        return envelope_take(s, ']');
}

static bool choice_member(struct scan *s, struct bytes key)
{
        struct bytes reason;
        if (envelope_is(key, "message"))
                return envelope_once(s, SEEN_MESSAGE) && envelope_members(s, message_member);
        if (envelope_is(key, "finish_reason"))
                return envelope_once(s, SEEN_FINISH) && plain_string(s, &reason) && envelope_is(reason, "stop");
        return skip_value(s);
}

static bool message_member(struct scan *s, struct bytes key)
{
        if (envelope_is(key, "content"))
                return envelope_once(s, SEEN_CONTENT) && envelope_content(s);
        if (envelope_is(key, "refusal"))
                return envelope_word(s, "null");
        return skip_value(s);
}

static bool usage_member(struct scan *s, struct bytes key)
{
        if (envelope_is(key, "prompt_tokens"))
                return envelope_once(s, SEEN_IN) && envelope_tokens(s, &s->out->tokens_in);
        if (envelope_is(key, "completion_tokens"))
                return envelope_once(s, SEEN_OUT) && envelope_tokens(s, &s->out->tokens_out);
        return skip_value(s);
}

/* ---- values ---- */

static bool envelope_members(struct scan *s, member *read)
{
        struct bytes key;
        if (!envelope_take(s, '{') || ++s->depth > MOST_DEPTH)
                return false;
        s->depth--;
        if (envelope_take(s, '}'))
                return true;
        do {
                s->depth++;
                if (!plain_string(s, &key) || !envelope_take(s, ':') || !read(s, key))
                        return false;
                s->depth--;
        } while (envelope_take(s, ','));
        return envelope_take(s, '}');
}

static bool skip_member(struct scan *s, struct bytes key)
{
        (void)key;
        return skip_value(s);
}

static bool skip_array(struct scan *s)
{
        if (!envelope_take(s, '[') || s->depth >= MOST_DEPTH)
                return false;
        if (envelope_take(s, ']'))
                return true;
        s->depth++;
        do {
                if (!skip_value(s))
                        return false;
        } while (envelope_take(s, ','));
        s->depth--;
        return envelope_take(s, ']');
}

static bool skip_value(struct scan *s)
{
        struct bytes unused;
        uint64_t number;
        skip_space(s);
        switch (s->at < s->end ? *s->at : 0) {
        case '{': return envelope_members(s, skip_member);
        case '[': return skip_array(s);
        case '"': return plain_string(s, &unused);
        case 'n': return envelope_word(s, "null");
        case 't': return envelope_word(s, "true");
        case 'f': return envelope_word(s, "false");
        default: return envelope_integer(s, &number);
        }
}

static bool envelope_word(struct scan *s, const char *text)
{
        const size_t size = strlen(text);
        skip_space(s);
        if ((size_t)(s->end - s->at) < size || memcmp(s->at, text, size) != 0)
                return false;
        s->at += size;
        return true;
}

/* Not negative, no fraction, no exponent, no leading zero. A longer one is left to the slow way. */
static bool envelope_integer(struct scan *s, uint64_t *out)
{
        uint64_t value = 0;
        skip_space(s);
        const unsigned char *start = s->at;
        while (s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - start <= MOST_DIGITS)
                value = value * 10 + (uint64_t)(*s->at++ - '0');
        const size_t digits = (size_t)(s->at - start);
        *out = value;
        if (digits == 0 || digits > MOST_DIGITS || (*start == '0' && digits > 1) || s->at == s->end)
                return false;
        return *s->at == ',' || *s->at == '}' || *s->at == ']' || *s->at <= ' ';
}

static bool envelope_tokens(struct scan *s, unsigned *out)
{
        uint64_t count;
        if (!envelope_integer(s, &count) || count > UINT32_MAX)
                return false;
        *out = (unsigned)count;
        return true;
}

static bool plain_string(struct scan *s, struct bytes *out)
{
        if (!envelope_take(s, '"'))
                return false;
        const unsigned char *start = s->at;
        while (s->at < s->end && *s->at >= 0x20 && *s->at < 0x80 && *s->at != '"' && *s->at != '\\')
                s->at++;
        *out = bytes_of(start, (size_t)(s->at - start));
        return s->at < s->end && *s->at++ == '"';
}

/* Its UTF-8 is left to whoever parses the content. */
static bool envelope_content(struct scan *s)
{
        bool escaped = false;
        if (!envelope_take(s, '"'))
                return false;
        const unsigned char *start = s->at;
        for (; s->at < s->end && *s->at != '"'; s->at++) {
                if (*s->at < 0x20)
                        return false;
                if (*s->at == '\\') {
                        escaped = true;
                        s->at++;
                }
        }
        if (s->at >= s->end)
                return false;
        s->out->content = bytes_of(start, (size_t)(s->at - start));
        s->at++;
        if (!escaped)
                return true;
        if (!envelope_unescape(start, s->at - 1, s->scratch))
                return false;
        s->out->content = buffer_view(s->scratch);
        return true;
}

/* ---- escapes ---- */

/* A character of the basic plane that is no surrogate; others are rare enough for the slow way. */
static bool unescape_unicode(const unsigned char *at, const unsigned char *end, unsigned char **to)
{
        const int code = end - at < 4 ? -1 : hex_four((const char *)at);
        if (code <= 0 || (code >= 0xD800 && code <= 0xDFFF))
                return false;
        unsigned char *o = *to;
        if (code < 0x80) {
                *o++ = (unsigned char)code;
        } else if (code < 0x800) {
                *o++ = (unsigned char)(0xC0 | code >> 6);
                *o++ = (unsigned char)(0x80 | (code & 0x3F));
        } else {
                *o++ = (unsigned char)(0xE0 | code >> 12);
                *o++ = (unsigned char)(0x80 | (code >> 6 & 0x3F));
                *o++ = (unsigned char)(0x80 | (code & 0x3F));
        }
        *to = o;
        return true;
}

/* The text never grows: six bytes of escape become three at most. */
static bool envelope_unescape(const unsigned char *at, const unsigned char *end, struct buffer *out)
{
        static const char shorts[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
        unsigned char *start = buffer_reserve(out, (size_t)(end - at)), *to = start;
        if (!start)
                return false;
        while (at < end) {
                const unsigned char *slash = memchr(at, '\\', (size_t)(end - at));
                const size_t run = (size_t)((slash ? slash : end) - at);
                memcpy(to, at, run);
                to += run;
                at += run;
                if (!slash)
                        break;
                const char *found = memchr(shorts, at[1], sizeof(shorts) - 1);
                if (at[1] == 'u') {
                        if (!unescape_unicode(at + 2, end, &to))
                                return false;
                        at += 6;
                } else {
                        if (!found || (found - shorts) % 2 != 0)
                                return false;
                        *to++ = (unsigned char)found[1];
                        at += 2;
                }
        }
        out->size += (size_t)(to - start);
        return true;
}
