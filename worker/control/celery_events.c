/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/control/control.h"

#include "core/json.h"
#include "message/message.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum {
        BEAT_MS = 2000, /* as Celery's */
        FLUSH_MS = 200,
        BATCH_MOST = 64,
};

/* ---- what every event has ---- */

/* Hours west of UTC, daylight saving counted in. */
static double west_of_utc(time_t now)
{
        struct tm local;
        return localtime_r(&now, &local) ? (double)-local.tm_gmtoff / 3600 : 0;
}

static void celery_events_head(struct celery_events *e, struct buffer *b, const char *type)
{
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        buffer_add_string(b, "{\"hostname\":");
        json_write_text(bytes_of_string(e->control->worker->config->name), b);
        buffer_addf(b, ",\"utcoffset\":%g,\"pid\":%d,\"clock\":%llu,\"timestamp\":%lld.%06ld,\"type\":\"%s\"",
                    west_of_utc(now.tv_sec), (int)getpid(), (unsigned long long)control_tick(e->control),
                    (long long)now.tv_sec, now.tv_nsec / 1000, type);
}

static void celery_events_publish(struct celery_events *e, const char *routing_key, const struct buffer *body)
{
        struct buffer headers = { 0 };
        header_add_text(&headers, "hostname", bytes_of_string(e->control->worker->config->name));
        control_publish(e->control, e->control->bus.events, routing_key, &headers, body);
}

/* ---- the worker's own ---- */

static void celery_events_say(struct celery_events *e, const char *type, const char *routing_key)
{
        struct utsname system = { .sysname = "" };
        struct buffer b = { 0 };
        double load[3] = { 0 };
        if (!e->workers)
                return;
        uname(&system);
        getloadavg(load, 3);
        celery_events_head(e, &b, type);
        buffer_addf(
                &b,
                ",\"freq\":%g,\"active\":%zu,\"processed\":%llu,\"loadavg\":[%.2f,%.2f,%.2f],\"sw_ident\":\"chard\","
                "\"sw_ver\":\"" CHARD_VERSION "\",\"sw_sys\":\"%s\"}",
                BEAT_MS / 1000.0, control_active(e->control), (unsigned long long)e->control->total, load[0], load[1],
                load[2], system.sysname);
        celery_events_publish(e, routing_key, &b);
        buffer_free(&b);
}

void celery_events_heartbeat(struct celery_events *e)
{
        celery_events_say(e, "worker-heartbeat", "worker.heartbeat");
}

static void on_beat(uv_timer_t *timer)
{
        celery_events_heartbeat((struct celery_events *)timer->data);
}

void celery_events_joined(struct celery_events *e)
{
        celery_events_say(e, "worker-online", "worker.online");
        if (e->workers)
                uv_timer_start(&e->beat, on_beat, BEAT_MS, BEAT_MS);
}

/* ---- those of tasks ---- */

static void on_flush(uv_timer_t *timer)
{
        celery_events_flush((struct celery_events *)timer->data);
}

void celery_events_flush(struct celery_events *e)
{
        if (e->batched == 0)
                return;
        uv_timer_stop(&e->flush);
        buffer_add_byte(&e->batch, ']');
        celery_events_publish(e, "task.multi", &e->batch);
        buffer_reset(&e->batch);
        e->batched = 0;
}

struct buffer *celery_events_begin(struct celery_events *e, const char *type, const char *task_id)
{
        buffer_add_byte(&e->batch, e->batched ? ',' : '[');
        celery_events_head(e, &e->batch, type);
        celery_events_text(&e->batch, "uuid", task_id);
        return &e->batch;
}

void celery_events_bytes(struct buffer *b, const char *key, struct bytes text)
{
        buffer_addf(b, ",\"%s\":", key);
        json_write_text(text, b);
}

void celery_events_text(struct buffer *b, const char *key, const char *text)
{
        if (text)
                celery_events_bytes(b, key, bytes_of_string(text));
        else
                buffer_addf(b, ",\"%s\":null", key);
}

void celery_events_end(struct celery_events *e)
{
        buffer_add_byte(&e->batch, '}');
        e->batched++;
        if (e->batched >= BATCH_MOST)
                celery_events_flush(e);
        else if (e->batched == 1)
                uv_timer_start(&e->flush, on_flush, FLUSH_MS, 0);
}

/* ---- opening and closing ---- */

void celery_events_open(struct celery_events *e, struct control *c)
{
        const struct worker *w = c->worker;
        *e = (struct celery_events){ .control = c, .workers = w->config->events != WORKER_EVENTS_OFF };
        uv_timer_init(w->loop, &e->beat);
        uv_timer_init(w->loop, &e->flush);
        e->beat.data = e->flush.data = e;
        uv_unref((uv_handle_t *)&e->beat);
}

void celery_events_close(struct celery_events *e)
{
        celery_events_flush(e);
        celery_events_say(e, "worker-offline", "worker.offline");
        e->workers = false;
        uv_close((uv_handle_t *)&e->beat, NULL);
        uv_close((uv_handle_t *)&e->flush, NULL);
}

void celery_events_free(struct celery_events *e)
{
        buffer_free(&e->batch);
}
