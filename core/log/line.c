/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log/line.h"

#include "core/text/utf8.h"

#include <stdio.h>
#include <string.h>

enum { LINE_TAIL_SIZE = 1800, LINE_VALUE_MOST = 400, LINE_END = 8, LINE_SHOWN = 8 };

/* The character at `text` when it is one that steers a terminal or ends a line (C0, DEL, C1, U+2028, U+2029),
 * else 0. */
static unsigned line_control(const char *text)
{
        const unsigned char *at = (const unsigned char *)text;
        if (at[0] < ' ' || at[0] == 0x7F)
                return at[0];
        if (at[0] == 0xC2 && at[1] < 0xA0)
                return at[1];
        if (at[0] == 0xE2 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9))
                return 0x2000U | (at[2] & 0x7FU);
        return 0;
}

/* One character as the line shows it: a value from outside must not forge a second line. Returns its bytes. */
static size_t line_show(const char *text, size_t size, bool json, char out[LINE_SHOWN])
{
        const unsigned control = line_control(text);
        if (control && json)
                return (size_t)snprintf(out, LINE_SHOWN, "\\u%04x", control);
        if (control) {
                out[0] = ' ';
                return 1;
        }
        size_t used = 0;
        if (json && (*text == '"' || *text == '\\'))
                out[used++] = '\\';
        memcpy(out + used, text, size);
        return used + size;
}

/* Append whole characters, up to `most` bytes in all. False when there is more. */
static bool line_add(char *out, size_t *used, size_t most, const char *text, bool json)
{
        char shown[LINE_SHOWN];
        for (size_t size; *text; text += size) {
                utf8_next(text, &size);
                const size_t more = line_show(text, size, json, shown);
                if (*used + more > most)
                        return false;
                memcpy(out + *used, shown, more);
                *used += more;
        }
        return true;
}

/* ,"name":"value" into the tail, where there is room for it; a long value is cut. */
static void line_member(char *tail, size_t *used, const char *before, const char *name, const char *value, bool number)
{
        const size_t most = *used + strlen(before) + strlen(name) + LINE_VALUE_MOST;
        if (!*value || most + LINE_END > LINE_TAIL_SIZE)
                return;
        *used +=
                (size_t)snprintf(tail + *used, LINE_TAIL_SIZE - *used, "%s\"%s\":%s", before, name, number ? "" : "\"");
        (void)line_add(tail, used, most, value, true);
        if (!number)
                tail[(*used)++] = '"';
}

/* Everything behind the message. */
static size_t line_tail(const struct log_parts *p, char tail[LINE_TAIL_SIZE])
{
        size_t used = 0, others = 0;
        for (size_t i = 0; p->fields && i < p->fields->count; i++)
                if (strcmp(p->fields->all[i].name, "task") == 0)
                        line_member(tail, &used, ",", "task", p->fields->all[i].value, false);
        if (p->ids) {
                line_member(tail, &used, ",", "job", p->ids->job, false);
                line_member(tail, &used, ",", "trace_id", p->ids->trace_id, false);
                line_member(tail, &used, ",", "span_id", p->ids->span_id, false);
        }
        for (size_t i = 0; p->fields && i < p->fields->count; i++) {
                const struct log_field *f = &p->fields->all[i];
                const size_t before = used;
                if (strcmp(f->name, "task") != 0)
                        line_member(tail, &used, others ? "," : ",\"fields\":{", f->name, f->value, f->number);
                others += used > before;
        }
        if (others)
                tail[used++] = '}';
        return used;
}

size_t log_line_write(const struct log_parts *p, bool json, char out[LOG_LINE_SIZE])
{
        char tail[LINE_TAIL_SIZE];
        const size_t tail_size = json ? line_tail(p, tail) : 0;
        size_t used = (size_t)snprintf(out, LOG_LINE_SIZE / 2,
                                       json ? "{\"time\":\"%s\",\"level\":\"%s\",\"where\":\"%.40s\",\"message\":\""
                                            : "%s %-5s %-6.40s ",
                                       p->when, p->level, p->where);
        const bool whole = line_add(out, &used, LOG_LINE_SIZE - LINE_END - tail_size, p->text, json);
        used += (size_t)snprintf(out + used, LOG_LINE_SIZE - used, "%s%s", p->was_cut || !whole ? "…" : "",
                                 json ? "\"" : "");
        memcpy(out + used, tail, tail_size);
        used += tail_size;
        used += (size_t)snprintf(out + used, LOG_LINE_SIZE - used, "%s\n", json ? "}" : "");
        return used;
}
