/* SPDX-License-Identifier: Apache-2.0 */
/* Results as messages to the queue that the client named in reply_to. It is the client's own, exclusive: it is never
 * declared here, and when it is gone nobody waits any more. */
#include "results/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rpc {
        struct results_sink sink; /* first: this is what the door holds */
        struct broker *broker;
};

static const char *const schemes[] = { "rpc", NULL };

static int rpc_open(struct results_sink **out, const struct results_config *config, const char *url,
                    struct problem *why)
{
        (void)url, (void)why;
        struct rpc *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->broker = config->broker;
        *out = &r->sink;
        return 0;
}

static bool rpc_wants(const struct results_sink *s, const struct results_address *to)
{
        (void)s;
        return to->reply_to && *to->reply_to && !to->late;
}

struct rpc_sending {
        results_done *done;
        void *arg;
        bool *answered; /* while the broker is still being asked; else NULL */
};

static void rpc_starved(results_done *done, void *arg)
{
        struct problem why;
        problem_set(&why, "results", "out_of_memory", "memory ran out");
        done(RESULTS_STARVED, &why, arg);
}

/* From inside it is refused for want of memory alone. */
static void rpc_on_published(enum publish_result result, void *arg)
{
        const struct rpc_sending s = *(struct rpc_sending *)arg;
        free(arg);
        if (s.answered)
                *s.answered = true;
        if (s.answered && result == PUBLISH_REFUSED)
                rpc_starved(s.done, s.arg);
        else
                s.done(result == PUBLISH_CLOSED ? RESULTS_CLOSED : RESULTS_DONE, NULL, s.arg);
}

static struct message *rpc_reply(const struct results_address *to, struct bytes meta)
{
        struct buffer properties = { 0 };
        struct message *m = NULL;
        const struct properties p = {
                .content_type = bytes_of_string("application/json"),
                .content_encoding = bytes_of_string("utf-8"),
                .correlation_id = bytes_of_string(to->correlation_id ? to->correlation_id : to->task_id),
                .delivery_mode = 1,
                .priority = 0,
                .timestamp = -1,
        };
        properties_write(&p, &properties);
        if (!properties.failed)
                m = message_new("", to->reply_to, buffer_view(&properties), meta);
        buffer_free(&properties);
        return m;
}

/* RabbitMQ's direct reply-to, which the broker's door refuses: anybody may have made up the rest of the name. Said here, because others
 * that can't be delivered are nobody's fault. */
static bool is_direct(const char *reply_to)
{
        static const char direct[] = "amq.rabbitmq.reply-to";
        return strncmp(reply_to, direct, sizeof(direct) - 1) == 0;
}

static void rpc_store(struct results_sink *s, const struct results_address *to, struct bytes meta, results_done *done,
                      void *arg)
{
        struct problem why;
        if (is_direct(to->reply_to)) {
                problem_set(&why, "results", "refused",
                            "amq.rabbitmq.reply-to is not replied to: name a queue in reply_to");
                done(RESULTS_REFUSED, &why, arg);
                return;
        }
        struct rpc_sending *sending = malloc(sizeof(*sending));
        struct message *m = sending ? rpc_reply(to, meta) : NULL;
        if (!m) {
                free(sending);
                rpc_starved(done, arg);
                return;
        }
        bool answered = false;
        *sending = (struct rpc_sending){ done, arg, &answered };
        broker_publish(((struct rpc *)s)->broker, m, rpc_on_published, sending);
        if (!answered)
                sending->answered = NULL;
}

static void rpc_close(struct results_sink *s)
{
        free(s);
}

extern const struct results_backend results_rpc;
const struct results_backend results_rpc = {
        .schemes = schemes,
        .open = rpc_open,
        .wants = rpc_wants,
        .store = rpc_store,
        .close = rpc_close,
};
