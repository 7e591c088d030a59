/* SPDX-License-Identifier: Apache-2.0 */
/* The raw ceiling of B1: consume and ack with rabbitmq-c and nothing else, the way its examples do it.
 *
 *     raw_consume --url URL --queue Q --count N [--prefetch P] [--multiple K] [--late]
 *
 * Acks every message by itself, or with --multiple the K-th with all before it. With --late each body is the wall
 * clock in milliseconds at which the message was due, and how late they came is measured.
 * Prints {"count","seconds","cpu_us"…}: seconds from the first delivery to the last ack, CPU of the whole process. */
#include "bench/common.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct consume_plan {
        const char *url, *queue;
        unsigned long count, multiple;
        unsigned prefetch;
        bool late;
};

static struct consume_plan read_plan(int argc, char **argv)
{
        static const struct option options[] = {
                { "url", 1, NULL, 'u' },      { "queue", 1, NULL, 'q' },    { "count", 1, NULL, 'n' },
                { "prefetch", 1, NULL, 'p' }, { "multiple", 1, NULL, 'm' }, { "late", 0, NULL, 'l' },
                { NULL, 0, NULL, 0 },
        };
        struct consume_plan p = { .multiple = 1, .prefetch = 1000 };
        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 'u': p.url = optarg; break;
                case 'q': p.queue = optarg; break;
                case 'n': p.count = (unsigned long)number_of(optarg, 1); break;
                case 'p': p.prefetch = (unsigned)number_of(optarg, 1); break;
                case 'm': p.multiple = (unsigned long)number_of(optarg, 1); break;
                case 'l': p.late = true; break;
                default: exit(2);
                }
        }
        if (!p.url || !p.queue || !p.count || p.multiple > p.prefetch)
                die("--url, --queue and --count are needed, and --multiple within --prefetch");
        return p;
}

/* Microseconds since the message was due; one that came too early counts as being on time. */
static uint64_t lateness_us(amqp_bytes_t body)
{
        char text[32] = "";
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(text, sizeof(text), "%.*s", (int)(body.len < 31 ? body.len : 31), (const char *)body.bytes);
        const int64_t due_us = strtoll(text, NULL, 10) * 1000;
        const int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
        return now_us > due_us ? (uint64_t)(now_us - due_us) : 0;
}

static uint64_t receive(amqp_connection_state_t conn, uint64_t *late_us)
{
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(conn);
        const amqp_rpc_reply_t reply = amqp_consume_message(conn, &envelope, NULL, 0);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL)
                die("a delivery was expected, something else came");
        if (late_us)
                *late_us = lateness_us(envelope.message.body);
        const uint64_t tag = envelope.delivery_tag;
        amqp_destroy_envelope(&envelope);
        return tag;
}

static double drain(amqp_connection_state_t conn, const struct consume_plan *p, uint64_t *late_us)
{
        uint64_t start_ns = 0;
        for (unsigned long i = 0; i < p->count; i++) {
                const uint64_t tag = receive(conn, late_us ? &late_us[i] : NULL);
                if (i == 0)
                        start_ns = now_ns();
                if ((i + 1) % p->multiple == 0 || i + 1 == p->count)
                        check_status(amqp_basic_ack(conn, 1, tag, p->multiple > 1), "basic.ack");
        }
        return (double)(now_ns() - start_ns) / 1e9;
}

int main(int argc, char **argv)
{
        const struct consume_plan p = read_plan(argc, argv);
        uint64_t *late_us = p.late ? calloc(p.count, sizeof(*late_us)) : NULL;
        amqp_connection_state_t conn = plain_connect(p.url);
        plain_consume(conn, p.queue, p.prefetch);
        const double seconds = drain(conn, &p, late_us);
        plain_close(conn);
        printf("{\"count\":%lu,\"seconds\":%.6f,\"cpu_us\":%llu", p.count, seconds, (unsigned long long)cpu_us());
        if (late_us) {
                sort_values(late_us, p.count);
                printf(",\"late_p50_us\":%llu,\"late_p99_us\":%llu,\"late_max_us\":%llu",
                       (unsigned long long)percentile_of(late_us, p.count, 50),
                       (unsigned long long)percentile_of(late_us, p.count, 99),
                       (unsigned long long)late_us[p.count - 1]);
        }
        puts("}");
        free(late_us);
        return 0;
}
