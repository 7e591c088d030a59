/* SPDX-License-Identifier: Apache-2.0 */
/* A run's delivery, and how it is settled: the step "ack", once the task is done or safe somewhere else, and the step "hand_back": not now, not here;
 * no attempt is counted, and no delivery either. */
#include "worker/run/run.h"

#include "core/log.h"

void run_take_delivery(struct run *run, struct delivery *takes)
{
        run->delivery = (struct delivery_part){ .message = takes, .tag = takes->tag };
}

/* A tag of a lost connection is replaced by the new one; with a live one this is a second copy of the message, which the first stands for. Epochs are
 * told apart within one queue only. */
void run_adopt(struct run *running, const struct run *newcomer)
{
        const bool same_queue = run_queue(running) == run_queue(newcomer);
        if (!same_queue || running->delivery.tag.epoch == newcomer->delivery.tag.epoch) {
                log_info("worker", "task=%s came twice; the copy is dropped", running->message.id);
                run_settle(newcomer);
        } else {
                log_info("worker", "task=%s was redelivered while it runs here: adopted", running->message.id);
                running->delivery.tag = newcomer->delivery.tag;
        }
}

/* ---- ack ---- */

void run_settle(const struct run *run)
{
        broker_ack(run->worker->broker, run->delivery.tag);
}

enum step run_ack(struct run *run)
{
        if (run_owed_item(run)) {
                owed_result_stored(run_owed_item(run));
                return STEP_END;
        }
        run_settle(run);
        run_observed(run, RUN_ACKED);
        return STEP_END;
}

/* ---- hand_back ---- */

static void on_given_back(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)result, (void)stored, (void)why; /* a lease that stays ends by itself */
        run_go((struct run *)arg, STEP_HAND_BACK);
}

static enum step handed_back(struct run *run)
{
        run_observed(run, RUN_HANDED_BACK);
        return STEP_END;
}

/* A broker may count what is put back, or was held when the connection closed, as delivered in vain, and drops it beyond a limit (RabbitMQ's
 * quorum queues: 20 times since 4.0, as a policy says before). So the message is published once more, as a new one, and then acked. */
static void on_sent_back(enum publish_result result, void *arg)
{
        struct run *run = (struct run *)arg;
        if (result == PUBLISH_CONFIRMED)
                run_settle(run);
        else if (result != PUBLISH_CLOSED)
                broker_hand_back(run->worker->broker, run->delivery.tag);
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
                can_send_back(run) ? task_message_again(&run->message, "", run_queue(run), run->message.retries) : NULL;
        if (again) {
                broker_publish(run->worker->broker, again, on_sent_back, run);
                return STEP_WAIT;
        }
        broker_hand_back(run->worker->broker, run->delivery.tag);
        return handed_back(run);
}

enum { CANCELLED_LOOK_MS = 5 };

/* While the broker still cancels this worker's consumers, none goes back: RabbitMQ would deliver it to one of them, and what a channel gets for a
 * consumer that it has just cancelled it returns to a quorum queue by itself, counted as delivered (seen with 4.0.5; rabbitmq-server issue 3729). */
enum step run_hand_back(struct run *run)
{
        if (run_owed_item(run))
                return STEP_END; /* the row stays */
        if (run->worker->phase == WORKER_CLOSED)
                return handed_back(run); /* the broker takes it back with the connection */
        if (run_holds_lease(run)) {
                run_give_back(run, NULL, on_given_back);
                return STEP_WAIT;
        }
        if (run->worker->phase != WORKER_RUNNING && shutdown_still_consuming(run->worker)) {
                run_hold(run, CANCELLED_LOOK_MS, STEP_HAND_BACK);
                return STEP_WAIT;
        }
        return send_back(run);
}
