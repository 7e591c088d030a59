/* SPDX-License-Identifier: Apache-2.0 */
/* Sends dead letters back by the policy's rules: looks at how the tasks fare, then at which groups there are, then requeues what is due of
 * each, round by round. Were two at it, an entry would still be requeued once. */
#include "duties/duty.h"
#include "store/read.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text/nearest.h"
#include "dlq/dlq.h"
#include "duties/policy.h"
#include "tasks/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { TICK_MS = 10000, FRESH_MS = 30000, MOST_GROUPS = 10000, LEAST_ATTEMPTS = 5 };

struct reprocessor {
        struct duty_run *run;
        struct policy policy;
        unsigned tick_ms;
        json_t *fare;   /* {"text.summary": {"ok", "failed", "paused_ms"}}: all fresh workers together */
        json_t *groups; /* of what is kept */
        size_t group;   /* the one in hand */
        unsigned round; /* of it */
        struct dlq_bulk *bulk;
        char scope[2 * PROBLEM_CODE_SIZE], reason[80];
        json_t *told; /* {"text.summary": why its letters wait}, as the log has it */
};

static void on_workers(json_t *workers, const struct problem *why, void *arg);
static void on_groups(json_t *groups, const struct problem *why, void *arg);
static void go_on(struct reprocessor *r);

/* Often enough for the shortest wait. */
static unsigned tick_of(const struct policy *p)
{
        int64_t tick = TICK_MS;
        for (size_t i = 0; i < p->count; i++)
                if (p->rules[i].after_ms / 4 < tick)
                        tick = p->rules[i].after_ms / 4;
        return tick < 100 ? 100 : (unsigned)tick;
}

/* A slip of the pen, or a task that only workers with a plug-in have: the keeper can't tell which. */
static void warn_of_unknown(const struct catalog *catalog, const struct policy_rule *rule)
{
        const struct task_set *set = catalog_tasks(catalog);
        enum { MOST = 256 };
        const char *names[MOST];
        size_t count = 0;
        for (; count < MOST && count < set->count; count++) {
                names[count] = set->tasks[count].def->name;
                if (policy_names(rule, names[count]))
                        return;
        }
        size_t consumer_count;
        const struct consumer *consumers = catalog_consumers(catalog, &consumer_count);
        for (size_t i = 0; i < consumer_count; i++)
                if (policy_names(rule, consumers[i].def->name))
                        return;
        char offer[NEAREST_OFFER_SIZE];
        log_warn("duties",
                 "CHARD_DLQ_POLICIES: no task of this program is \"%s\"%s; the rule counts only for tasks that chard's "
                 "workers have from a plug-in",
                 rule->task, nearest_offer(offer, rule->task, names, count, ""));
}

static int reprocess_open(struct duty_run *run, struct problem *why)
{
        struct reprocessor *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->run = run;
        run->state = r;
        r->told = json_object();
        const int code = policy_read(&r->policy, run->config->policies, why);
        if (code)
                return code;
        for (size_t i = 0; i < r->policy.count; i++)
                warn_of_unknown(run->config->catalog, &r->policy.rules[i]);
        r->tick_ms = tick_of(&r->policy);
        return 0;
}

static void reprocess_stop(struct duty_run *run)
{
        const struct reprocessor *r = (const struct reprocessor *)run->state;
        if (r->bulk)
                dlq_bulk_stop(r->bulk);
}

static void reprocess_close(struct duty_run *run)
{
        struct reprocessor *r = (struct reprocessor *)run->state;
        if (!r)
                return;
        policy_free(&r->policy);
        json_decref(r->fare);
        json_decref(r->groups);
        json_decref(r->told);
        free(r);
}

static uint64_t reprocess_period(const struct duty_run *run)
{
        const struct reprocessor *r = (const struct reprocessor *)run->state;
        return r->policy.count > 0 ? r->tick_ms : 0;
}

static void reprocess_round(struct duty_run *run)
{
        run->config->store->read->workers(run->config->store, on_workers, run->state);
}

/* ---- how the tasks fare ---- */

static void add_number(json_t *to, const json_t *from, const char *key)
{
        json_object_set_new(to, key, json_integer(json_number(to, key, 0) + json_number(from, key, 0)));
}

static void add_worker(json_t *fare, const json_t *worker)
{
        const char *name;
        json_t *seen;
        json_t *tasks = json_object_get(json_object_get(worker, "state"), "tasks");
        if (json_number(worker, "age_ms", FRESH_MS) >= FRESH_MS)
                return;
        json_object_foreach(tasks, name, seen) {
                json_t *sum = json_object_get(fare, name);
                if (!sum) {
                        sum = json_object();
                        json_object_set_new(fare, name, sum);
                }
                add_number(sum, seen, "ok");
                add_number(sum, seen, "failed");
                add_number(sum, seen, "paused_ms");
        }
}

