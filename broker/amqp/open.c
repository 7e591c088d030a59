/* SPDX-License-Identifier: Apache-2.0 */
/* A broker's beginning and end. */
#include "broker/amqp/amqp.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/thread/work.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { CLOSE_MS = 1000 };

/* ---- the end ---- */

static void free_publishings(struct publishing *p, bool with_message)
{
        while (p) {
                struct publishing *next = with_message ? p->earlier : p->later;
                if (with_message)
                        message_free(p->message);
                free(p);
                p = next;
        }
}

static void config_free(struct amqp_link_config *c)
{
        amqp_address_list_free(&c->addresses);
        free(c->ca_file);
        free(c->name);
}

/* The last user frees. */
void amqp_leave(struct amqp_broker *b)
{
        if (atomic_fetch_sub(&b->users, 1) != 1)
                return;
        if (b->reports)
                amqp_take_reports(b, true);
        free_publishings(b->open_publishings, true);
        free_publishings(b->spare, false);
        free(b->stop);
        free(b->settling);
        free(b->queues);
        consumer_free(&b->consumer);
        publisher_free(&b->publisher);
        mailbox_free(b->reports);
        config_free(&b->config);
        absence_destroy(&b->absence);
        free(b);
}

void amqp_stay(struct amqp_broker *b)
{
        atomic_fetch_add(&b->users, 1);
}

static void *run_consumer(void *arg)
{
        struct amqp_broker *b = arg;
        consumer_main(&b->consumer);
        amqp_leave(b);
        return NULL;
}

static void *run_publisher(void *arg)
{
        struct amqp_broker *b = arg;
        publisher_main(&b->publisher);
        amqp_leave(b);
        return NULL;
}

static void tell_to_stop(struct amqp_broker *b)
{
        amqp_hand_out(b);
        mailbox_put(b->consumer.io.box, &b->stop->mail);
        b->stop = NULL; /* freed by who obeys it */
        mailbox_put(b->publisher.io.box, &b->publisher.stop.mail);
}

/* Wait for the threads, and for what they still report. Returns false when time was over first. */
static bool await_threads(struct amqp_broker *b)
{
        const uint64_t deadline = clock_mono_ms() + CLOSE_MS;
        unsigned left = (unsigned)b->consumer.io.started + b->publisher.io.started;
        for (;;) {
                left -= amqp_take_reports(b, true);
                const uint64_t now = clock_mono_ms();
                if (left == 0 || now >= deadline)
                        return left == 0;
                struct pollfd reports = { .fd = mailbox_fd(b->reports), .events = POLLIN };
                poll(&reports, 1, (int)(deadline - now));
        }
}

static void end_thread(struct io_thread *s, bool ended)
{
        if (!s->started)
                return;
        if (ended)
                pthread_join(s->thread, NULL);
        else
                pthread_detach(s->thread);
}

/* What was not confirmed may or may not have arrived. Its message may still be in use by a thread that hangs. */
static void close_publishes(struct amqp_broker *b)
{
        for (struct publishing *p = b->open_publishings; p; p = p->earlier) {
                publish_done *done = p->done;
                p->done = NULL;
                if (done)
                        done(PUBLISH_CLOSED, p->arg);
        }
}

void amqp_broker_close(struct broker *broker)
{
        struct amqp_broker *b = (struct amqp_broker *)broker;
        tell_to_stop(b);
        const bool ended = await_threads(b);
        amqp_unwatch(b);
        end_thread(&b->consumer.io, ended);
        end_thread(&b->publisher.io, ended);
        close_publishes(b);
        amqp_depths_close(b);
        amqp_leave(b);
}

/* ---- the beginning ---- */

static char *amqp_open_copy(const char *text)
{
        return text && *text ? strdup(text) : NULL;
}

