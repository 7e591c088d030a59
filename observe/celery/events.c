/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/celery/events.h"

#include "core/json.h"
#include "observe/celery/own.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum {
        BEAT_MS = 2000, /* as Celery's */
        FLUSH_MS = 200,
        BATCH_MOST = 64,
};

struct celery_events {
        struct dispatcher dispatcher; /* first */
        struct control *control;
        const char *name;
        bool workers;        /* the worker's own are sent: it is open */
        struct buffer batch; /* events of tasks that wait, a JSON array without its end */
        unsigned batched;
        uv_timer_t beat, flush;
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
        json_write_text(bytes_of_string(e->name), b);
        buffer_addf(b, ",\"utcoffset\":%g,\"pid\":%d,\"clock\":%llu,\"timestamp\":%lld.%06ld,\"type\":\"%s\"",
                    west_of_utc(now.tv_sec), (int)getpid(), (unsigned long long)control_tick(e->control),
                    (long long)now.tv_sec, now.tv_nsec / 1000, type);
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
                BEAT_MS / 1000.0, control_active(e->control), (unsigned long long)control_begun(e->control), load[0],
                load[1], load[2], system.sysname);
        control_publish_event(e->control, routing_key, &b);
        buffer_free(&b);
}

static void celery_events_beat(struct dispatcher *d)
{
        celery_events_say((struct celery_events *)d, "worker-heartbeat", "worker.heartbeat");
}

static void celery_events_on_beat(uv_timer_t *timer)
{
        celery_events_beat((struct dispatcher *)timer->data);
}

static void celery_events_joined(struct dispatcher *d)
{
        struct celery_events *e = (struct celery_events *)d;
        celery_events_say(e, "worker-online", "worker.online");
        if (e->workers)
                uv_timer_start(&e->beat, celery_events_on_beat, BEAT_MS, BEAT_MS);
}

/* ---- those of tasks ---- */

static void celery_events_flush(struct dispatcher *d)
{
        struct celery_events *e = (struct celery_events *)d;
        if (e->batched == 0)
                return;
        uv_timer_stop(&e->flush);
        buffer_add_byte(&e->batch, ']');
        control_publish_event(e->control, "task.multi", &e->batch);
        buffer_reset(&e->batch);
        e->batched = 0;
}

static void celery_events_on_flush(uv_timer_t *timer)
{
        celery_events_flush((struct dispatcher *)timer->data);
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
                celery_events_flush(&e->dispatcher);
        else if (e->batched == 1)
                uv_timer_start(&e->flush, celery_events_on_flush, FLUSH_MS, 0);
}

static void celery_events_tell(struct observer *o, const struct run_event *e)
{
        if (e->ids.id && e->ids.name)
                task_events_add((struct celery_events *)o, e);
}

/* ---- opening and closing ---- */

static void celery_events_started(struct dispatcher *d, struct control *c, uv_loop_t *loop)
{
        struct celery_events *e = (struct celery_events *)d;
        e->control = c;
        e->workers = true;
        uv_timer_init(loop, &e->beat);
        uv_timer_init(loop, &e->flush);
        e->beat.data = e->flush.data = e;
        uv_unref((uv_handle_t *)&e->beat);
}

static void celery_events_stopped(struct dispatcher *d)
{
        struct celery_events *e = (struct celery_events *)d;
        celery_events_flush(d);
        celery_events_say(e, "worker-offline", "worker.offline");
        e->workers = false;
        uv_close((uv_handle_t *)&e->beat, NULL);
        uv_close((uv_handle_t *)&e->flush, NULL);
}

int celery_events_open(struct celery_events **out, const char *name, bool at_once)
{
        struct celery_events *e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        e->name = name;
        e->dispatcher = (struct dispatcher){
                .observer.tell = celery_events_tell,
                .wants = task_events_wanted,
                .at_once = at_once,
                .begin = celery_events_started,
                .joined = celery_events_joined,
                .beat = celery_events_beat,
                .flush = celery_events_flush,
                .end = celery_events_stopped,
        };
        *out = e;
        return 0;
}

struct dispatcher *celery_events_dispatcher(struct celery_events *e)
{
        return &e->dispatcher;
}

void celery_events_close(struct celery_events *e)
{
        if (!e)
                return;
        buffer_free(&e->batch);
        free(e);
}
