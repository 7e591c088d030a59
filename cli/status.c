/* SPDX-License-Identifier: Apache-2.0 */
/* `chard status`: who works, who is dead and what he holds, what is paused or stuck. */
#include "cli/jobs/client.h"

#include "broker/broker.h"
#include "cli/common/view.h"
#include "core/json.h"
#include "core/text/print.h"
#include "tasks/task.h"

#include <stdio.h>
#include <string.h>

enum { STATUS_ANSWER_MS = 15000, STATUS_STALE_MS = 10000, STATUS_QUEUES = 256, STATUS_NAME_SIZE = 300 };

struct status {
        struct jobs_client client;
        struct broker *broker;
        json_t *shown; /* {"workers","keepers","paused","queues","dead","duties","scheduled","wrong"}; owned */
        json_t *wrong; /* in it: what is wrong, in words */
        int64_t depth, consumers, dead;
};

static void status_wrong(struct status *s, json_t *takes)
{
        json_array_append_new(s->wrong, takes);
}

/* ---- workers ---- */

static json_t *status_held(const json_t *load, const char *owner)
{
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(load, "held"), i, row)
                if (strcmp(json_text(row, "owner", ""), owner) == 0)
                        return row;
        return NULL;
}

/* "consuming", "not consuming", "stopped" (in order), "dead". */
static const char *status_state(const json_t *row)
{
        const json_t *state = json_object_get(row, "state");
        if (strcmp(json_text(state, "why", ""), "stopping") == 0)
                return "stopped";
        if (json_number(row, "age_ms", 0) > STATUS_STALE_MS)
                return "dead";
        return json_is_true(json_object_get(state, "consuming")) ? "consuming" : "not consuming";
}

static void status_judge(struct status *s, const json_t *row, const char *name, const char *word, const json_t *held)
{
        if (strcmp(word, "not consuming") == 0)
                status_wrong(s, json_sprintf("%s does not consume: %s", name,
                                             json_text(json_object_get(row, "state"), "why", "?")));
        if (strcmp(word, "dead") == 0 && held)
                status_wrong(s, json_sprintf("%s is dead and holds %lld tasks until %s", name,
                                             (long long)json_number(held, "count", 0), json_text(held, "until", "?")));
}

static void status_paused(struct status *s, const json_t *tasks, const char *worker)
{
        const char *task;
        json_t *value;
        json_object_foreach((json_t *)tasks, task, value) {
                const json_int_t ms = json_number(value, "paused_ms", 0);
                const struct task *known = catalog_task(s->client.catalog, task);
                const struct task_def *def = known ? known->def : NULL;
                const char *model = def && def->model == AI_MODEL_VISION ? "vision"
                                    : def && def->model                  ? def->model
                                                                         : "text";
                if (ms <= 0)
                        continue;
                json_array_append_new(json_object_get(s->shown, "paused"),
                                      json_pack("{s:s, s:s, s:s, s:I}", "task", task, "model", model, "worker", worker,
                                                "paused_ms", ms));
                status_wrong(s, json_sprintf("%s: the model (%s) is paused for %.1f s on %s", task, model,
                                             (double)ms / 1000, worker));
        }
}

/* Returns whether it is a live worker that consumes. */
static bool status_worker(struct status *s, const json_t *row, const json_t *load)
{
        const json_t *state = json_object_get(row, "state"), *tasks = json_object_get(state, "tasks");
        const char *name = json_text(row, "name", "?"), *word = status_state(row);
        const bool keeper = strcmp(json_text(state, "role", ""), "keeper") == 0;
        json_t *held = status_held(load, name);
        const bool live = strcmp(word, "consuming") == 0;
        json_array_append_new(json_object_get(s->shown, keeper ? "keepers" : "workers"),
                              json_pack("{s:s, s:s, s:s, s:I, s:I, s:O?}", "name", name, "state", word, "why",
                                        json_text(state, "why", ""), "age_ms", json_number(row, "age_ms", 0), "in_hand",
                                        json_number(state, "in_hand", 0), "held", held));
        status_judge(s, row, name, word, held);
        if (live && !keeper)
                status_paused(s, tasks, name);
        return live && !keeper;
}

/* ---- queues ---- */

static void status_on_depth(const struct queue_depth *depth, void *arg)
{
        struct status *s = (struct status *)arg;
        s->depth = queue_depth_messages(depth);
        s->consumers = depth->consumers;
        wait_done(&s->client.wait);
}

/* Leaves in `depth` and `consumers` what the broker says of a queue, -1 where it says nothing. */
static void status_ask_depth(struct status *s, const char *queue)
{
        s->depth = s->consumers = -1;
        s->broker->backend->depth(s->broker, queue, status_on_depth, s);
        wait_for(&s->client.wait, STATUS_ANSWER_MS);
}

