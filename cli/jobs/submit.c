/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/jobs/submit.h"

#include "cli/common/input.h"
#include "cli/jobs/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/nearest.h"
#include "pipelines/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WARN_MS = 1000, CONFIRM_MS = 15000 };

struct submit_request {
        struct catalog *catalog; /* a reference */
        const struct pipeline *pipeline;
        json_t *whole, *input; /* owned */
        double wait_s;         /* < 0: don't wait */
        bool json;
};

static int read_request(const struct command *self, struct submit_request *r, const char *file, char **words,
                        int count);
static int submit_one_job(const struct command *self, const struct settings *s, const struct submit_request *r);

static int submit_run(const struct command *self, int argc, char **argv)
{
        bool json = false, lines = false;
        const char *wait = NULL, *file = NULL;
        const struct own_flag own[] = {
                { "--wait", 0, NULL, &wait, "SECONDS",
                  "wait for the job's end this long; exit code 1 when it failed, 4 when the time was up" },
                { "--json", 0, &json, NULL, NULL, "print one JSON object: id, pipeline, state, document, error" },
                { "--input", 'i', NULL, &file, "FILE",
                  "read the input from a JSON file, - for standard input; words then add to it" },
                { "--lines", 0, &lines, NULL, NULL,
                  "submit every line of standard input, each one input object; prints an id a line" },
                { 0 },
        };
        struct settings s;
        struct submit_request r = { .wait_s = -1 };
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        char *end = NULL;
        if (wait)
                r.wait_s = strtod(wait, &end);
        r.json = json;
        if (wait && (end == wait || *end || !(r.wait_s >= 0 && r.wait_s < 1e7)))
                code = command_misuse(self, "--wait: \"%.40s\" is no number of seconds", wait);
        else if (lines && (operands != 1 || file || wait || json))
                code = command_misuse(self, "--lines takes the pipeline's name and nothing else");
        else if ((r.catalog = command_catalog(self, &s, &code)))
                code = read_request(self, &r, file, argv, operands);
        if (code == 0 && r.pipeline)
                code = lines ? submit_lines(self, &s, r.catalog, r.pipeline->name) : submit_one_job(self, &s, &r);
        json_decref(r.whole);
        json_decref(r.input);
        catalog_unref(r.catalog);
        settings_free(&s);
        return code;
}

/* ---- what to submit ---- */

static int find_pipeline(const struct command *self, struct submit_request *r, const char *name)
{
        const char *names[32];
        size_t count = 0;
        const struct pipeline *const *all = catalog_pipelines(r->catalog);
        for (; count < 32 && all[count]; count++)
                names[count] = all[count]->name;
        r->pipeline = catalog_pipeline(r->catalog, name);
        if (r->pipeline)
                return 0;
        char offer[NEAREST_OFFER_SIZE];
        return command_misuse(self, "there is no pipeline \"%.60s\"%s", name,
                              nearest_offer(offer, name, names, count, ""));
}

static int read_request(const struct command *self, struct submit_request *r, const char *file, char **words, int count)
{
        struct problem why = { 0 };
        const char *named = NULL;
        int code = 0;
        if (file)
                code = input_file(file, &r->whole, &named, &r->input, &why);
        else
                r->input = json_object();
        if (code)
                return command_fail(self, code, &why);
        if (count > 0 && !strchr(words[0], '=')) {
                named = *words++;
                count--;
        }
        if (!named)
                return command_misuse(self, "name a pipeline");
        code = find_pipeline(self, r, named);
        for (int i = 0; i < count && code == 0; i++)
                if (input_word(r->input, words[i], &why))
                        code = command_fail(self, 1, &why);
        return code;
}

/* ---- submitting ---- */

static void print_submitted(const struct submit_request *r, const char *id)
{
        if (r->json)
                printf("{\"id\":\"%s\",\"pipeline\":\"%s\",\"state\":\"PENDING\",\"document\":null,\"error\":null}\n",
                       id, r->pipeline->name);
        else
                puts(id);
}

static struct bytes submit_variable(const char *name)
{
        const char *text = getenv(name);
        return text ? bytes_of_string(text) : bytes_of(NULL, 0);
}

/* The trace that whoever runs it is in, by the variables that OpenTelemetry gives to programs. What is not well formed is none. */
static struct trace_context submit_trace(void)
{
        const struct trace_context given = { getenv("TRACEPARENT"), submit_variable("TRACESTATE"),
                                             submit_variable("BAGGAGE") };
        return trace_well_formed(&given);
}

static int submit_publish(struct submitter *s, const struct submit_request *r, char id[JOBS_ID_SIZE])
{
        struct problem why = { 0 };
        const struct job_request request = { .pipeline = r->pipeline->name,
                                             .input = r->input,
                                             .trace = submit_trace() };
        int code = jobs_submit(s->client.jobs, &request, id, submit_on_done, s, &why);
        if (code)
                return command_fail(s->client.self, code, &why);
        s->open++;
        code = submit_drain(s, 0, CONFIRM_MS);
        return code == 0 && s->failed ? EXIT_FAILED : code;
}

/* ---- waiting for its end ---- */

/* The step that the job waits at: the first that has not succeeded. NULL when one runs. */
static const char *waiting_at(const struct submit_request *r, const json_t *job)
{
        size_t i, done = 0;
        json_t *task;
        json_array_foreach(json_object_get(job, "tasks"), i, task) {
                if (strcmp(json_text(task, "state", ""), "SUCCESS") != 0)
                        return NULL;
                done++;
        }
        return done < PIPELINE_MAX_STEPS ? r->pipeline->steps[done] : NULL;
}

