/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/move/move.h"

#include "tasks/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_QUEUES = 256, PREFETCH = 1000, QUIET_MS = 200, SILENCE_MS = 30000 };

/* From broker to broker. Both queues of each task are taken: the task's own and its dead letters. */
struct shipping {
        struct move *move;
        struct broker *from, *to;
        struct topology topology;     /* of the file */
        struct topology declared;     /* of the servers: less the task queues, where others declare them */
        char *names[2 * MOST_QUEUES]; /* owned */
        size_t name_count;
        size_t open, moved, refused; /* messages: between the two, there, back in their queue */
        bool asked;                  /* how many there are left */
        size_t left;
};

/* One message between its delivery and its confirm. */
struct parcel {
        struct shipping *shipping;
        struct delivery_tag tag;
        const char *queue;
};

static int open_brokers(struct shipping *s);
static int move_messages_drain(struct shipping *s);

int move_open_brokers(struct move *m)
{
        m->shipping = calloc(1, sizeof(*m->shipping));
        if (!m->shipping)
                return EXIT_FAILED;
        m->shipping->move = m;
        return open_brokers(m->shipping);
}

int move_messages(struct move *m)
{
        struct shipping *s = m->shipping;
        for (size_t i = 0; i < s->name_count; i++)
                if (broker_consume(s->from, s->names[i], PREFETCH) < 0)
                        return EXIT_FAILED;
        const int code = move_messages_drain(s);
        if (code == 0)
                printf("%-14s %8zu moved\n", "messages", s->moved);
        m->refused += s->refused;
        return code;
}

void move_close_brokers(struct move *m)
{
        struct shipping *s = m->shipping;
        if (!s)
                return;
        if (s->from)
                broker_close(s->from);
        if (s->to)
                broker_close(s->to);
        topology_free(&s->topology);
        topology_free(&s->declared);
        for (size_t i = 0; i < s->name_count; i++)
                free(s->names[i]);
        free(s);
}

/* ---- one message ---- */

static void move_messages_on_published(enum publish_result result, void *arg)
{
        struct parcel *p = (struct parcel *)arg;
        struct shipping *s = p->shipping;
        s->open--;
        if (result == PUBLISH_CONFIRMED) {
                s->moved++;
                broker_ack(s->from, p->tag);
        } else if (result != PUBLISH_CLOSED) {
                s->refused++; /* it stays unacked until the end, and so in its queue */
                fprintf(stderr, "chard %s: the broker would not take a message of %s\n", s->move->self->name, p->queue);
        }
        free(p);
        wait_done(&s->move->wait);
}

static void move_ship(struct shipping *s, const struct delivery *d)
{
        struct parcel *p = calloc(1, sizeof(*p));
        struct message *message = p ? message_new("", d->queue, d->properties, d->body) : NULL;
        if (!message) {
                free(p);
                s->refused++;
                return;
        }
        *p = (struct parcel){ .shipping = s, .tag = d->tag, .queue = d->queue };
        s->open++;
        broker_publish(s->to, message, move_messages_on_published, p);
}

static void move_messages_on_deliveries(struct delivery *list_takes, void *arg)
{
        struct shipping *s = (struct shipping *)arg;
        for (struct delivery *d = list_takes, *next; d; d = next) {
                next = d->next;
                move_ship(s, d);
                delivery_free(d);
        }
        wait_done(&s->move->wait);
}

/* ---- both brokers ---- */

static int name_queues(struct shipping *s)
{
        const char *queues[MOST_QUEUES];
        const size_t count = catalog_queues(s->move->catalog, queues, MOST_QUEUES);
        for (size_t i = 0; i < count; i++) {
                if (asprintf(&s->names[s->name_count], "%s", queues[i]) < 0)
                        return -ENOMEM;
                s->name_count++;
                if (asprintf(&s->names[s->name_count], "%s.dead", queues[i]) < 0)
                        return -ENOMEM;
                s->name_count++;
        }
        const struct settings *settings = s->move->settings;
        int rc = topology_build(&s->topology, queues, count, settings->native_delay);
        if (rc == 0)
                rc = topology_build(&s->declared, queues, count, settings->native_delay);
        if (rc == 0 && !settings->declare_queues)
                topology_leave(&s->declared, queues, count);
        return rc;
}

static int move_messages_open_broker(struct shipping *s, const char *url, const struct topology *topology,
                                     struct broker **out)
{
        const struct settings *settings = s->move->settings;
        const struct broker_listener listener = { .arg = s, .deliveries = move_messages_on_deliveries };
        struct problem why = { 0 };
        const struct broker_config config = {
                .loop = &s->move->wait.loop,
                .urls = url,
                .ca_file = setting_or_null(settings->broker_ca_file),
                .name = "chard move",
                .heartbeat_s = (unsigned)settings->heartbeat_s,
                .connect_timeout_ms = (unsigned)settings->connect_timeout_ms,
                .topology = topology,
        };
        const int code = broker_open(out, &config, &listener, &why);
        return code ? command_fail(s->move->self, code, &why) : 0;
}

static int open_brokers(struct shipping *s)
{
        if (name_queues(s) < 0)
                return EXIT_FAILED;
        int code = move_messages_open_broker(s, s->move->to_broker, &s->declared, &s->to);
        if (code == 0)
                code = move_messages_open_broker(s, s->move->from_broker_url, &s->topology, &s->from);
        return code;
}

/* ---- until nothing is left ---- */

static void on_depth(const struct queue_depth *depth, void *arg)
{
        struct shipping *s = (struct shipping *)arg;
        const int64_t messages = queue_depth_messages(depth);
        s->left = messages > 0 ? (size_t)messages : 0;
        s->asked = false;
        wait_done(&s->move->wait);
}

/* How many messages are left in all queues, those on their way included. */
static int count_left(struct shipping *s)
{
        s->asked = true;
        s->from->backend->depth(s->from, NULL, on_depth, s);
        while (s->asked)
                if (!wait_for(&s->move->wait, SILENCE_MS))
                        return EXIT_UNREACHABLE;
        return 0;
}

/* What nobody here can name was declared by somebody else. */
static void stay_behind(struct shipping *s)
{
        if (s->left > s->refused)
                fprintf(stderr,
                        "chard %s: %zu messages wait in queues that no task of this chard has: name their plug-ins with CHARD_TASKS\n",
                        s->move->self->name, s->left - s->refused);
        s->refused = s->left;
}

static int move_messages_drain(struct shipping *s)
{
        for (size_t before = SIZE_MAX;;) {
                while (wait_for(&s->move->wait, s->open ? SILENCE_MS : QUIET_MS))
                        ;
                int code = s->open ? EXIT_UNREACHABLE : count_left(s);
                if (code) {
                        fprintf(stderr, "chard %s: the brokers went silent with %zu messages moved; run it again\n",
                                s->move->self->name, s->moved);
                        return code;
                }
                if (s->left <= s->refused || s->left == before) {
                        stay_behind(s);
                        return 0;
                }
                before = s->left;
        }
}