/* Live workers that consume a queue: those whose rows name one of its tasks. */
static int status_consumers(const struct task_set *set, const json_t *rows, const char *queue)
{
        size_t i;
        json_t *row;
        int count = 0;
        json_array_foreach(rows, i, row) {
                const json_t *tasks = json_object_get(json_object_get(row, "state"), "tasks");
                bool names = false;
                for (size_t t = 0; t < set->count && !names; t++)
                        names = strcmp(set->tasks[t].def->queue, queue) == 0 &&
                                json_object_get(tasks, set->tasks[t].def->name);
                count += names && strcmp(status_state(row), "consuming") == 0;
        }
        return count;
}

/* A queue that holds something or has consumers is shown; what is in its dead letter queue is added up. */
static void status_queue(struct status *s, const json_t *rows, const char *queue)
{
        char dead[STATUS_NAME_SIZE];
        status_ask_depth(s, queue);
        const int64_t depth = s->depth;
        const int64_t consumers =
                s->consumers >= 0 ? s->consumers : status_consumers(catalog_tasks(s->client.catalog), rows, queue);
        if (depth > 0 && consumers == 0)
                status_wrong(s, json_sprintf("%s holds %lld messages and nobody consumes it", queue, (long long)depth));
        if (depth > 0 || consumers > 0)
                json_array_append_new(json_object_get(s->shown, "queues"),
                                      json_pack("{s:s, s:o, s:I}", "queue", queue, "depth",
                                                depth < 0 ? json_null() : json_integer(depth), "consumers",
                                                (json_int_t)consumers));
        snprintf(dead, sizeof(dead), "%s.dead", queue);
        status_ask_depth(s, dead);
        s->dead += s->depth > 0 ? s->depth : 0;
}

static void status_queues(struct status *s, const json_t *rows)
{
        const char *queues[STATUS_QUEUES];
        const size_t count = catalog_queues(s->client.catalog, queues, STATUS_QUEUES);
        for (size_t i = 0; i < count; i++)
                status_queue(s, rows, queues[i]);
}

/* Who files dead letters; where none lives, what lies there stays where it is. */
static void status_keepers(struct status *s)
{
        size_t i;
        json_t *keeper;
        bool live = false;
        json_array_foreach(json_object_get(s->shown, "keepers"), i, keeper)
                live = live || strcmp(json_text(keeper, "state", ""), "consuming") == 0;
        json_object_set_new(s->shown, "dead", json_integer(s->dead));
        if (!live && s->dead > 0)
                status_wrong(s, json_sprintf("%lld dead letters wait to be filed and no keeper runs: chard keep",
                                             (long long)s->dead));
}

/* ---- all of it ---- */

static int status_ask(struct status *s, const json_t **rows, const json_t **load)
{
        jobs_load(s->client.jobs, jobs_client_on_value, &s->client);
        const int code = jobs_client_wait(&s->client, STATUS_ANSWER_MS);
        *rows = json_object_get(s->client.value, "workers");
        *load = s->client.value;
        return code;
}

static void status_gather(struct status *s, const json_t *rows, const json_t *load)
{
        size_t i;
        json_t *row;
        int live = 0;
        json_t *scheduled = json_object_get(load, "scheduled");
        json_array_foreach(rows, i, row)
                live += status_worker(s, row, load);
        if (live == 0)
                status_wrong(s, json_string("no worker consumes"));
        const json_int_t overdue = json_number(scheduled, "overdue", 0);
        if (overdue > 0)
                status_wrong(s, json_sprintf("%lld scheduled messages are stuck: due for more than a minute",
                                             (long long)overdue));
        const json_int_t unroutable = json_number(scheduled, "unroutable", 0);
        if (unroutable > 0)
                status_wrong(
                        s, json_sprintf("no queue takes %lld scheduled messages; see: chard scheduled ls --unroutable",
                                        (long long)unroutable));
        json_object_set(s->shown, "scheduled", scheduled);
        const char *leader = json_text(json_object_get(load, "leases"), "duties", NULL);
        json_object_set_new(s->shown, "duties", json_pack("{s:s?}", "leader", leader));
        if (s->broker)
                status_queues(s, rows);
        status_keepers(s);
}

