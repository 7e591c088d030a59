/* SPDX-License-Identifier: Apache-2.0 */
#include "core/metrics/own.h"

#include "core/text/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_KEY_SIZE = METRIC_MOST_LABELS * METRICS_LABEL_SIZE + 16 };

/* ---- making series ---- */

static void metrics_clean(char *text, bool cut)
{
        utf8_repair(text, cut);
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        *text = '?';
}

/* "ROW\nVALUE\nVALUE…": no value has a line end. Returns its size without the NUL. */
static size_t metrics_key(unsigned metric, const struct metric *row, const char *const values[], char *key)
{
        size_t size = (size_t)snprintf(key, METRICS_KEY_SIZE, "%u", metric);
        bool end = false;
        for (size_t i = 0; i < METRIC_MOST_LABELS && row->labels[i]; i++) {
                end = end || !values[i];
                const char *value = end ? "" : values[i];
                key[size++] = '\n';
                char *at = key + size;
                snprintf(at, METRICS_LABEL_SIZE, "%s", value);
                metrics_clean(at, strlen(value) >= METRICS_LABEL_SIZE);
                size += strlen(at);
        }
        key[size] = '\0';
        return size;
}

/* The values stand in the key's own copy, behind it, each ended by a NUL. */
static struct series *series_new(struct metrics *m, unsigned metric, const char *key, size_t size)
{
        const struct metric *row = &m->table[metric];
        struct series *s = calloc(1, sizeof(*s) + 2 * (size + 1));
        if (!s)
                return NULL;
        s->metric = row;
        s->all = m;
        if (row->kind == METRIC_HISTOGRAM) {
                s->histogram = calloc(1, sizeof(*s->histogram));
                if (!s->histogram) {
                        free(s);
                        return NULL;
                }
                s->histogram->buckets = row->buckets;
        }
        memcpy(s->key, key, size);
        char *at = s->key + size + 1;
        memcpy(at, key, size);
        for (size_t i = 0; i < METRIC_MOST_LABELS && row->labels[i]; i++) {
                at = strchr(at, '\n');
                if (!at)
                        break;
                *at++ = '\0';
                s->values[i] = at;
        }
        return s;
}

static void series_free(struct series *s)
{
        if (!s)
                return;
        free(s->histogram);
        free(s->exemplars);
        free(s);
}

static struct series *metrics_other(struct metrics *m, unsigned metric)
{
        m->refused++;
        m->rows[metric].overflowed = true;
        return m->rows[metric].other;
}

struct series *metrics_series(struct metrics *m, unsigned metric, const char *const values[METRIC_MOST_LABELS])
{
        char key[METRICS_KEY_SIZE];
        struct metric_row *row = &m->rows[metric];
        const size_t size = metrics_key(metric, &m->table[metric], values, key);
        struct series *s = map_get(m->by_key, key);
        if (s) {
                row->overflowed = row->overflowed || s == row->other;
                return s;
        }
        s = row->count < METRICS_MOST_SERIES ? series_new(m, metric, key, size) : NULL;
        if (!s || map_put(m->by_key, s->key, s)) {
                series_free(s);
                return metrics_other(m, metric);
        }
        if (row->last)
                row->last->next = s;
        else
                row->first = s;
        row->last = s;
        row->count++;
        m->count++;
        return s;
}

/* ---- all of them ---- */

/* One that has labels is found by them as well, so that nothing else has the same ones. */
static int metrics_make_others(struct metrics *m)
{
        static const char *const other[METRIC_MOST_LABELS] = { "other", "other", "other", "other" };
        char key[METRICS_KEY_SIZE];
        for (size_t i = 0; i < m->table_count; i++) {
                const size_t size = metrics_key((unsigned)i, &m->table[i], other, key);
                m->rows[i].other = series_new(m, (unsigned)i, key, size);
                if (!m->rows[i].other)
                        return -ENOMEM;
                if (m->table[i].labels[0] && map_put(m->by_key, m->rows[i].other->key, m->rows[i].other))
                        return -ENOMEM;
        }
        return 0;
}

int metrics_new(struct metrics **out, const struct metric *table, size_t count)
{
        struct metrics *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->table = table;
        m->rows = calloc(count, sizeof(*m->rows));
        m->table_count = m->rows ? count : 0;
        if (!m->rows || map_new(&m->by_key) || metrics_make_others(m)) {
                metrics_free(m);
                return -ENOMEM;
        }
        *out = m;
        return 0;
}

void metrics_free(struct metrics *m)
{
        if (!m)
                return;
        for (size_t i = 0; i < m->table_count; i++) {
                series_free(m->rows[i].other);
                for (struct series *s = m->rows[i].first, *next; s; s = next) {
                        next = s->next;
                        series_free(s);
                }
        }
        if (m->by_key)
                map_free(m->by_key);
        free(m->rows);
        free(m);
}

unsigned long metrics_refused(const struct metrics *m)
{
        return m->refused;
}

size_t metrics_count(const struct metrics *m)
{
        return m->count;
}

void metrics_collect_by(struct metrics *m, struct collector *c)
{
        struct collector **end = &m->collectors;
        while (*end)
                end = &(*end)->next;
        *end = c;
        c->next = NULL;
}

/* ---- values ---- */

void series_add(struct series *s, double value)
{
        s->value += value;
}

void series_set(struct series *s, double value)
{
        s->value = value;
        s->round = s->all->round;
}

static void series_keep_exemplar(struct series *s, size_t bucket, double value, const char *trace_id, int64_t wall_ms)
{
        if (!s->exemplars)
                s->exemplars = calloc(HISTOGRAM_MOST + 1, sizeof(*s->exemplars));
        if (!s->exemplars)
                return;
        struct exemplar *e = &s->exemplars[bucket];
        memcpy(e->trace_id, trace_id, METRICS_TRACE_SIZE - 1);
        e->trace_id[METRICS_TRACE_SIZE - 1] = '\0';
        e->value = value;
        e->wall_ms = wall_ms;
}

void series_observe(struct series *s, double value, const char *trace_id, int64_t wall_ms)
{
        const size_t bucket = histogram_add(s->histogram, value);
        if (trace_id)
                series_keep_exemplar(s, bucket, value, trace_id, wall_ms);
}

void series_copy(struct series *s, const struct histogram *h)
{
        if (h->buckets)
                *s->histogram = *h;
}

double series_value(const struct series *s)
{
        if (!s->histogram)
                return s->value;
        uint64_t count = 0;
        for (size_t i = 0; i <= s->histogram->buckets->count; i++)
                count += s->histogram->counts[i];
        return (double)count;
}
