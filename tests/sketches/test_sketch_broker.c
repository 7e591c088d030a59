/* SPDX-License-Identifier: Apache-2.0 */
/* A sketch: how somebody new adds a third broker. It is this one file, in broker/: here a broker in memory, each queue of which is a list.
 * Its URL is "memory:". Everything else reaches it through broker.h alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/broker.h"

#include <stdlib.h>
#include <string.h>

/* ---- the backend ---- */

struct memory_broker {
        struct broker broker; /* first: the door sees it */
        struct broker_listener listener;
        uv_idle_t turn;
        const char *queue; /* the one that is consumed */
        unsigned unacked, prefetch;
        struct message *first, **last; /* its messages; messages for other queues are returned */
        uint64_t number;
        publish_done *done; /* of the publish that waits for the next turn */
        void *done_arg;
        enum publish_result result;
};

/* Deliver one, and confirm one, from the loop: never from inside a call. */
static void memory_on_turn(uv_idle_t *turn)
{
        struct memory_broker *b = (struct memory_broker *)turn->data;
        publish_done *done = b->done;
        b->done = NULL;
        if (done)
                done(b->result, b->done_arg);
        struct message *m = b->first;
        if (!m || !b->queue || b->unacked == b->prefetch)
                return;
        struct delivery *d = calloc(1, sizeof(*d) + m->body.size);
        assert_non_null(d);
        *d = (struct delivery){
                .tag = { .number = ++b->number }, .queue = b->queue, .exchange = "", .routing_key = b->queue
        };
        d->body = bytes_of(memcpy(d + 1, m->body.data, m->body.size), m->body.size);
        b->first = m->next;
        if (!b->first)
                b->last = &b->first;
        message_free(m);
        b->unacked++;
        b->listener.deliveries(d, b->listener.arg);
}

static int memory_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                       struct problem *why);

static int memory_consume(struct broker *broker, const char *queue, unsigned prefetch)
{
        struct memory_broker *b = (struct memory_broker *)broker;
        b->queue = queue;
        b->prefetch = prefetch;
        return 0;
}

static void memory_cancel(struct broker *broker)
{
        ((struct memory_broker *)broker)->queue = NULL;
}

static void memory_publish(struct broker *broker, struct message *takes, publish_done *done, void *arg)
{
        struct memory_broker *b = (struct memory_broker *)broker;
        const bool known = b->queue && strcmp(takes->routing_key, b->queue) == 0;
        b->result = known ? PUBLISH_CONFIRMED : PUBLISH_RETURNED;
        b->done = done;
        b->done_arg = arg;
        takes->next = NULL;
        if (!known) {
                message_free(takes);
                return;
        }
        *b->last = takes;
        b->last = &takes->next;
}

static void memory_ack(struct broker *broker, struct delivery_tag tag)
{
        (void)tag;
        ((struct memory_broker *)broker)->unacked--;
}

static void memory_health(const struct broker *broker, struct broker_health *out)
{
        (void)broker;
        *out = (struct broker_health){ .state = BROKER_UP, .connected = true, .publisher_up = true };
}

static void memory_on_closed(uv_handle_t *turn)
{
        free(turn->data);
}

static void memory_close(struct broker *broker)
{
        struct memory_broker *b = (struct memory_broker *)broker;
        for (struct message *m = b->first, *next; m; m = next) {
                next = m->next;
                message_free(m);
        }
        uv_close((uv_handle_t *)&b->turn, memory_on_closed);
}

static const char *const memory_schemes[] = { "memory", NULL };

extern const struct broker_backend memory_backend;
const struct broker_backend memory_backend = {
        .schemes = memory_schemes,
        .open = memory_open,
        .consume = memory_consume,
        .cancel = memory_cancel,
        .publish = memory_publish,
        .ack = memory_ack,
        .hand_back = memory_ack, /* a sketch: what is handed back is gone */
        .health = memory_health,
        .close = memory_close,
};

static int memory_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                       struct problem *why)
{
        struct memory_broker *b = calloc(1, sizeof(*b));
        (void)why;
        assert_non_null(b);
        *b = (struct memory_broker){ .broker.backend = &memory_backend, .listener = *listener, .last = &b->first };
        uv_idle_init(config->loop, &b->turn);
        b->turn.data = b;
        uv_idle_start(&b->turn, memory_on_turn);
        *out = &b->broker;
        return 0;
}

/* ---- what anybody does with a broker ---- */

struct user {
        uv_loop_t loop;
        struct broker *broker;
        char heard[16];
        unsigned confirmed, returned;
};

static void user_on_deliveries(struct delivery *list_takes, void *arg)
{
        struct user *u = (struct user *)arg;
        snprintf(u->heard, sizeof(u->heard), "%.*s", (int)list_takes->body.size, (const char *)list_takes->body.data);
        broker_ack(u->broker, list_takes->tag);
        delivery_free(list_takes);
}

static void user_on_published(enum publish_result result, void *arg)
{
        struct user *u = (struct user *)arg;
        u->confirmed += result == PUBLISH_CONFIRMED;
        u->returned += result == PUBLISH_RETURNED;
}

static void user_publish(struct user *u, const char *queue)
{
        broker_publish(u->broker, message_new("", queue, bytes_of("", 0), bytes_of_string("hello")), user_on_published,
                       u);
        for (unsigned i = 0; i < 2; i++)
                uv_run(&u->loop, UV_RUN_NOWAIT);
}

static void a_third_broker_is_one_file(void **state)
{
        struct user u = { 0 };
        struct problem why = { 0 };
        (void)state;
        uv_loop_init(&u.loop);
        const struct broker_listener listener = { .arg = &u, .deliveries = user_on_deliveries };
        const struct broker_config config = { .loop = &u.loop, .urls = "memory:" };
        assert_int_equal(broker_open(&u.broker, &config, &listener, &why), 0);
        assert_ptr_equal(u.broker->backend, &memory_backend);
        assert_int_equal(broker_consume(u.broker, "text", 1), 0);
        user_publish(&u, "text");
        user_publish(&u, "nowhere");
        assert_string_equal(u.heard, "hello");
        assert_int_equal(u.confirmed, 1);
        assert_int_equal(u.returned, 1);
        broker_close(u.broker);
        uv_run(&u.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&u.loop), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_third_broker_is_one_file) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