static void status_print_workers(const json_t *workers, const char *what)
{
        size_t i;
        json_t *w;
        json_array_foreach(workers, i, w) {
                const json_t *held = json_object_get(w, "held");
                printf("%-7s ", what);
                print_plain(stdout, json_text(w, "name", "?"));
                printf("  %s, %lld in hand", json_text(w, "state", "?"), (long long)json_number(w, "in_hand", 0));
                if (*json_text(w, "why", "") && strcmp(json_text(w, "state", ""), "not consuming") == 0)
                        printf(" (%s)", json_text(w, "why", ""));
                if (strcmp(json_text(w, "state", ""), "dead") == 0)
                        printf(", no sign of life for %lld s", (long long)json_number(w, "age_ms", 0) / 1000);
                if (json_is_object(held))
                        printf(", holds %lld until %s", (long long)json_number(held, "count", 0),
                               json_text(held, "until", "?"));
                putchar('\n');
        }
        if (json_array_size(workers) == 0)
                printf("%-7s none%s\n", what, *what == 'k' ? ": nobody files dead letters (chard keep)" : "");
}

static void status_print(const struct status *s)
{
        size_t i;
        json_t *row;
        const json_t *scheduled = json_object_get(s->shown, "scheduled");
        status_print_workers(json_object_get(s->shown, "workers"), "worker");
        status_print_workers(json_object_get(s->shown, "keepers"), "keeper");
        const char *leader = json_text(json_object_get(s->shown, "duties"), "leader", NULL);
        printf("duties  ");
        print_plain(stdout, leader ? leader : "nobody does them (chard keep)");
        putchar('\n');
        json_array_foreach(json_object_get(s->shown, "queues"), i, row) {
                printf("queue   %s  %d consumers", json_text(row, "queue", "?"), (int)json_number(row, "consumers", 0));
                if (json_is_integer(json_object_get(row, "depth")))
                        printf(", %lld messages", (long long)json_number(row, "depth", 0));
                putchar('\n');
        }
        if (json_number(s->shown, "dead", 0) > 0)
                printf("dead    %lld letters wait to be filed\n", (long long)json_number(s->shown, "dead", 0));
        printf("waiting %lld scheduled messages, %lld of them overdue\n", (long long)json_number(scheduled, "count", 0),
               (long long)json_number(scheduled, "overdue", 0));
        json_array_foreach(s->wrong, i, row)
                printf("WRONG   %s\n", json_string_value(row));
        if (json_array_size(s->wrong) == 0)
                puts("all is well");
}

/* One out of reach is a thing that is wrong, and the rest is shown. */
static void status_open_broker(struct status *s, const struct settings *settings)
{
        const struct broker_listener deaf = { 0 };
        const struct broker_config broker = { .loop = &s->client.wait.loop,
                                              .urls = settings->broker_url,
                                              .ca_file = setting_or_null(settings->broker_ca_file),
                                              .name = "chard status",
                                              .heartbeat_s = (unsigned)settings->heartbeat_s,
                                              .connect_timeout_ms = (unsigned)settings->connect_timeout_ms };
        if (broker_open(&s->broker, &broker, &deaf, &s->client.why))
                status_wrong(s, json_sprintf("the broker: %s", s->client.why.text));
}

static int status_show(const struct command *self, const struct settings *settings, bool json)
{
        struct status s = { .shown = json_pack("{s:[], s:[], s:[], s:[], s:[]}", "workers", "keepers", "paused",
                                               "queues", "wrong") };
        const json_t *rows, *load;
        s.wrong = json_object_get(s.shown, "wrong");
        int code = jobs_client_open(&s.client, self, settings, NULL, JOBS_STORE);
        if (code == 0)
                status_open_broker(&s, settings);
        if (code == 0)
                code = status_ask(&s, &rows, &load);
        if (code == 0) {
                status_gather(&s, rows, load);
                if (json) {
                        json_dumpf(s.shown, stdout, JSON_COMPACT);
                        putchar('\n');
                } else {
                        status_print(&s);
                }
                code = json_array_size(s.wrong) ? EXIT_FAILED : EXIT_DONE;
        }
        if (s.broker)
                broker_close(s.broker);
        jobs_client_close(&s.client);
        json_decref(s.shown);
        return code;
}

static int status_run(const struct command *self, int argc, char **argv)
{
        bool json = false;
        const struct own_flag own[] = { { "--json", 0, &json, NULL, NULL, "print one JSON object" }, { 0 } };
        struct settings s;
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        code = status_show(self, &s, json);
        settings_free(&s);
        return code;
}

const struct command command_status = {
        .name = "status",
        .summary =
                "Show workers, dead ones and what they hold, paused models, queues, stuck messages; exit code 1 when something is wrong",
        .usage = "[--json]",
        .example = "  chard status\n  chard status --json | jq .wrong",
        .run = status_run,
};
