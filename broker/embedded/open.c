/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing, and one turn of the loop. */
#include "broker/embedded/embedded.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often it is looked for processes that ended without a word. */
enum { LOOK_MS = 500 };

static void free_broker(struct embedded *b)
{
        if (b->lock_fd >= 0)
                close(b->lock_fd);
        for (size_t i = 0; i < b->consumer_count; i++)
                free(b->consumers[i]);
        free((void *)b->consumers);
        free(b->fetch.asks);
        free(b->peek.asks);
        free(b->path);
        held_free(&b->held);
        router_free(&b->router);
        free(b);
}

/* ---- one turn of the loop ---- */

static bool embedded_open_differs(const struct broker_health *a, const struct broker_health *b)
{
        return a->state != b->state || a->connected != b->connected || a->consumers_wanted != b->consumers_wanted ||
               a->consumers_registered != b->consumers_registered || a->publisher_up != b->publisher_up ||
               strcmp(a->why, b->why) != 0;
}

void embedded_tell(struct embedded *b)
{
        struct broker_health now;
        embedded_health(&b->base, &now);
        if (!embedded_open_differs(&now, &b->told))
                return;
        b->told = now;
        if (b->listener.changed)
                b->listener.changed(&now, b->listener.arg);
}

void embedded_hand_over(struct embedded *b)
{
        embedded_settle(b);
        embedded_fetch(b);
}

static void embedded_open_on_turn(uv_idle_t *turn)
{
        struct embedded *b = turn->data;
        uv_idle_stop(turn);
        embedded_hand_over(b);
        embedded_tell(b);
}

void embedded_turn(struct embedded *b)
{
        if (!b->closed)
                uv_idle_start(&b->turn, embedded_open_on_turn);
}

static void embedded_open_on_timer(uv_timer_t *timer)
{
        embedded_session_look(timer->data);
}

/* ---- what the file tells ---- */

static void embedded_open_on_changed(bool up, const char *why, void *arg)
{
        struct embedded *b = arg;
        b->blocked = !up;
        snprintf(b->blocked_why, sizeof(b->blocked_why), "%s", why);
        if (up)
                log_info("broker", "file=%s can be written again", b->path);
        else
                log_warn("broker", "file=%s nothing moves: %s", b->path, why);
        embedded_tell(b);
}

static void embedded_open_on_touched(void *arg)
{
        embedded_peek(arg);
}

static int embedded_open_prepare(sqlite3 *db, void *arg)
{
        struct embedded *b = arg;
        int code = embedded_session_open(b, db);
        if (!code)
                code = embedded_declare(db, b->topology);
        return code ? code : embedded_session_start(b, db);
}

/* ---- opening ---- */

/* "embedded:FILE", also with the slashes that people are used to. */
static char *embedded_open_path_of(const char *url)
{
        return strdup(strchr(url, ':') + 1);
}

static int embedded_open_file(struct embedded *b, const struct broker_config *config, struct problem *why)
{
        const struct sqlite_part part = { "broker", embedded_sqlite_broker, embedded_sqlite_broker_count };
        const struct sqlite_config file = { .loop = config->loop,
                                            .path = b->path,
                                            .part = &part,
                                            .timeout_ms = config->connect_timeout_ms,
                                            .migrate = true,
                                            .prepare = embedded_open_prepare,
                                            .changed = embedded_open_on_changed,
                                            .touched = embedded_open_on_touched,
                                            .arg = b,
                                            .counts = &b->base.counts };
        const int result = sqlite_file_open(&b->file, &file, why);
        if (result == 1)
                snprintf(why->source, sizeof(why->source), "broker");
        return result;
}

static void embedded_open_start(struct embedded *b, uv_loop_t *loop)
{
        uv_idle_init(loop, &b->turn);
        uv_timer_init(loop, &b->timer);
        b->turn.data = b->timer.data = b;
        b->uv_handles = 2;
        uv_timer_start(&b->timer, embedded_open_on_timer, LOOK_MS, LOOK_MS);
        b->told.state = BROKER_DOWN;
        embedded_turn(b); /* to tell that it is up */
}

int embedded_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                  struct problem *why)
{
        struct problem unheard;
        int result = config->meanwhile ? config->meanwhile(config->meanwhile_arg, why) : 0;
        if (result)
                return result;
        struct embedded *b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->base.backend = &embedded_backend;
        b->listener = *listener;
        b->topology = config->topology;
        b->name = config->name ? config->name : "";
        b->lock_fd = -1;
        b->path = embedded_open_path_of(config->urls);
        result = b->path ? embedded_open_file(b, config, why ? why : &unheard) : -ENOMEM;
        b->topology = NULL;
        b->name = NULL;
        if (result) {
                free_broker(b);
                return result;
        }
        embedded_open_start(b, config->loop);
        *out = &b->base;
        return 0;
}

/* ---- closing ---- */

static void embedded_open_on_uv_closed(uv_handle_t *handle)
{
        struct embedded *b = handle->data;
        if (--b->uv_handles == 0)
                free_broker(b);
}

/* Acks go first, then whatever is still unacked goes back. A callback further up may still look whether we are closed: the memory stays
 * until the loop turns. */
void embedded_close(struct broker *broker)
{
        struct embedded *b = (struct embedded *)broker;
        embedded_settle(b);
        embedded_session_end(b);
        b->closed = true;
        sqlite_file_close(b->file);
        close(b->lock_fd);
        b->lock_fd = -1;
        uv_close((uv_handle_t *)&b->turn, embedded_open_on_uv_closed);
        uv_close((uv_handle_t *)&b->timer, embedded_open_on_uv_closed);
}
