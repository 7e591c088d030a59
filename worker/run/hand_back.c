/* SPDX-License-Identifier: Apache-2.0 */
/* The step "hand_back": not now, not here; no attempt is counted, and no delivery either. */
#include "worker/run/run.h"

static void on_given_back(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)result, (void)stored, (void)why; /* a lease that stays ends by itself */
        run_go((struct run *)arg, STEP_HAND_BACK);
}

static enum step handed_back(struct run *run)
{
        run_observed(run, (struct run_event){ .kind = RUN_HANDED_BACK });
        return STEP_END;
}

/* A broker may count what is put back, or was held when the connection closed, as delivered in vain, and drops it beyond a limit (RabbitMQ's
 * quorum queues: 20 times since 4.0, as a policy says before). So the message is published once more, as a new one, and then acked. */
static void on_sent_back(enum publish_result result, void *arg)
{
        struct run *run = (struct run *)arg;
        struct broker *b = run->worker->broker;
        if (result == PUBLISH_CONFIRMED)
                broker_ack(b, run->tag);
        else if (result != PUBLISH_CLOSED)
                broker_hand_back(b, run->tag);
        run_go(run, handed_back(run));
}

static bool can_send_back(const struct run *run)
{
        struct broker_health health;
        /* While it still consumes, the new message might meet this run, and pass for its copy. */
        if (run->worker->phase == WORKER_RUNNING)
                return false;
        broker_health(run->worker->broker, &health);
        return run->message.id && health.state != BROKER_BLOCKED; /* one that is being connected may be waited for */
}

static enum step send_back(struct run *run)
{
        struct message *again =
                can_send_back(run) ? task_message_again(&run->message, "", run->delivery->queue, run->message.retries)
                                   : NULL;
        if (again) {
                broker_publish(run->worker->broker, again, on_sent_back, run);
                return STEP_WAIT;
        }
        broker_hand_back(run->worker->broker, run->tag);
        return handed_back(run);
}

enum step run_hand_back(struct run *run)
{
        if (run->owed)
                return STEP_END; /* the row stays */
        if (run->worker->phase == WORKER_CLOSED)
                return handed_back(run); /* the broker takes it back with the connection */
        if (run->claimed) {
                run->claimed = false;
                run->give_back = (struct release_lease){ .id = run->message.id };
                run->worker->store->run->give_back(run->worker->store, &run->give_back, on_given_back, run);
                return STEP_WAIT;
        }
        return send_back(run);
}
