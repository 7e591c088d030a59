/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/otlp/logs.h"

#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        LOGS_MOST_BYTES = 1 << 20, /* between two turns of the loop */
        LOGS_MOST_PAIRS = LOG_FIELDS + 2,
        LOGS_NAME_SIZE = 64,
};

struct otlp_logs {
        struct otlp *otlp;
        uv_async_t news;
        pthread_mutex_t lock; /* of what follows */
        struct buffer lines;  /* encoded */
        size_t count, lost;
        bool no_memory; /* was why some of those are lost */
};

/* ---- a line, on any thread ---- */

struct logs_pairs {
        struct otlp_pair all[LOGS_MOST_PAIRS];
        char names[LOGS_MOST_PAIRS][LOGS_NAME_SIZE];
        size_t count;
};

static void logs_add_pair(struct logs_pairs *p, const char *name, const char *text, bool number)
{
        if (*text && p->count < LOGS_MOST_PAIRS)
                p->all[p->count++] = (struct otlp_pair){ name, text, number };
}

/* The id of a task is what spans call a message's. */
static void logs_add_field(struct logs_pairs *p, const struct log_field *f)
{
        if (strcmp(f->name, "task") == 0) {
                logs_add_pair(p, otlp_names[NAME_MESSAGE_ID], f->value, false);
                return;
        }
        char *name = p->names[p->count < LOGS_MOST_PAIRS ? p->count : 0];
        snprintf(name, LOGS_NAME_SIZE, "chard.%.50s", f->name);
        logs_add_pair(p, name, f->value, f->number);
}

static unsigned logs_severity(enum log_level level)
{
        static const unsigned severities[] = { [LOG_DEBUG] = 5, [LOG_INFO] = 9, [LOG_WARN] = 13, [LOG_ERROR] = 17 };
        return severities[level];
}

static void logs_encode(struct buffer *out, enum log_level level, const struct log_parts *parts)
{
        struct logs_pairs pairs;
        pairs.count = 0;
        logs_add_pair(&pairs, otlp_names[NAME_AREA], parts->where, false);
        for (size_t i = 0; i < parts->fields->count; i++)
                logs_add_field(&pairs, &parts->fields->all[i]);
        logs_add_pair(&pairs, otlp_names[NAME_CONVERSATION], parts->ids->job, false);
        otlp_add_record(out, &(struct otlp_record){ .at_us = clock_wall_us(),
                                                    .severity = logs_severity(level),
                                                    .severity_text = parts->level,
                                                    .body = parts->text,
                                                    .trace = parts->ids->trace_id,
                                                    .span = parts->ids->span_id,
                                                    .pairs = pairs.all,
                                                    .pair_count = pairs.count });
}

static void logs_on_line(enum log_level level, const struct log_parts *parts, void *arg)
{
        struct otlp_logs *l = (struct otlp_logs *)arg;
        pthread_mutex_lock(&l->lock);
        const size_t before = l->lines.size;
        const bool first = l->count + l->lost == 0;
        if (before < LOGS_MOST_BYTES)
                logs_encode(&l->lines, level, parts);
        if (before >= LOGS_MOST_BYTES || l->lines.failed) {
                l->no_memory = l->no_memory || l->lines.failed;
                l->lines.failed = false;
                l->lines.size = before;
                l->lost++;
        } else {
                l->count++;
        }
        pthread_mutex_unlock(&l->lock);
        if (first)
                uv_async_send(&l->news);
}

/* ---- on the loop ---- */

static void logs_hand_over(struct otlp_logs *l)
{
        pthread_mutex_lock(&l->lock);
        struct buffer lines = l->lines;
        const size_t count = l->count, lost = l->lost;
        const bool no_memory = l->no_memory;
        l->lines = (struct buffer){ 0 };
        l->no_memory = false;
        l->count = l->lost = 0;
        pthread_mutex_unlock(&l->lock);
        if (count)
                otlp_add_encoded(l->otlp, buffer_view(&lines), count); /* may log: not under the lock */
        if (lost)
                otlp_lose(l->otlp, lost, no_memory);
        buffer_free(&lines);
}

static void logs_on_news(uv_async_t *news)
{
        logs_hand_over(news->data);
}

int otlp_logs_open(struct otlp_logs **out, uv_loop_t *loop, struct otlp *otlp)
{
        struct otlp_logs *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        const int code = uv_async_init(loop, &l->news, logs_on_news);
        if (code) {
                free(l);
                return code;
        }
        l->otlp = otlp;
        l->news.data = l;
        uv_unref((uv_handle_t *)&l->news);
        pthread_mutex_init(&l->lock, NULL);
        log_tap_by(logs_on_line, l);
        *out = l;
        return 0;
}

static void logs_on_closed(uv_handle_t *handle)
{
        struct otlp_logs *l = handle->data;
        pthread_mutex_destroy(&l->lock);
        buffer_free(&l->lines);
        free(l);
}

void otlp_logs_close(struct otlp_logs *l)
{
        if (!l)
                return;
        log_tap_by(NULL, NULL);
        logs_hand_over(l);
        uv_close((uv_handle_t *)&l->news, logs_on_closed);
}
