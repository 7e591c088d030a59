/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the engine of consumers with some that do what the tests need: `consumers_driver STORE_URL PROCESS LEASE_MS NAME…`, until SIGTERM.
 *
 *   ledger   hears "Tested": writes down in a fact (counted, AGGREGATE, "numbers") the payload's "n", in the order of coming, and says so in an event
 *            "Counted" and a task "noted" to the queue "notes". It refuses {"refuse": true}, and waits for a fact (gate, AGGREGATE, "open") while the
 *            payload says {"gate": true}.
 *   patient  is the same, but tries a thousand times.
 *   greedy   hears "Wanted": writes the fact (prize, "all", payload.what) once, if nobody has it. */
#include "consumers/consumers.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ledger_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const char *owner = in->event->aggregate_id;
        const json_t *known = json_object_get(consumer_facts(in, "counted", owner), "numbers");
        if (json_is_true(json_object_get(in->event->payload, "refuse")))
                return problem_set(why, "consumer_logic", "refused_here", "the payload asks for it");
        if (json_is_true(json_object_get(in->event->payload, "gate")) &&
            !json_object_get(consumer_facts(in, "gate", owner), "open")) {
                problem_set(why, "consumer_logic", "gate_closed", "the gate of %s is closed", owner);
                return TASK_AGAIN;
        }
        json_t *numbers = known ? json_copy((json_t *)(uintptr_t)known) : json_array();
        json_array_append(numbers, json_object_get(in->event->payload, "n"));
        int rc = outcome_event(out, "ledger", owner, "Counted",
                               json_pack("{s:I}", "count", (json_int_t)json_array_size(numbers)));
        if (rc == 0)
                rc = outcome_fact_merge(out, "counted", owner, "numbers", numbers);
        if (rc == 0)
                rc = outcome_send(out,
                                  json_pack("{s:s, s:[], s:{s:s}, s:{s:s, s:s}}", "task", "noted", "args", "kwargs",
                                            "of", owner, "options", "exchange", "", "routing_key", "notes"));
        return rc;
}

static const struct consumer_def ledger = {
        .name = "ledger",
        .hears = { "Tested" },
        .aggregates = { "thing" },
        .sees = { { "counted", "/aggregate_id" }, { "gate", "/aggregate_id" } },
        .retry = { .limit = 3, .base_ms = 1, .cap_ms = 300 },
        .act = ledger_act,
};

static const struct consumer_def patient = {
        .name = "patient",
        .hears = { "Tested" },
        .sees = { { "counted", "/aggregate_id" }, { "gate", "/aggregate_id" } },
        .retry = { .limit = 1000, .base_ms = 20, .cap_ms = 100 },
        .act = ledger_act,
};

/* It sees what it writes where payload.from is "all". */
static int greedy_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const char *what;
        const int rc = consumer_need(in, "what", &what, why);
        if (rc != 0 || json_object_get(consumer_facts(in, "prize", "all"), what))
                return rc;
        return outcome_fact_once(out, "prize", "all", what, json_null());
}

static const struct consumer_def greedy = {
        .name = "greedy",
        .hears = { "Wanted" },
        .sees = { { "prize", "/payload/from" } },
        .act = greedy_act,
};

static const struct task_def *const no_tasks[] = { NULL };
static const struct consumer_def *const test_consumers[] = { &ledger, &patient, &greedy, NULL };
static const struct domain test_domain = { .name = "test", .tasks = no_tasks, .consumers = test_consumers };

struct driver_process {
        uv_loop_t loop;
        uv_signal_t term;
        struct consumers *consumers;
};

static void on_term(uv_signal_t *handle, int number)
{
        (void)number;
        consumers_stop(((struct driver_process *)handle->data)->consumers);
}

static void on_stopped(void *arg)
{
        uv_stop(&((struct driver_process *)arg)->loop);
}

int main(int argc, char **argv)
{
        static const struct domain *const domains[] = { &test_domain, NULL };
        static const struct pipeline *const pipelines[] = { NULL };
        const struct catalog_source source = { .domains = domains, .pipelines = pipelines };
        struct driver_process p = { 0 };
        struct catalog *catalog;
        struct problem why = { 0 };
        if (argc < 5)
                return 2;
        log_setup(LOG_INFO, false);
        if (catalog_new(&catalog, &source, &why) != 0) {
                fprintf(stderr, "%s\n", why.text);
                return 1;
        }
        uv_loop_init(&p.loop);
        const struct consumers_config config = { .loop = &p.loop,
                                                 .catalog = catalog,
                                                 .store_url = argv[1],
                                                 .name = argv[2],
                                                 .lease_ms = (unsigned)atoi(argv[3]),
                                                 .names = (const char *const *)&argv[4],
                                                 .name_count = (size_t)argc - 4,
                                                 .connect_timeout_ms = 5000,
                                                 .search_url = getenv("TEST_SEARCH_URL"),
                                                 .models_redis_url = getenv("TEST_MODELS_REDIS_URL"),
                                                 .stopped = on_stopped,
                                                 .arg = &p };
        const int code = consumers_open(&p.consumers, &config, &why);
        if (code == 0) {
                uv_signal_init(&p.loop, &p.term);
                p.term.data = &p;
                uv_signal_start(&p.term, on_term, SIGTERM);
                uv_run(&p.loop, UV_RUN_DEFAULT);
                consumers_close(p.consumers);
                uv_close((uv_handle_t *)&p.term, NULL);
        } else {
                fprintf(stderr, "%s\n", why.text);
        }
        uv_run(&p.loop, UV_RUN_DEFAULT);
        catalog_unref(catalog);
        return uv_loop_close(&p.loop) ? 2 : code ? 1 : 0;
}
