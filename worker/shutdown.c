/* SPDX-License-Identifier: Apache-2.0 */
/* Ending without losing anything: first finish what runs, then hand back what can't be finished, then close. */
#include "worker/run/run.h"

#include "core/log.h"
#include "worker/control.h"

/* After handing back, commits and confirms on their way get this long before they are left to the redelivery. */
enum { LAST_MS = 3000 };

static void begin_hand_back(struct worker *w);
static void begin_close(struct worker *w);
static void shutdown_on_time_up(uv_timer_t *timer);

void worker_stop(struct worker *w)
{
        switch (w->phase) {
        case WORKER_RUNNING:
                log_info("worker", "stopping: %zu tasks in hand get %u ms to finish", w->run_count,
                         w->config->grace_ms);
                w->phase = WORKER_FINISHING;
                pulse_stop(w->pulse);
                releaser_stop(w->releaser);
                owed_results_stop(w->owed);
                intake_adjust(w);
                uv_timer_start(&w->grace_timer, shutdown_on_time_up, w->config->grace_ms, 0);
                break;
        case WORKER_FINISHING: begin_hand_back(w); break;
        default: begin_close(w); break;
        }
        shutdown_adjust(w);
}

/* Until the broker has cancelled the consumers, deliveries are on their way: what is in them when the connection closes counts as delivered in
 * vain. */
bool shutdown_still_consuming(const struct worker *w)
{
        struct broker_health health;
        broker_health(w->broker, &health);
        return health.connected && health.consumers_registered > 0;
}

void shutdown_adjust(struct worker *w)
{
        if (w->phase < WORKER_CLOSING && w->run_count == 0 && !shutdown_still_consuming(w) &&
            !releaser_busy(w->releaser) && !owed_results_busy(w->owed) && !pulse_busy(w->pulse) &&
            !control_busy(w->control))
                begin_close(w);
}

static void shutdown_on_time_up(uv_timer_t *timer)
{
        struct worker *w = (struct worker *)timer->data;
        if (w->phase == WORKER_FINISHING)
                begin_hand_back(w);
        else
                begin_close(w);
}

/* Calls are cancelled (their runs hand back by themselves) and held ones woken; what is being committed or published ends soon. */
static void begin_hand_back(struct worker *w)
{
        w->phase = WORKER_HANDING_BACK;
        if (w->run_count)
                log_info("worker", "handing back what is not finished of %zu tasks", w->run_count);
        uv_timer_start(&w->grace_timer, shutdown_on_time_up, LAST_MS, 0);
        for (struct run *run = w->runs.next, *next; run != &w->runs; run = next) {
                next = run->next;
                if (!run_cancel_call(run))
                        run_wake(run, STEP_HAND_BACK);
        }
}

/* Nothing more will happen: the loop ends once every handle is closed. */
static void begin_close(struct worker *w)
{
        if (w->phase >= WORKER_CLOSING)
                return;
        w->phase = WORKER_CLOSING;
        if (w->run_count)
                log_warn("worker", "leaving %zu tasks to their redelivery", w->run_count);
        uv_timer_stop(&w->grace_timer);
        uv_stop(w->loop);
}
