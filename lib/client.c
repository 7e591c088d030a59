/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, and the loop thread between. */
#include "core/clock.h"
#include "core/json.h"
#include "lib/handle.h"
#include "lib/redis.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* How long a queue for results outlives its connection: long enough to reconnect, short enough to leave nothing behind. */
enum { REPLY_EXPIRES_MS = 60000, REPLY_PREFETCH = 1000 };

static void *client_run(void *arg);

/* ---- waiting ---- */

uint64_t client_until(long timeout_ms)
{
        return timeout_ms < 0 ? 0 : clock_mono_ms() + (uint64_t)timeout_ms;
}

bool client_wait(struct chard *c, uint64_t until_ms)
{
        if (until_ms == 0)
                return pthread_cond_wait(&c->changed, &c->lock) == 0;
        const struct timespec until = { (time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000L };
        return pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0;
}

int client_is_ours(const struct chard *c, struct chard_error *why)
{
        return c->pid == getpid() ? CHARD_OK
                                  : lib_fail(why, CHARD_BAD_ARGUMENT, "forked",
                                             "another process opened this handle: open one of your own after fork()");
}

void client_enter(struct chard *c)
{
        pthread_mutex_lock(&c->lock);
        c->callers++;
        pthread_mutex_unlock(&c->lock);
}

void client_leave(struct chard *c)
{
        pthread_mutex_lock(&c->lock);
        c->callers--;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}

/* ---- opening ---- */

static char *client_copy_or(const char *text, const char *otherwise)
{
        return strdup(text ? text : otherwise);
}

static int client_configure(struct chard *c, const struct chard_options *o)
{
        char host[64] = "localhost";
        gethostname(host, sizeof(host) - 1);
        snprintf(c->origin, sizeof(c->origin), "gen%ld@%s", (long)getpid(), host);
        c->urls = client_copy_or(o->broker, "");
        c->ca_file = o->ca_file ? strdup(o->ca_file) : NULL;
        c->name = client_copy_or(o->name, "libchard");
        c->config = (struct broker_config){
                .loop = &c->loop,
                .urls = c->urls,
                .ca_file = c->ca_file,
                .name = c->name,
                .heartbeat_s = o->heartbeat_s ? o->heartbeat_s : 10,
                .connect_timeout_ms = o->connect_timeout_ms ? o->connect_timeout_ms : 5000,
        };
        return c->urls && c->name && (c->ca_file || !o->ca_file) && map_new(&c->expected) == 0 ? 0 : -ENOMEM;
}

static void client_use_reply_queue(struct chard *c)
{
        id_new(c->reply_to);
        c->reply_row =
                (struct topology_row){ .kind = TOPOLOGY_QUEUE, .name = c->reply_to, .expires_ms = REPLY_EXPIRES_MS };
        c->topology = (struct topology){ &c->reply_row, 1 };
        c->config.topology = &c->topology;
}

static int client_choose_results(struct chard *c, const struct chard_options *o, struct chard_error *why)
{
        if (!o->results || !*o->results)
                return CHARD_OK;
        if (strcmp(o->results, "rpc://") == 0) {
                client_use_reply_queue(c);
                return CHARD_OK;
        }
        return lib_redis_new(&c->redis, o->results, o->results_expire_s ? o->results_expire_s : 86400, why);
}

static int client_code_of(const struct problem *why)
{
        static const struct {
                const char *name;
                int code;
        } known[] = { { "bad_url", CHARD_BAD_ARGUMENT },
                      { "access_refused", CHARD_ACCESS },
                      { "precondition_failed", CHARD_REFUSED } };
        for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
                if (strcmp(known[i].name, why->code) == 0)
                        return known[i].code;
        return CHARD_UNREACHABLE;
}

/* The broker's threads begin on this one, so they have its blocked signals. */
static int client_start(struct chard *c, struct chard_error *why)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        const int failed = pthread_create(&c->thread, NULL, client_run, c);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (failed)
                return lib_fail(why, CHARD_NO_MEMORY, "no_thread", "no thread could be started: %s", strerror(failed));
        pthread_mutex_lock(&c->lock);
        while (c->state == CLIENT_OPENING)
                client_wait(c, 0);
        pthread_mutex_unlock(&c->lock);
        if (c->state == CLIENT_OPEN)
                return CHARD_OK;
        pthread_join(c->thread, NULL);
        if (why)
                *why = c->open_error;
        return c->open_error.code;
}

static struct chard *client_allocate(void)
{
        pthread_condattr_t monotonic;
        struct chard *c = calloc(1, sizeof(*c));
        if (!c)
                return NULL;
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&c->changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
        pthread_mutex_init(&c->lock, NULL);
        c->waiting_end = &c->waiting;
        c->pid = getpid();
        return c;
}

static void client_release(struct chard *c)
{
        expect_free(c);
        lib_redis_free(c->redis);
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        free(c->urls);
        free(c->ca_file);
        free(c->name);
        free(c);
}

int chard_open(struct chard **out, const struct chard_options *options, struct chard_error *why)
{
        if (!out)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_options", "there is no place for the handle");
        *out = NULL;
        if (options && options->size > sizeof(*options))
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_options",
                                "the options are those of a newer libchard than %s", chard_version());
        if (!options || options->size != sizeof(*options))
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_options",
                                "the options must begin with their size: CHARD_OPTIONS_INIT sets it");
        if (!options->broker || !*options->broker)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_url", "the options name no broker");
        struct chard *c = client_allocate();
        if (!c)
                return lib_no_memory(why);
        int code = client_configure(c, options) == 0 ? client_choose_results(c, options, why) : lib_no_memory(why);
        if (code == CHARD_OK)
                code = client_start(c, why);
        if (code == CHARD_OK)
                *out = c;
        else
                client_release(c);
        return code;
}

