/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/submit.h"

#include "cli/input.h"
#include "cli/job_view.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 100, CONFIRM_MS = 15000 };

struct request {
        const struct pipeline *pipeline;
        json_t *whole, *input; /* owned */
        double wait_s;         /* < 0: don't wait */
        bool json;
};

static int read_request(const struct command *self, struct request *r, const char *file, char **words, int count);
static int submit(const struct command *self, const struct settings *s, const struct request *r);

static int run(const struct command *self, int argc, char **argv)
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
        struct request r = { .wait_s = -1 };
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
        else
                code = read_request(self, &r, file, argv, operands);
        if (code == 0)
                code = lines ? submit_lines(self, &s, r.pipeline) : submit(self, &s, &r);
        json_decref(r.whole);
        json_decref(r.input);
        settings_free(&s);
        return code;
}

/* ---- what to submit ---- */

static int find_pipeline(const struct command *self, struct request *r, const char *name)
{
        const char *names[32];
        size_t count = 0;
        for (; count < 32 && pipeline_registry[count]; count++)
                names[count] = pipeline_registry[count]->name;
        r->pipeline = pipeline_find(name);
        if (r->pipeline)
                return 0;
        const char *near = nearest_name(name, names, count);
        return command_misuse(self, "there is no pipeline \"%.60s\"%s%s%s", name, near ? "; did you mean \"" : "",
                              near ? near : "", near ? "\"?" : "");
}

static int read_request(const struct command *self, struct request *r, const char *file, char **words, int count)
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

static void print_submitted(const struct request *r, const char *id)
{
        if (r->json && r->pipeline)
                printf("{\"id\":\"%s\",\"pipeline\":\"%s\",\"state\":\"PENDING\",\"document\":null,\"error\":null}\n",
                       id, r->pipeline->name);
        else
                puts(id);
}

static int publish(const struct command *self, const struct settings *s, const struct request *r, struct wait *wait,
                   char id[ID_TEXT_SIZE])
{
        struct problem why = { 0 };
        struct message *message = NULL;
        struct submitter submitter;
        int code = pipeline_start(r->pipeline, r->input, id, &message, &why);
        if (code)
                return command_fail(self, code, &why);
        code = submitter_open(&submitter, self, s, wait);
        if (code)
                message_free(message);
        else if (submitter_publish(&submitter, message, id, false) < 0)
                code = EXIT_FAILED;
        else
                code = submitter_drain(&submitter, 0, CONFIRM_MS);
        if (code == 0 && submitter.failed)
                code = EXIT_FAILED;
        submitter_close(&submitter);
        return code;
}

/* Follow the job to its end, or until the time is up. */
static int follow(const struct command *self, const struct request *r, struct job_view *view, const char *id)
{
        const uint64_t until_ms = clock_mono_ms() + (uint64_t)(r->wait_s * 1000);
        for (;;) {
                const int code = job_view_read(view, self, id, CONFIRM_MS);
                if (code)
                        return code;
                job_view_progress(view);
                if (job_view_ended(view))
                        break;
                if (clock_mono_ms() >= until_ms) {
                        fprintf(stderr,
                                "chard submit: job %s has not ended after %g s; look again with: chard job %s\n", id,
                                r->wait_s, id);
                        return EXIT_TIMED_OUT;
                }
                wait_for(view->wait, LOOK_MS);
        }
        if (r->json)
                job_view_print_json(view->job, false);
        else
                job_view_print(view);
        return job_view_exit_code(view);
}

static int submit(const struct command *self, const struct settings *s, const struct request *r)
{
        struct wait wait;
        struct job_view view = { 0 };
        char id[ID_TEXT_SIZE];
        const bool follows = r->wait_s >= 0;
        int code = 0;
        wait_open(&wait);
        if (follows) /* before anything is submitted: who can't watch should not start */
                code = job_view_open(&view, self, s, &wait);
        if (code == 0)
                code = publish(self, s, r, &wait, id);
        if (code == 0 && follows)
                code = follow(self, r, &view, id);
        else if (code == 0)
                print_submitted(r, id);
        job_view_close(&view);
        wait_close(&wait);
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
                "On success the job's id is on standard output; with --wait the finished job is.",
        .run = run,
};
