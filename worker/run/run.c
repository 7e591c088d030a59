/* SPDX-License-Identifier: Apache-2.0 */
/* A run's beginning and end, and what its parts have in common. The only file that knows all parts: it frees what they own. */
#include "worker/run/run.h"

#include <stdlib.h>

/* Keep the struct for the next one. */
static void run_spare(struct run *run)
{
        struct worker *w = run->worker;
        const uv_timer_t timer = run->hold.timer; /* stopped; stays initialised */
        *run = (struct run){ .next = w->spare, .hold.timer = timer };
        w->spare = run;
}

struct run *run_new(struct worker *w)
{
        struct run *run = w->spare;
        if (run) {
                w->spare = run->next;
        } else {
                run = calloc(1, sizeof(*run));
                if (!run)
                        return NULL;
                uv_timer_init(w->loop, &run->hold.timer);
                run->hold.timer.data = run;
        }
        run->worker = w;
        if (!run_take_why(run)) {
                run_spare(run);
                return NULL;
        }
        run->catalog = catalog_ref(w->catalog);
        run->input.wish = (struct task_wish){ .delay_ms = -1, .limit = -1 };
        run->previous = w->runs.previous;
        run->next = &w->runs;
        run->previous->next = run->next->previous = run;
        w->run_count++;
        return run;
}

static void run_free_parts(struct run *run)
{
        run_drop_pictures(run);
        outcome_close(&run->outcome.wants);
        task_message_clear(&run->message);
        json_decref(run->input.document);
        json_decref(run->input.facts);
        json_decref(run_reply(run)->content);
        json_decref(run->failure.event_payload);
        json_decref(run->result.children);
        json_decref(run->join.parts);
        following_clear(&run->join.errbacks);
        following_clear(&run->sending.following);
        message_free(run->again.message);
        buffer_free(&run->outcome.result);
        buffer_free(&run->owing.text);
        arena_free(&run->arena);
        delivery_free(run->delivery.message);
}

void run_end(struct run *run)
{
        struct worker *w = run->worker;
        struct run *behind = intake_unregister(run);
        struct owed_item *owed = run_owed_item(run);
        run->previous->next = run->next;
        run->next->previous = run->previous;
        w->run_count--;

        run_end_trace(run);
        run_free_parts(run);
        run_drop_why(run);
        catalog_unref(run->catalog);
        run_spare(run);
        if (owed)
                owed_result_ended(owed);
        if (w->phase != WORKER_CLOSED)
                intake_wake(behind);
        if (w->phase != WORKER_RUNNING)
                shutdown_adjust(w);
}

static void run_on_closed(uv_handle_t *timer)
{
        free(timer->data);
}

void runs_close(struct worker *w)
{
        while (w->runs.next != &w->runs)
                run_end(w->runs.next);
        for (struct run *run = w->spare, *next; run; run = next) {
                next = run->next;
                run->hold.timer.data = run;
                uv_close((uv_handle_t *)&run->hold.timer, run_on_closed);
        }
        w->spare = NULL;
        run_free_whys(w);
}

/* ---- its message ---- */

int run_decode(struct run *run, struct problem *why)
{
        const struct delivery *d = run_delivery(run);
        const int code = task_message_decode(&run->arena, d->properties, d->body, run->worker->config->max_body,
                                             &run->message, why);
        run->task = run->message.name ? catalog_task(run->catalog, run->message.name) : NULL;
        run->def = run->task ? run->task->def : NULL;
        return code ? code : run_begin_trace(run);
}

void run_forget_message(struct run *run)
{
        task_message_clear(&run->message);
}

/* ---- held for a while ---- */

static void run_on_held(uv_timer_t *timer)
{
        struct run *run = (struct run *)timer->data;
        run->hold.held = false;
        run_go(run, run->hold.then);
}

void run_hold(struct run *run, uint64_t wait_ms, enum step then)
{
        run->hold.held = true;
        run->hold.then = then;
        uv_timer_start(&run->hold.timer, run_on_held, wait_ms, 0);
}

bool run_wake(struct run *run, enum step step)
{
        if (!run->hold.held)
                return false;
        uv_timer_stop(&run->hold.timer);
        run->hold.held = false;
        run_go(run, step);
        return true;
}

/* ---- what several parts ask of it ---- */

bool run_keeps_state(const struct run *run)
{
        return run->def && (run->message.heir || !(run->def->flags & TASK_STATELESS));
}

bool run_has_successor(const struct run *run)
{
        return json_array_size(run->message.chain) > 0;
}

const char *run_queue_of(const char *name, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task ? task->def->queue : NULL;
}

bool run_keeps_state_of(const char *name, bool heir, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task && (heir || !(task->def->flags & TASK_STATELESS));
}

const char *run_pipeline_name(const struct run *run)
{
        return run->pipeline ? run->pipeline->name : "";
}

const char *run_job_pipeline(const struct run *run)
{
        return run->message.aside ? NULL : run_pipeline_name(run);
}

const char *run_chord_part(struct run *run)
{
        const struct task_message *m = &run->message;
        if (!m->chord || !m->group_id)
                return NULL;
        return m->group_index < 0 ? arena_printf(&run->arena, "%s:+inf", m->group_id)
                                  : arena_printf(&run->arena, "%s:%lld", m->group_id, (long long)m->group_index);
}
