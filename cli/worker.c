/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include "core/log.h"
#include "tasks/offline.h"
#include "worker/worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_QUEUES = 256 };

struct process {
        uv_loop_t loop;
        uv_signal_t term, interrupt;
        struct worker *worker;
};

static void on_signal(uv_signal_t *handle, int number)
{
        struct process *p = (struct process *)handle->data;
        log_info("worker", "signal %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
        worker_stop(p->worker);
}

/* Thousands of calls are thousands of sockets. */
static void raise_file_limit(void)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* The queues named, or all but the diagnostic ones; the names point into `text`. */
static size_t choose_queues(char *text, const char *queues[])
{
        size_t count = 0;
        for (char *save, *name = strtok_r(text, ", ", &save); name && count < MOST_QUEUES;
             name = strtok_r(NULL, ", ", &save))
                queues[count++] = name;
        if (count)
                return count;
        for (size_t i = 0; task_registry[i] && count < MOST_QUEUES; i++)
                if (!(task_registry[i]->flags & TASK_DIAGNOSTIC))
                        queues[count++] = task_registry[i]->queue;
        return count;
}

static void choose_name(const struct settings *s, char *out, size_t size)
{
        char host[128] = "localhost";
        gethostname(host, sizeof(host) - 1);
        if (*s->name)
                snprintf(out, size, "%s", s->name);
        else
                snprintf(out, size, "chard@%s", host);
}

static int serve(const struct command *self, struct process *p, const struct worker_config *config)
{
        struct problem why = { 0 };
        int code = tasks_load(&why);
        if (!code)
                code = worker_open(&p->worker, config, &why);
        if (code)
                return command_fail(self, code, &why);
        p->term.data = p->interrupt.data = p;
        uv_signal_init(&p->loop, &p->term);
        uv_signal_init(&p->loop, &p->interrupt);
        uv_signal_start(&p->term, on_signal, SIGTERM);
        uv_signal_start(&p->interrupt, on_signal, SIGINT);

        uv_run(&p->loop, UV_RUN_DEFAULT);
        /* Until all is closed a further signal is heard and changes nothing; it no longer keeps the loop turning. */
        uv_unref((uv_handle_t *)&p->term);
        uv_unref((uv_handle_t *)&p->interrupt);
        worker_close(p->worker);
        uv_close((uv_handle_t *)&p->term, NULL);
        uv_close((uv_handle_t *)&p->interrupt, NULL);
        uv_run(&p->loop, UV_RUN_DEFAULT);
        log_info("worker", "stopped");
        return EXIT_DONE;
}

static int run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct process p = { 0 };
        int operands, code;
        if (!command_load(self, NULL, &s, argc, argv, &operands, &code))
                return code;
        if (operands > 0) {
                code = command_misuse(self, "takes no word \"%.60s\"", argv[0]);
                settings_free(&s);
                return code;
        }
        const char *queues[MOST_QUEUES];
        char name[256];
        choose_name(&s, name, sizeof(name));
        const struct worker_config config = {
                .loop = &p.loop,
                .broker_urls = s.broker_url,
                .broker_ca_file = setting_or_null(s.broker_ca_file),
                .store_url = s.store_url,
                .ai = {
                        .provider = s.ai_provider,
                        .base_url = s.openai_base_url,
                        .api_key = s.openai_api_key,
                        .model = s.openai_model,
                        .vision_model = s.openai_vision_model,
                        .connect_timeout_ms = (unsigned)s.connect_timeout_ms,
                        .max_connections = s.ai_connections,
                        .http2_plain = s.ai_http2_plain,
                        .offline = offline_answer,
                },
                .name = name,
                .queues = queues,
                .queue_count = choose_queues(s.queues, queues),
                .slots = (unsigned)s.slots,
                .heartbeat_s = (unsigned)s.heartbeat_s,
                .connect_timeout_ms = (unsigned)s.connect_timeout_ms,
                .grace_ms = (unsigned)s.grace_ms,
                .hold_ms = (unsigned)s.hold_ms,
                .max_starts = (unsigned)s.max_starts,
                .lease_slack_ms = (unsigned)s.lease_slack_ms,
                .deadline_ms = (unsigned)s.deadline_ms,
                .max_body = (size_t)s.max_body_bytes,
                .health_file = setting_or_null(s.health_file),
        };
        raise_file_limit();
        uv_loop_init(&p.loop);
        log_info("worker", "chard " CHARD_VERSION " starts as %s", name);
        code = serve(self, &p, &config);
        uv_loop_close(&p.loop);
        settings_free(&s);
        return code;
}

const struct command command_worker = {
        .name = "worker",
        .summary = "Consume task queues until SIGTERM",
        .usage = "[-Q QUEUE,…] [-c SLOTS] [-n NAME]",
        .example = "  chard worker -Q scan.vision,scan.answer -c 2000 -n chard@worker-7",
        .details =
                "The first SIGTERM or SIGINT stops consuming and finishes what runs within the grace time, a second one hands everything\n"
                "back at once. What is handed back counts as no attempt.",
        .serves = true,
        .run = run,
};