static void on_workers(json_t *workers, const struct problem *why, void *arg)
{
        struct reprocessor *r = (struct reprocessor *)arg;
        const struct dead_filter kept = { .state = "kept" };
        size_t i;
        json_t *worker;
        if (why || !duty_leads(r->run)) {
                duty_done(r->run);
                return;
        }
        json_decref(r->fare);
        r->fare = json_object();
        json_array_foreach(workers, i, worker)
                add_worker(r->fare, worker);
        r->run->config->store->dead->groups(r->run->config->store, &kept, MOST_GROUPS, on_groups, r);
}

static void on_groups(json_t *groups, const struct problem *why, void *arg)
{
        struct reprocessor *r = (struct reprocessor *)arg;
        if (why || !duty_leads(r->run)) {
                duty_done(r->run);
                return;
        }
        json_decref(r->groups);
        r->groups = json_incref(groups);
        r->group = r->round = 0;
        go_on(r);
}

/* What keeps its task's entries waiting; NULL: nothing. */
static const char *reprocess_hindrance(struct reprocessor *r, const struct policy_rule *rule, const char *task)
{
        const json_t *fare = json_object_get(r->fare, task);
        const json_int_t failed = json_number(fare, "failed", 0), all = failed + json_number(fare, "ok", 0);
        if (json_object_size(r->fare) == 0 || !fare)
                return "no worker that runs it gives a sign of life";
        if (json_number(fare, "paused_ms", 0) > 0)
                return "its model is paused";
        if (all >= LEAST_ATTEMPTS && failed * 100 > all * (json_int_t)rule->errors)
                return "too many of its attempts fail";
        return NULL;
}

/* ---- requeueing what is due ---- */

static void on_bulk_done(enum dlq_end end, const struct dlq_tally *tally, void *arg)
{
        struct reprocessor *r = (struct reprocessor *)arg;
        const size_t sent = tally->outcomes[DEAD_DONE] + tally->outcomes[DEAD_RESUMED];
        r->bulk = NULL;
        if (sent > 0)
                log_info("duties", "%zu of %s requeued by policy, %s", sent, r->scope, r->reason);
        if (end == DLQ_FAILED || !duty_leads(r->run)) {
                duty_done(r->run);
                return;
        }
        r->round++;
        go_on(r);
}

static bool reprocess_begin(struct reprocessor *r, const struct policy_rule *rule, const json_t *group)
{
        const char *task = json_text(group, "name", ""), *code = json_text(group, "code", "");
        const unsigned most = rule->rate * r->tick_ms / 1000;
        snprintf(r->scope, sizeof(r->scope), "%s %s", task, code);
        snprintf(r->reason, sizeof(r->reason), "round %u of %u", r->round + 1, rule->rounds);
        const struct dlq_bulk_config config = {
                .store = r->run->config->store,
                .catalog = r->run->config->catalog,
                .filter = { .group = json_text(group, "group", ""),
                            .by_round = true,
                            .round = r->round,
                            .until_ms = clock_wall_ms() - policy_wait_ms(rule, r->round) },
                .action = &dlq_requeue,
                .max_body = r->run->config->max_body,
                .act = { .who = "policy", .reason = r->reason, .scope = r->scope, .automatic = true },
                .most = most > 0 ? most : 1,
                .done = on_bulk_done,
                .arg = r,
        };
        return dlq_bulk_start(&r->bulk, &config) == 0;
}

/* Once a task and a reason; NULL: they wait no more. */
static void reprocess_tell(struct reprocessor *r, const char *task, const char *why)
{
        const char *told = json_text(r->told, task, "");
        if (!why)
                json_object_del(r->told, task);
        else if (strcmp(told, why) != 0) {
                json_object_set_new(r->told, task, json_string(why));
                log_info("duties", "dead letters of %s wait: %s", task, why);
        }
}

static void go_on(struct reprocessor *r)
{
        for (; r->group < json_array_size(r->groups); r->group++, r->round = 0) {
                const json_t *group = json_array_get(r->groups, r->group);
                const char *task = json_text(group, "name", "");
                const struct policy_rule *rule =
                        policy_find(&r->policy, task, json_text(group, "code", ""), json_text(group, "verdict", ""));
                if (!rule || r->round >= rule->rounds)
                        continue;
                const char *why = reprocess_hindrance(r, rule, task);
                reprocess_tell(r, task, why);
                if (!why && reprocess_begin(r, rule, group))
                        return;
        }
        duty_done(r->run);
}

const struct duty duty_reprocess = {
        .name = "reprocess",
        .period_ms = reprocess_period,
        .round = reprocess_round,
        .open = reprocess_open,
        .stop = reprocess_stop,
        .close = reprocess_close,
};
