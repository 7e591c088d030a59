/* SPDX-License-Identifier: Apache-2.0 */
/* The raw ceiling of B7, and what fills queues for all other rows: publish with rabbitmq-c, persistent, mandatory and
 * confirmed, with a window of unconfirmed messages. All messages are made before the clock starts.
 *
 *     raw_publish --url URL --count N --task NAME[,NAME…] [--queue Q] [--to EXCHANGE] [--kwargs JSON] [--mark Q] [--window W]
 *                 [--eta-ms WALL [--eta-step-ms MS]] [--reply-to Q] [--traced N]       a traceparent each, one of N recorded
 *     raw_publish --url URL --count N --plain EXCHANGE --queue KEY [--size BYTES] [--transient]      bodies are numbers
 *
 * Prints {"count","seconds","cpu_us"}: from the first publish to the last confirm, CPU of that time. */
#include "bench/common.h"
#include "bench/messages.h"

#include <amqp_framing.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

struct publish_plan {
        const char *url;
        unsigned long count, window;
        struct recipe recipe;
};

static struct publish_plan read_plan(int argc, char **argv)
{
        static const struct option options[] = {
                { "url", 1, NULL, 'u' },      { "count", 1, NULL, 'n' },  { "task", 1, NULL, 't' },
                { "queue", 1, NULL, 'q' },    { "kwargs", 1, NULL, 'k' }, { "mark", 1, NULL, 'm' },
                { "window", 1, NULL, 'w' },   { "plain", 1, NULL, 'p' },  { "first", 1, NULL, 'f' },
                { "to", 1, NULL, 'x' },       { "eta-ms", 1, NULL, 'e' }, { "eta-step-ms", 1, NULL, 's' },
                { "reply-to", 1, NULL, 'r' }, { "size", 1, NULL, 'b' },   { "transient", 0, NULL, 'd' },
                { "traced", 1, NULL, 'c' },   { NULL, 0, NULL, 0 },
        };
        struct publish_plan p = { .window = 2000 };
        struct recipe *r = &p.recipe;
        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 'u': p.url = optarg; break;
                case 'n': p.count = (unsigned long)number_of(optarg, 1); break;
                case 't': r->tasks = optarg; break;
                case 'q': r->queue = optarg; break;
                case 'x': r->to = optarg; break;
                case 'k': r->kwargs = optarg; break;
                case 'm': r->mark = optarg; break;
                case 'w': p.window = (unsigned long)number_of(optarg, 1); break;
                case 'p': r->plain = optarg; break;
                case 'f': r->first = number_of(optarg, 0); break;
                case 'e': r->eta_ms = number_of(optarg, 0); break;
                case 's': r->eta_step_ms = strtod(optarg, NULL); break;
                case 'r': r->reply_to = optarg; break;
                case 'b': r->size = (size_t)number_of(optarg, 0); break;
                case 'd': r->transient = true; break;
                case 'c': r->traced = (unsigned long)number_of(optarg, 1); break;
                default: exit(2);
                }
        }
        if (!p.url || !p.count || !(r->tasks || (r->plain && r->queue)))
                die("--url, --count and --task (or --plain and --queue) are needed");
        return p;
}

/* Which publishes are confirmed: single confirms may overtake multiple ones. */
struct confirms {
        bool *done;   /* by number, from 1 */
        uint64_t low; /* all up to here are */
        uint64_t count;
};

static void confirm(struct confirms *c, uint64_t number, bool multiple)
{
        for (uint64_t i = multiple ? c->low + 1 : number; i <= number; i++) {
                c->count += !c->done[i];
                c->done[i] = true;
        }
        if (multiple && number > c->low)
                c->low = number;
}

static void wait_confirm(amqp_connection_state_t conn, struct confirms *c)
{
        amqp_frame_t frame;
        amqp_maybe_release_buffers(conn);
        check_status(amqp_simple_wait_frame(conn, &frame), "waiting for a confirm");
        if (frame.frame_type != AMQP_FRAME_METHOD)
                return;
        if (frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
                die("a message was returned or refused (method %08x)", frame.payload.method.id);
        const amqp_basic_ack_t *ack = frame.payload.method.decoded;
        confirm(c, ack->delivery_tag, ack->multiple);
}

static void publish_all(amqp_connection_state_t conn, const struct ready *all, const struct publish_plan *p)
{
        struct confirms c = { .done = calloc(p->count + 1, 1) };
        if (!c.done)
                die("out of memory");
        for (uint64_t i = 0; i < p->count; i++) {
                check_status(amqp_basic_publish(conn, 1, all[i].exchange, all[i].routing_key, 1, 0, all[i].properties,
                                                all[i].body),
                             "basic.publish");
                while (i + 1 - c.count >= p->window)
                        wait_confirm(conn, &c);
        }
        while (c.count < p->count)
                wait_confirm(conn, &c);
        free(c.done);
}

int main(int argc, char **argv)
{
        const struct publish_plan p = read_plan(argc, argv);
        struct message **messages = calloc(p.count, sizeof(struct message *));
        struct ready *ready = calloc(p.count, sizeof(*ready));
        amqp_pool_t pool;
        if (!messages || !ready)
                die("out of memory");
        init_amqp_pool(&pool, 65536);
        for (unsigned long i = 0; i < p.count; i++) {
                messages[i] = recipe_message(&p.recipe, i, p.count);
                ready[i] = ready_of(messages[i], &pool);
        }
        amqp_connection_state_t conn = plain_connect(p.url);
        amqp_confirm_select(conn, 1);
        check_reply(conn, "confirm.select");

        const uint64_t cpu = cpu_us(), start_ns = now_ns();
        publish_all(conn, ready, &p);
        printf("{\"count\":%lu,\"seconds\":%.6f,\"cpu_us\":%llu}\n", p.count, (double)(now_ns() - start_ns) / 1e9,
               (unsigned long long)(cpu_us() - cpu));
        plain_close(conn);
        return 0;
}