/* Somebody who waits in vain should know that nobody is there to do it. Said once a step. */
static int warn_unconsumed(struct jobs_client *c, const char *step, const char **warned)
{
        if (!step || (*warned && strcmp(*warned, step) == 0))
                return 0;
        jobs_consumed(c->jobs, step, jobs_client_on_value, c);
        const int code = jobs_client_wait(c, CONFIRM_MS);
        if (code == 0 && json_is_false(json_object_get(c->value, "consumed"))) {
                fprintf(stderr, "chard submit: no worker consumes %s: the job waits until one does\n", step);
                *warned = step;
        }
        return code;
}

static int time_up(const struct submit_request *r, const char *id)
{
        fprintf(stderr, "chard submit: job %s has not ended after %g s; look again with: chard job %s\n", id, r->wait_s,
                id);
        return EXIT_TIMED_OUT;
}

/* A job that is being followed to its end. */
struct ending {
        struct wait *wait;
        struct problem why;
        bool news, ended, failed;
};

static void on_news(const struct job_news *news, const struct problem *why, void *arg)
{
        struct ending *e = (struct ending *)arg;
        e->news = true;
        e->ended = e->ended || (news && news->ended);
        e->failed = why != NULL;
        if (why)
                e->why = *why;
        wait_done(e->wait);
}

static int submit_read(struct jobs_client *c, const char *id, char **shown)
{
        jobs_read(c->jobs, id, jobs_client_on_value, c);
        const int code = jobs_client_wait(c, CONFIRM_MS);
        if (code == 0)
                job_print_progress(c->value, shown);
        return code;
}

/* Until the job has ended, or the time is up. */
static int submit_await(struct jobs_client *c, const struct submit_request *r, const char *id, struct ending *e,
                        char **shown)
{
        const uint64_t from_ms = clock_mono_ms(), until_ms = from_ms + (uint64_t)(r->wait_s * 1000);
        uint64_t warn_ms = from_ms + WARN_MS < until_ms ? from_ms + WARN_MS : until_ms;
        const char *warned = NULL;
        int code = 0;
        while (code == 0) {
                const uint64_t now_ms = clock_mono_ms();
                const uint64_t next_ms = warn_ms < until_ms ? warn_ms : until_ms;
                e->news = false;
                if (now_ms < next_ms && !e->ended)
                        wait_for(&c->wait, next_ms - now_ms);
                if (e->failed)
                        return command_fail(c->self, 1, &e->why);
                if (e->news || e->ended)
                        code = submit_read(c, id, shown);
                if (code || (e->ended && job_ended(c->value)))
                        break;
                if (clock_mono_ms() >= warn_ms) {
                        code = submit_read(c, id, shown);
                        if (code == 0)
                                code = warn_unconsumed(c, waiting_at(r, c->value), &warned);
                        warn_ms += WARN_MS;
                }
                if (code == 0 && clock_mono_ms() >= until_ms)
                        code = time_up(r, id);
        }
        return code;
}

static int submit_follow(struct jobs_client *c, const struct submit_request *r, const char *id)
{
        struct ending e = { .wait = &c->wait };
        struct follower *follower = NULL;
        struct problem why = { 0 };
        char *shown = NULL;
        int code = jobs_follow(c->jobs, id, 0, on_news, &e, &follower, &why);
        if (code)
                return command_fail(c->self, code, &why);
        code = submit_await(c, r, id, &e, &shown);
        jobs_unfollow(follower);
        free(shown);
        if (code)
                return code;
        if (r->json)
                job_print_json(c->value, false);
        else
                job_print_answer(c->value, r->pipeline);
        return job_exit_code(c->value);
}

static int submit_one_job(const struct command *self, const struct settings *settings, const struct submit_request *r)
{
        struct submitter s = { 0 };
        struct problem why = { 0 };
        char id[JOBS_ID_SIZE];
        const bool follows = r->wait_s >= 0;
        /* What is wrong with the words is said before anything is connected to. */
        if (input_check(r->pipeline->input, r->input, "pipeline", "bad_input", &why))
                return command_fail(self, 1, &why);
        /* The store before anything is submitted: who can't watch should not start. */
        int code = jobs_client_open(&s.client, self, settings, r->catalog, JOBS_BROKER | (follows ? JOBS_STORE : 0));
        if (code == 0)
                code = submit_publish(&s, r, id);
        if (code == 0 && follows) {
                fprintf(r->json ? stderr : stdout, "%s\n", id);
                fflush(stdout);
                code = submit_follow(&s.client, r, id);
        } else if (code == 0) {
                print_submitted(r, id);
        }
        jobs_client_close(&s.client);
        return code;
}

const struct command command_submit = {
        .name = "submit",
        .summary = "Submit a job; prints its id once the broker has confirmed it",
        .usage = "PIPELINE key=value… [--wait SECONDS] [--json] | PIPELINE --lines",
        .example = "  chard submit scan user_id=u1 image_url=@bottle.png text=\"물병이에요\" lang=ko --wait 60\n"
                   "  chard submit chat user_id=u1 text=\"How do I sort a milk carton?\" lang=en\n"
                   "  chard submit --input examples/my-profile.json",
        .details =
                "A value is text (key=text), JSON (key:=[1,2]) or a file (key=@FILE; a picture is sent as a data: URL).\n"
                "The job's id is printed at once. With --wait the answer follows when the job has ended, with its tasks and how long it took;\n"
                "with --json the job is one JSON object on standard output, and the id stands on standard error.\n"
                "The variables TRACEPARENT, TRACESTATE and BAGGAGE of the environment are the trace that the job belongs to.",
        .run = submit_run,
};
