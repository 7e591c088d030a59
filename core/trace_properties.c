/* SPDX-License-Identifier: Apache-2.0 */
/* A trace context as the text of a Java properties file. Source: java.util.Properties.load. */
#include "core/trace.h"

#include "core/text/hex.h"

#include <string.h>

/* ---- out ---- */

/* A backslash is the only one of the bytes of a well-formed value that has a meaning there. */
static char *trace_properties_line(char *at, const char *name, struct bytes value)
{
        at = stpcpy(at, name);
        *at++ = '=';
        for (size_t i = 0; i < value.size; i++) {
                if (value.data[i] == '\\')
                        *at++ = '\\';
                *at++ = (char)value.data[i];
        }
        *at++ = '\n';
        return at;
}

const char *trace_write_properties(struct arena *arena, const struct trace_context *trace)
{
        const struct trace_context fine = trace_well_formed(trace);
        if (!fine.parent && !fine.baggage.size)
                return NULL;
        char *text = arena_alloc(arena, sizeof("traceparent=\ntracestate=\nbaggage=\n") + TRACE_PARENT_SIZE +
                                                2 * fine.state.size + fine.baggage.size);
        char *at = text;
        if (!text)
                return NULL;
        if (fine.parent)
                at = trace_properties_line(at, "traceparent", bytes_of_string(fine.parent));
        if (fine.state.size)
                at = trace_properties_line(at, "tracestate", fine.state);
        if (fine.baggage.size)
                at = trace_properties_line(at, "baggage", fine.baggage);
        at[-1] = '\0'; /* its last line has no end */
        return text;
}

/* ---- in ---- */

/* What a backslash and the bytes behind it stand for; `at` moves to the last of them. No byte above 0x7f is well formed, so any of those may stand for others. */
static char trace_properties_escaped(const char **at)
{
        static const char letters[] = "tnrf", meanings[] = "\t\n\r\f";
        const char c = **at, *letter = strchr(letters, c);
        const int code = c == 'u' ? hex_four(*at + 1) : 0;
        if (c != 'u')
                return letter ? meanings[letter - letters] : c;
        if (code >= 0)
                *at += 4;
        return code > 0 && code < 0x80 ? (char)code : (char)0xff;
}

/* Unescape up to one of `ends` or the end of the line; returns where that is. */
static const char *trace_properties_word(const char *at, const char *ends, char *out, size_t *size)
{
        for (; *at && *at != '\n' && *at != '\r' && !strchr(ends, *at); at++) {
                char c = *at;
                if (c == '\\' && at[1]) {
                        at++;
                        c = trace_properties_escaped(&at);
                }
                out[(*size)++] = c;
        }
        return at;
}

static bool trace_properties_is(const char *key, size_t size, const char *name)
{
        return size == strlen(name) && memcmp(key, name, size) == 0;
}

/* One line, its text unescaped into `out`: a key, and behind it a value with a NUL. Returns where the line ends. */
static const char *trace_properties_read(const char *at, char **out, struct trace_context *trace)
{
        size_t key = 0, value = 0;
        char *name = *out;
        at += strspn(at, " \t\f");
        const bool remark = *at == '#' || *at == '!';
        at = trace_properties_word(at, remark ? "" : "=: \t\f", name, &key);
        at += strspn(at, " \t\f");
        if (*at == '=' || *at == ':')
                at++;
        at += strspn(at, " \t\f");
        char *text = name + key;
        at = trace_properties_word(at, "", text, &value);
        text[value] = '\0';
        *out = text + value + 1;
        if (trace_properties_is(name, key, "traceparent"))
                trace->parent = strlen(text) == value ? text : NULL;
        else if (trace_properties_is(name, key, "tracestate"))
                trace->state = bytes_of(text, value);
        else if (trace_properties_is(name, key, "baggage"))
                trace->baggage = bytes_of(text, value);
        return at + strspn(at, "\r\n");
}

struct trace_context trace_read_properties(struct arena *arena, const char *text)
{
        struct trace_context trace = { 0 };
        char *out =
                arena_alloc(arena, strlen(text) + 2); /* a line has one byte more or less: its end becomes the NUL */
        if (!out)
                return trace;
        while (*text)
                text = trace_properties_read(text, &out, &trace);
        return trace_well_formed(&trace);
}
