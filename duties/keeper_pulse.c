/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's pulse: what counts as keeping, and what its row tells besides; a change is logged. */
#include "worker/pulse.h"

#include "core/log.h"
#include "duties/keeper.h"

/* While it has all that it may hold in hand it takes no more: that is keeping, too. */
static bool complete(const struct broker_health *now, void *arg)
{
        const struct dlq_keeper *k = (const struct dlq_keeper *)arg;
        return k->full || now->consumers_registered >= k->queue_count;
}

static json_t *state_of(void *arg)
{
        const struct dlq_keeper *k = (const struct dlq_keeper *)arg;
        return k->ended ? NULL
                        : json_pack("{s:s, s:I, s:I, s:I}", "role", "keeper", "in_hand", (json_int_t)k->filing, "filed",
                                    (json_int_t)k->filed, "refused", (json_int_t)k->refused);
}

static void on_changed(const char *why, bool first, void *arg)
{
        const struct dlq_keeper *k = (const struct dlq_keeper *)arg;
        if (*why && !k->stopping)
                log_warn("dlq", "not keeping: %s", why);
        else if (!*why && !first)
                log_info("dlq", "keeping again");
}

int keeper_pulse_open(struct pulse **out, struct dlq_keeper *k)
{
        const struct pulse_config config = {
                .loop = k->config->loop,
                .broker = k->broker,
                .store = k->store,
                .queue_count = k->queue_count,
                .heartbeat_s = k->config->heartbeat_s,
                .store_absence = &k->store_absence,
                .health_file = k->config->health_file,
                .area = "dlq",
                .without_the_store = "so dead letters stay in their queues",
                .complete = complete,
                .state = state_of,
                .changed = on_changed,
                .arg = k,
        };
        return pulse_open(out, &config);
}