static int amqp_open_configure(struct amqp_broker *b, const struct broker_config *c, struct problem *why)
{
        const int result = amqp_address_list_parse(&b->config.addresses, c->urls, why);
        if (result)
                return result;
        b->config.ca_file = amqp_open_copy(c->ca_file);
        b->config.name = amqp_open_copy(c->name);
        b->config.heartbeat_s = c->heartbeat_s > UINT16_MAX ? UINT16_MAX : c->heartbeat_s;
        b->config.connect_timeout_ms = c->connect_timeout_ms ? c->connect_timeout_ms : 10000;
        b->consumer.topology = c->topology;
        return 0;
}

/* Each address once; they share the time. Of several refusals the one that says most is told: a broker that was reached. */
static int connect_once(struct amqp_broker *b, struct problem *why)
{
        const unsigned count = (unsigned)b->config.addresses.count;
        struct problem told = { .code = "" };
        for (unsigned i = 0; i < count; i++) {
                struct problem one = { .code = "" };
                if (consumer_connect(&b->consumer, b->config.connect_timeout_ms / count + 1, &one) == 0)
                        return 0;
                if (i == 0 || strcmp(one.code, "unreachable") != 0)
                        told = one;
        }
        return problem_set(why, told.source, told.code, "%s", told.text);
}

struct connecting {
        struct amqp_broker *broker;
        struct problem why;
        int result;
};

static void *run_connect(void *arg)
{
        struct connecting *c = arg;
        c->result = connect_once(c->broker, &c->why);
        return NULL;
}

static int connect_meanwhile(struct amqp_broker *b, const struct broker_config *config, struct problem *why)
{
        struct connecting c = { .broker = b };
        pthread_t thread;
        int result = config->meanwhile ? thread_start(&thread, run_connect, &c) : 0;
        if (result)
                return result;
        if (config->meanwhile) {
                result = config->meanwhile(config->meanwhile_arg, why);
                pthread_join(thread, NULL);
        } else {
                run_connect(&c);
        }
        if (result == 0 && c.result != 0) {
                result = c.result;
                if (why)
                        *why = c.why;
        }
        return result;
}

static int amqp_open_thread(struct amqp_broker *b, struct io_thread *s, void *(*main)(void *))
{
        amqp_stay(b);
        const int result = io_thread_start(s, main, b);
        if (result)
                atomic_fetch_sub(&b->users, 1);
        return result;
}

static int amqp_open_start(struct amqp_broker *b, uv_loop_t *loop)
{
        int result = amqp_watch(b, loop);
        b->publisher.io.next_address = b->consumer.io.next_address;
        if (!result)
                result = amqp_open_thread(b, &b->consumer.io, run_consumer);
        if (!result)
                result = amqp_open_thread(b, &b->publisher.io, run_publisher);
        return result;
}

static int amqp_open_prepare(struct amqp_broker *b)
{
        b->stop = calloc(1, sizeof(*b->stop));
        if (!b->stop)
                return -ENOMEM;
        b->stop->kind = ORDER_STOP;
        int result = mailbox_new(&b->reports);
        if (!result)
                result = io_thread_init(&b->consumer.io, &b->config, "consume", b->reports);
        if (!result)
                result = io_thread_init(&b->publisher.io, &b->config, "publish", b->reports);
        b->consumer.io.absence = b->publisher.io.absence = &b->absence;
        b->consumer.io.part = 1;
        b->publisher.io.part = 2;
        return result;
}

int amqp_broker_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                     struct problem *why)
{
        struct amqp_broker *b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->base.backend = &amqp_backend;
        b->listener = *listener;
        absence_init(&b->absence, "broker", "broker", "");
        atomic_store(&b->users, 1);
        int result = amqp_open_prepare(b);
        if (!result)
                result = amqp_open_configure(b, config, why);
        if (!result)
                result = connect_meanwhile(b, config, why);
        if (result) {
                amqp_leave(b);
                return result;
        }
        log_info("broker", "connected to %s", b->consumer.io.link.peer);
        result = amqp_open_start(b, config->loop);
        if (result) {
                amqp_broker_close(&b->base);
                return result;
        }
        *out = &b->base;
        return 0;
}