void chard_close(struct chard *c)
{
        if (!c || client_is_ours(c, NULL) != CHARD_OK)
                return;
        pthread_mutex_lock(&c->lock);
        c->state = CLIENT_CLOSING;
        pthread_cond_broadcast(&c->changed);
        uv_async_send(&c->wake);
        while (c->callers > 0)
                client_wait(c, 0);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
        client_release(c);
}

/* ---- the loop thread ---- */

static void client_on_published(enum publish_result result, void *arg);
static void client_on_replies(struct delivery *list_takes, void *arg);

/* What a message was published for. */
struct sent {
        struct chard *client;
        struct lib_batch *batch;
};

static void client_let_go(struct chard *c, struct lib_batch *b)
{
        pthread_mutex_lock(&c->lock);
        const bool last = --b->users == 0;
        pthread_mutex_unlock(&c->lock);
        if (last)
                free(b);
}

/* One message of it is done with. */
static void client_settle(struct chard *c, struct lib_batch *b, enum publish_result result)
{
        pthread_mutex_lock(&c->lock);
        if (result != PUBLISH_CONFIRMED && (b->worst == PUBLISH_CONFIRMED || result == PUBLISH_CLOSED))
                b->worst = result;
        b->open--;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}

static void client_on_published(enum publish_result result, void *arg)
{
        const struct sent s = *(struct sent *)arg;
        free(arg);
        client_settle(s.client, s.batch, result);
        client_let_go(s.client, s.batch);
}

static void client_publish(struct chard *c, struct lib_batch *b, struct message *takes)
{
        struct sent *s = c->broker ? malloc(sizeof(*s)) : NULL;
        if (!s) {
                message_free(takes);
                client_settle(c, b, c->broker ? PUBLISH_REFUSED : PUBLISH_CLOSED);
                return;
        }
        *s = (struct sent){ c, b };
        pthread_mutex_lock(&c->lock);
        b->users++;
        pthread_mutex_unlock(&c->lock);
        broker_publish(c->broker, takes, client_on_published, s);
}

static void client_publish_batch(struct chard *c, struct lib_batch *b)
{
        struct message *m = b->messages;
        b->messages = NULL;
        while (m) {
                struct message *next = m->next;
                m->next = NULL;
                client_publish(c, b, m);
                m = next;
        }
        client_let_go(c, b);
}

static void client_close_broker(struct chard *c)
{
        if (c->broker)
                broker_close(c->broker); /* answers what is open */
        c->broker = NULL;
}

/* The loop ends then. */
static void client_let_go_of_servers(struct chard *c)
{
        client_close_broker(c);
        if (c->redis)
                lib_redis_stop(c);
        uv_close((uv_handle_t *)&c->wake, NULL);
}

static void client_on_wake(uv_async_t *wake)
{
        struct chard *c = (struct chard *)wake->data;
        pthread_mutex_lock(&c->lock);
        struct lib_batch *list = c->waiting;
        const bool closing = c->state == CLIENT_CLOSING;
        c->waiting = NULL;
        c->waiting_end = &c->waiting;
        pthread_mutex_unlock(&c->lock);
        if (closing)
                client_close_broker(c);
        while (list) {
                struct lib_batch *next = list->next;
                client_publish_batch(c, list);
                list = next;
        }
        if (c->redis)
                lib_redis_flush(c);
        if (closing)
                client_let_go_of_servers(c);
}

/* A result as Celery's rpc backend sends it; what is none, or comes unasked, is passed over. */
static void client_take_reply(struct chard *c, const struct delivery *d)
{
        json_t *meta = NULL;
        if (json_parse(d->body, "result", &meta, NULL) != 0)
                return;
        pthread_mutex_lock(&c->lock);
        if (result_is_final(meta))
                expect_note(c, json_text(meta, "task_id", ""), meta);
        json_decref(meta); /* within the lock, as all that is in the table */
        pthread_mutex_unlock(&c->lock);
}

static void client_on_replies(struct delivery *list_takes, void *arg)
{
        struct chard *c = (struct chard *)arg;
        while (list_takes) {
                struct delivery *next = list_takes->next;
                client_take_reply(c, list_takes);
                broker_ack(c->broker, list_takes->tag);
                delivery_free(list_takes);
                list_takes = next;
        }
}

static int client_connect_broker(struct chard *c)
{
        const struct broker_listener listener = { .arg = c, .deliveries = client_on_replies };
        struct problem why = { 0 };
        int rc = broker_open(&c->broker, &c->config, &listener, &why);
        if (rc == 0 && *c->reply_to)
                rc = broker_consume(c->broker, c->reply_to, REPLY_PREFETCH);
        if (rc < 0)
                return lib_no_memory(&c->open_error);
        return rc > 0 ? lib_fail_problem(&c->open_error, client_code_of(&why), &why) : CHARD_OK;
}

static void client_become(struct chard *c, enum client_state state)
{
        pthread_mutex_lock(&c->lock);
        c->state = state;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}

static void *client_run(void *arg)
{
        struct chard *c = (struct chard *)arg;
        uv_loop_init(&c->loop);
        uv_async_init(&c->loop, &c->wake, client_on_wake);
        c->wake.data = c;
        int code = c->redis ? lib_redis_start(c, &c->open_error) : CHARD_OK;
        if (code == CHARD_OK)
                code = client_connect_broker(c);
        if (code == CHARD_OK)
                client_become(c, CLIENT_OPEN);
        else
                client_let_go_of_servers(c);
        while (uv_run(&c->loop, UV_RUN_DEFAULT) != 0)
                ;
        uv_loop_close(&c->loop);
        if (code != CHARD_OK)
                client_become(c, CLIENT_FAILED);
        return NULL;
}
