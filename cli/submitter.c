/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/submit.h"

#include "core/bytes.h"
#include "core/id.h"
#include "core/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ticket {
        struct submitter *submitter;
        bool print;
        char id[ID_TEXT_SIZE];
};

int submitter_open(struct submitter *s, const struct command *self, const struct settings *settings, struct wait *wait)
{
        struct problem why = { 0 };
        const struct broker_listener deaf = { 0 };
        *s = (struct submitter){ .self = self, .wait = wait };
        const struct broker_config config = {
                .loop = &wait->loop,
                .urls = settings->broker_url,
                .ca_file = setting_or_null(settings->broker_ca_file),
                .name = "chard submit",
                .heartbeat_s = (unsigned)settings->heartbeat_s,
                .connect_timeout_ms = (unsigned)settings->connect_timeout_ms,
        };
        const int code = broker_open(&s->broker, &config, &deaf, &why);
        return code ? command_fail(self, code, &why) : 0;
}

static void on_published(enum publish_result result, void *arg)
{
        static const char *const words[] = {
                [PUBLISH_RETURNED] = "no queue takes it; run: chard topology apply",
                [PUBLISH_REFUSED] = "the broker refused it; run: chard topology apply",
                [PUBLISH_CLOSED] =
                        "the connection ended before it was confirmed: it may or may not have been submitted",
        };
        struct ticket *t = (struct ticket *)arg;
        struct submitter *s = t->submitter;
        s->open--;
        if (result == PUBLISH_CONFIRMED && t->print)
                puts(t->id);
        if (result != PUBLISH_CONFIRMED) {
                s->failed++;
                fprintf(stderr, "chard %s: %s: %s\n", s->self->name, t->id, words[result]);
        }
        free(t);
        wait_done(s->wait);
}

int submitter_publish(struct submitter *s, struct message *takes, const char *job_id, bool print)
{
        struct ticket *t = calloc(1, sizeof(*t));
        if (!t) {
                message_free(takes);
                return -ENOMEM;
        }
        t->submitter = s;
        t->print = print;
        snprintf(t->id, sizeof(t->id), "%s", job_id);
        s->open++;
        broker_publish(s->broker, takes, on_published, t);
        return 0;
}

int submitter_drain(struct submitter *s, size_t most, uint64_t ms)
{
        while (s->open > most) {
                if (!wait_for(s->wait, ms)) {
                        fprintf(stderr, "chard %s: the broker did not confirm within %llu ms\n", s->self->name,
                                (unsigned long long)ms);
                        return EXIT_UNREACHABLE;
                }
        }
        return 0;
}

void submitter_close(struct submitter *s)
{
        if (s->broker)
                broker_close(s->broker);
        s->broker = NULL;
}

/* ---- many: one input a line ---- */

/* Jobs under way at once; lines between two looks at the confirms; the longest silence of the broker. */
enum { WINDOW = 2000, TURN = 64, CONFIRM_MS = 30000 };

static int submit_line(struct submitter *s, const struct pipeline *pipeline, const char *line, size_t size,
                       size_t number)
{
        JSON_OWNED json_t *input = NULL;
        struct problem why = { 0 };
        struct message *message = NULL;
        char id[ID_TEXT_SIZE];
        int code = json_parse(bytes_of(line, size), "input", &input, &why);
        if (!code)
                code = pipeline_start(pipeline, input, id, &message, &why);
        if (code > 0) {
                fprintf(stderr, "chard %s: line %zu: %s\n", s->self->name, number, why.text);
                return EXIT_USAGE;
        }
        return code < 0 || submitter_publish(s, message, id, true) < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* Wrong lines are named and left out; the rest goes on. */
static int publish_lines(struct submitter *s, const struct pipeline *pipeline)
{
        int worst = EXIT_DONE;
        char *line = NULL;
        size_t capacity = 0, number = 0;
        ssize_t size;
        while ((size = getline(&line, &capacity, stdin)) > 0) {
                number++;
                if (strspn(line, " \t\r\n") == (size_t)size)
                        continue;
                const int code = submit_line(s, pipeline, line, (size_t)size, number);
                if (code && worst != EXIT_UNREACHABLE)
                        worst = code;
                if (number % TURN == 0)
                        uv_run(&s->wait->loop, UV_RUN_NOWAIT);
                if (submitter_drain(s, WINDOW, CONFIRM_MS)) {
                        worst = EXIT_UNREACHABLE;
                        break;
                }
        }
        free(line);
        return worst;
}

int submit_lines(const struct command *self, const struct settings *settings, const struct pipeline *pipeline)
{
        struct wait wait;
        struct submitter s;
        wait_open(&wait);
        int code = submitter_open(&s, self, settings, &wait);
        if (code == 0) {
                code = publish_lines(&s, pipeline);
                if (code != EXIT_UNREACHABLE && submitter_drain(&s, 0, CONFIRM_MS))
                        code = EXIT_UNREACHABLE;
        }
        submitter_close(&s);
        wait_close(&wait);
        return code ? code : s.failed ? EXIT_FAILED : EXIT_DONE;
}
