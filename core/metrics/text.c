/* SPDX-License-Identifier: Apache-2.0 */
/* The two text forms. They differ in a counter's name in its head, in what an info is, in exemplars and in the end. */
#include "core/metrics/own.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram",
        [METRIC_INFO] = "info",
};

/* ---- pieces ---- */

/* With as few digits as say it exactly. */
static void text_number(struct buffer *out, double value)
{
        char text[40];
        if (isnan(value)) {
                buffer_add_string(out, "NaN");
                return;
        }
        if (isinf(value)) {
                buffer_add_string(out, value > 0 ? "+Inf" : "-Inf");
                return;
        }
        for (int digits = 15; digits <= 17; digits++) {
                snprintf(text, sizeof(text), "%.*g", digits, value);
                if (strtod(text, NULL) == value)
                        break;
        }
        buffer_add_string(out, text);
}

/* A bound is a float in both forms: "1.0", so that its label is the same in both. */
static void text_bound(struct buffer *out, double value)
{
        const size_t before = out->size;
        text_number(out, value);
        if (!out->failed && !memchr(out->data + before, '.', out->size - before) &&
            !memchr(out->data + before, 'e', out->size - before))
                buffer_add_string(out, ".0");
}

static void text_escaped(struct buffer *out, const char *text)
{
        for (; *text; text++) {
                if (*text == '\\' || *text == '"')
                        buffer_add_byte(out, '\\');
                buffer_add_byte(out, (unsigned char)*text);
        }
}

static void text_label(struct buffer *out, bool *open, const char *name, const char *value)
{
        buffer_add_string(out, *open ? "," : "{");
        *open = true;
        buffer_add_string(out, name);
        buffer_add_string(out, "=\"");
        text_escaped(out, value);
        buffer_add_byte(out, '"');
}

/* "{label="value",…", still open. */
static bool text_labels(struct buffer *out, const struct series *s)
{
        bool open = false;
        for (size_t i = 0; i < METRIC_MOST_LABELS && s->metric->labels[i]; i++)
                text_label(out, &open, s->metric->labels[i], s->values[i]);
        return open;
}

static void text_sample(struct buffer *out, const struct series *s, const char *suffix, double value)
{
        buffer_add_string(out, s->metric->name);
        buffer_add_string(out, suffix);
        buffer_add_string(out, text_labels(out, s) ? "} " : " ");
        text_number(out, value);
        buffer_add_byte(out, '\n');
}

/* ---- histograms ---- */

static void text_exemplar(struct buffer *out, const struct exemplar *e)
{
        if (!*e->trace_id)
                return;
        buffer_addf(out, " # {trace_id=\"%s\"} ", e->trace_id);
        text_number(out, e->value);
        buffer_addf(out, " %lld.%03d", (long long)(e->wall_ms / 1000), (int)(e->wall_ms % 1000));
}

static void text_bucket(struct buffer *out, const struct series *s, size_t at, uint64_t count, bool exemplars)
{
        const struct buckets *b = s->histogram->buckets;
        buffer_add_string(out, s->metric->name);
        buffer_add_string(out, "_bucket");
        buffer_add_string(out, text_labels(out, s) ? ",le=\"" : "{le=\"");
        if (at < b->count)
                text_bound(out, b->upto[at]);
        else
                buffer_add_string(out, "+Inf");
        buffer_addf(out, "\"} %llu", (unsigned long long)count);
        if (exemplars && s->exemplars)
                text_exemplar(out, &s->exemplars[at]);
        buffer_add_byte(out, '\n');
}

static void text_histogram(struct buffer *out, const struct series *s, bool exemplars)
{
        uint64_t count = 0;
        for (size_t i = 0; i <= s->histogram->buckets->count; i++) {
                count += s->histogram->counts[i];
                text_bucket(out, s, i, count, exemplars);
        }
        text_sample(out, s, "_sum", s->histogram->sum);
        text_sample(out, s, "_count", (double)count);
}

/* ---- rows ---- */

static const char *text_suffix(const struct metric *m)
{
        return m->kind == METRIC_COUNTER ? "_total" : m->kind == METRIC_INFO ? "_info" : "";
}

static void text_head(struct buffer *out, const struct metric *m, enum metrics_form form)
{
        const bool open = form == METRICS_OPENMETRICS;
        const char *suffix = open ? "" : text_suffix(m), *kind = kind_names[m->kind];
        buffer_addf(out, "# TYPE %s%s %s\n", m->name, suffix, m->kind == METRIC_INFO && !open ? "gauge" : kind);
        if (open && m->unit)
                buffer_addf(out, "# UNIT %s %s\n", m->name, m->unit);
        buffer_addf(out, "# HELP %s%s %s\n", m->name, suffix, m->help);
}

static bool text_is_shown(const struct metrics *m, const struct series *s)
{
        return s->metric->kind != METRIC_GAUGE || s->round == m->round;
}

static void text_series(struct buffer *out, const struct series *s, enum metrics_form form)
{
        if (s->metric->kind == METRIC_HISTOGRAM)
                text_histogram(out, s, form == METRICS_OPENMETRICS);
        else
                text_sample(out, s, text_suffix(s->metric), s->metric->kind == METRIC_INFO ? 1 : s->value);
}

static void text_row(const struct metrics *m, size_t at, enum metrics_form form, struct buffer *out)
{
        const struct metric_row *row = &m->rows[at];
        const bool other = row->overflowed && m->table[at].kind != METRIC_GAUGE;
        bool headed = false;
        for (const struct series *s = row->first; s; s = s->next) {
                if (!text_is_shown(m, s))
                        continue;
                if (!headed)
                        text_head(out, &m->table[at], form);
                headed = true;
                text_series(out, s, form);
        }
        if (other && !headed)
                text_head(out, &m->table[at], form);
        if (other)
                text_series(out, row->other, form);
}

void metrics_write(struct metrics *m, enum metrics_form form, struct buffer *out)
{
        m->round++;
        for (struct collector *c = m->collectors; c; c = c->next)
                c->collect(c, m);
        for (size_t i = 0; i < m->table_count; i++)
                text_row(m, i, form, out);
        if (form == METRICS_OPENMETRICS)
                buffer_add_string(out, "# EOF\n");
}
