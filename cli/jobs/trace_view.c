/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/jobs/trace_view.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SINCE_WIDTH = 10, TIME_WIDTH = 12, NAME_MOST = 16, TEXT_LEAST = 20, DAY_SIZE = 10, TIME_AT = 11 };

const char *trace_since(int64_t ms, char out[32])
{
        const long long seconds = ms / 1000;
        if (ms < 1000000)
                snprintf(out, 32, "+%lld.%03lld s", seconds, (long long)ms % 1000);
        else if (seconds < 100LL * 3600)
                snprintf(out, 32, "+%lldh%02lldm%02llds", seconds / 3600, seconds / 60 % 60, seconds % 60);
        else
                snprintf(out, 32, "+%lldd%02lldh", seconds / 86400, seconds / 3600 % 24);
        return out;
}

static void trace_pad(struct buffer *out, size_t count)
{
        for (size_t i = 0; i < count; i++)
                buffer_add_byte(out, ' ');
}

/* How many bytes of it stand in one line: as many words as there is room for, or what fits of one that is too long. */
static size_t trace_fit(const char *text, size_t width)
{
        const size_t most = utf8_prefix(text, width);
        if (!text[most])
                return most;
        for (size_t at = most; at > 0; at--)
                if (text[at] == ' ')
                        return at;
        return most;
}

static void trace_wrap(struct buffer *out, const char *text, size_t indent, size_t width)
{
        const size_t room = width > indent + TEXT_LEAST ? width - indent : TEXT_LEAST;
        for (bool first = true; first || *text; first = false) {
                const size_t size = trace_fit(text, room);
                if (!first)
                        trace_pad(out, indent);
                for (size_t i = 0; i < size; i++)
                        buffer_add_byte(out, text[i] == '\n' ? ' ' : (unsigned char)text[i]);
                buffer_add_byte(out, '\n');
                text += size;
                text += strspn(text, " ");
        }
}

/* A gap has neither time nor task: it stands between two. */
static void trace_gap(struct buffer *out, const json_t *row, size_t indent, size_t width)
{
        char gap[32], text[300];
        snprintf(text, sizeof(text), "%s: %s", trace_since(json_number(row, "gap_ms", 0), gap) + 1,
                 json_text(row, "text", ""));
        utf8_repair(text, strlen(text) == sizeof(text) - 1);
        buffer_addf(out, "%*s  %-*s  ", SINCE_WIDTH, ":", TIME_WIDTH, "");
        trace_pad(out, indent - SINCE_WIDTH - TIME_WIDTH - 4);
        trace_wrap(out, text, indent, width);
}

static void trace_name(struct buffer *out, const char *name, size_t width)
{
        const size_t size = utf8_prefix(name, width);
        buffer_add(out, name, size);
        trace_pad(out, width + 2 - utf8_count(name, size));
}

static void trace_day(struct buffer *out, const char *when, char day[DAY_SIZE + 1])
{
        if (strncmp(day, when, DAY_SIZE) != 0)
                buffer_addf(out, "%*s  %.*s (UTC)\n", SINCE_WIDTH, "", DAY_SIZE, when);
        snprintf(day, DAY_SIZE + 1, "%.*s", DAY_SIZE, when);
}

static void trace_payload(struct buffer *out, const json_t *row, size_t indent, size_t width)
{
        char *text = json_dumps(json_object_get(row, "payload"), JSON_COMPACT | JSON_ENCODE_ANY);
        if (!text)
                return;
        trace_pad(out, indent);
        trace_wrap(out, text, indent, width);
        free(text);
}

static void trace_row(struct buffer *out, const json_t *row, size_t name_width, size_t width, char day[DAY_SIZE + 1])
{
        char when[CLOCK_TEXT_SIZE], since[32];
        const size_t indent = SINCE_WIDTH + 2 + TIME_WIDTH + 2 + name_width + 2;
        if (strcmp(json_text(row, "kind", ""), "gap") == 0) {
                trace_gap(out, row, indent, width);
                return;
        }
        clock_format(json_number(row, "at_ms", 0), when);
        trace_day(out, when, day);
        buffer_addf(out, "%*s  %.*s  ", SINCE_WIDTH, trace_since(json_number(row, "since_ms", 0), since), TIME_WIDTH,
                    when + TIME_AT);
        trace_name(out, json_text(row, "name", ""), name_width);
        trace_wrap(out, json_text(row, "text", ""), indent, width);
        if (json_object_get(row, "payload"))
                trace_payload(out, row, indent, width);
}

static void trace_head(struct buffer *out, const json_t *timeline)
{
        char took[32];
        const char *pipeline = json_text(timeline, "pipeline", "");
        buffer_addf(out, "job %s\n", json_text(timeline, "id", "?"));
        buffer_addf(out, "%s%s%s, %s%s, %lld + %lld tokens, $%.6f\n\n", pipeline, *pipeline ? " " : "",
                    json_text(timeline, "state", "?"), trace_since(json_number(timeline, "took_ms", 0), took) + 1,
                    json_is_null(json_object_get(timeline, "to_ms")) ? " so far" : "",
                    (long long)json_number(timeline, "tokens_in", 0), (long long)json_number(timeline, "tokens_out", 0),
                    json_number_value(json_object_get(timeline, "cost_usd")));
}

void trace_lay_out(struct buffer *out, const json_t *timeline, size_t width)
{
        size_t i, name_width = 0;
        json_t *row;
        char day[DAY_SIZE + 1] = "";
        const json_t *rows = json_object_get(timeline, "timeline");
        json_array_foreach((json_t *)rows, i, row) {
                const char *name = json_text(row, "name", "");
                const size_t count = utf8_count(name, strlen(name));
                name_width = count > name_width ? count : name_width;
        }
        if (name_width > NAME_MOST)
                name_width = NAME_MOST;
        trace_head(out, timeline);
        json_array_foreach((json_t *)rows, i, row)
                trace_row(out, row, name_width, width, day);
}
