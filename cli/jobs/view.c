/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/jobs/view.h"

#include "cli/common/command.h"
#include "cli/common/view.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/print.h"
#include "pipelines/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_state(const json_t *of, const char *state)
{
        return strcmp(json_text(of, "state", ""), state) == 0;
}

bool job_ended(const json_t *job)
{
        return is_state(job, "SUCCESS") || is_state(job, "FAILURE") || is_state(job, "REVOKED");
}

int job_exit_code(const json_t *job)
{
        return is_state(job, "FAILURE") || is_state(job, "REVOKED") ? EXIT_FAILED : EXIT_DONE;
}

static const char *colour_of(const char *state)
{
        if (strcmp(state, "SUCCESS") == 0)
                return "\033[32m";
        return strcmp(state, "FAILURE") == 0 ? "\033[31m" : "\033[33m";
}

static void print_state(FILE *out, const char *state)
{
        if (print_colours(out))
                fprintf(out, "%s%-8s\033[0m", colour_of(state), state);
        else
                fprintf(out, "%-8s", state);
}

/* ---- progress ---- */

/* Tasks and their states, to compare with what was shown before. */
static char *progress_of(const json_t *job)
{
        struct buffer b = { 0 };
        size_t i;
        json_t *task;
        json_array_foreach(json_object_get(job, "tasks"), i, task)
                buffer_addf(&b, "%s %s %lld\n", json_text(task, "name", "?"), json_text(task, "state", "?"),
                            (long long)json_number(task, "attempts", 0));
        buffer_add_byte(&b, '\0');
        return (char *)b.data;
}

void job_print_progress(const json_t *job, char **shown)
{
        if (!job || !isatty(STDERR_FILENO))
                return;
        char *now = progress_of(job);
        if (now && (!*shown || strcmp(now, *shown) != 0)) {
                size_t i;
                json_t *task;
                json_array_foreach(json_object_get(job, "tasks"), i, task) {
                        fputs(i ? "  > " : "    ", stderr);
                        fprintf(stderr, "%s ", json_text(task, "name", "?"));
                        print_state(stderr, json_text(task, "state", "?"));
                }
                fputc('\n', stderr);
        }
        free(*shown);
        *shown = now;
}

/* ---- for people ---- */

static void print_error(const json_t *error, const char *before)
{
        if (!json_is_object(error))
                return;
        printf("%s%s: ", before, json_text(error, "code", "?"));
        print_plain(stdout, json_text(error, "text", "?"));
}

static void print_task(const json_t *task)
{
        fputs("  ", stdout);
        print_state(stdout, json_text(task, "state", "?"));
        printf(" %-14s %6lld ms", json_text(task, "name", "?"), (long long)json_number(task, "elapsed_ms", 0));
        if (json_number(task, "attempts", 0) > 0)
                printf("  %lld failed attempts", (long long)json_number(task, "attempts", 0));
        const json_int_t in = json_number(task, "tokens_in", 0), made = json_number(task, "tokens_out", 0);
        if (in || made)
                printf("  %lld + %lld tokens, $%.6f", (long long)in, (long long)made,
                       json_number_value(json_object_get(task, "cost_usd")));
        if (!is_state(task, "SUCCESS"))
                print_error(json_object_get(task, "error"), "\n           ");
        putchar('\n');
}

static void print_tasks(const json_t *job)
{
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(job, "tasks"), i, row)
                print_task(row);
}

/* A job whose first message waits to be published. */
static void print_scheduled(const json_t *scheduled)
{
        char due[CLOCK_TEXT_SIZE];
        if (!scheduled)
                return;
        clock_format(json_number(scheduled, "due_ms", 0), due);
        printf("  waits until %s (%s) for %s to be sent\n", due, json_text(scheduled, "reason", "?"),
               json_text(scheduled, "name", "?"));
}

/* One line a saga, and one for each of its moves. */
static void print_sagas(const json_t *sagas)
{
        size_t i;
        const char *name;
        json_t *saga, *move;
        json_object_foreach((json_t *)(uintptr_t)sagas, name, saga) {
                printf("  saga     %-14s %s", name, json_text(saga, "state", "?"));
                if (json_object_get(saga, "reason"))
                        printf("  (%s)", json_text(saga, "reason", ""));
                putchar('\n');
                json_array_foreach(json_object_get(saga, "moves"), i, move) {
                        const json_int_t asked = json_number(move, "asked", 0);
                        printf("    %-24s -> %s %s", json_text(move, "heard", "?"), json_text(move, "state", "?"),
                               json_text(move, "step", ""));
                        printf(asked > 1 ? ", asked %lld times\n" : "\n", (long long)asked);
                }
        }
}

void job_print(const json_t *job)
{
        size_t i;
        json_t *row;
        printf("job %s  %s  ", json_text(job, "id", "?"), json_text(job, "pipeline", "?"));
        print_state(stdout, json_text(job, "state", "?"));
        putchar('\n');
        print_scheduled(json_object_get(job, "scheduled"));
        print_tasks(job);
        print_sagas(json_object_get(job, "sagas"));
        json_array_foreach(json_object_get(job, "events"), i, row) {
                printf("  event    %-14s ", json_text(row, "type", "?"));
                json_dumpf(json_object_get(row, "payload"), stdout, JSON_COMPACT);
                putchar('\n');
        }
        const json_t *document = json_object_get(job, "document");
        if (json_is_object(document)) {
                json_dumpf(document, stdout, JSON_INDENT(2));
                putchar('\n');
        }
}

/* ---- the answer ---- */

/* A member of a section, as its pipeline names it: "answer/user_answer". */
static const json_t *answer_of(const json_t *job, const struct pipeline *p)
{
        const json_t *document = json_object_get(job, "document");
        char section[64];
        const char *slash = p && p->answer ? strchr(p->answer, '/') : NULL;
        if (!slash)
                return NULL;
        snprintf(section, sizeof(section), "%.*s", (int)(slash - p->answer), p->answer);
        return json_object_get(json_object_get(document, section), slash + 1);
}

/* From its first task's beginning to its end; -1 when that can't be told. */
static double job_view_seconds_of(const json_t *job)
{
        int64_t from_ms, to_ms;
        if (clock_parse(json_text(job, "created_at", ""), &from_ms) ||
            clock_parse(json_text(job, "finished_at", ""), &to_ms))
                return -1;
        return (double)(to_ms - from_ms) / 1000;
}

static void print_lines(const char *text)
{
        for (const char *end; *text; text = end) {
                end = strchrnul(text, '\n');
                char *line = strndup(text, (size_t)(end - text));
                print_plain(stdout, line ? line : "");
                free(line);
                putchar('\n');
                end += *end != '\0';
        }
}

/* What was asked for; where the pipeline does not say where that is, the document's sections without what was sent. */
static void print_result(const json_t *job, const struct pipeline *pipeline)
{
        const json_t *answer = answer_of(job, pipeline);
        if (json_is_string(answer)) {
                print_lines(json_string_value(answer));
                return;
        }
        JSON_OWNED json_t *rest = json_copy(json_object_get(job, "document"));
        json_object_del(rest, "job");
        json_object_del(rest, "input");
        if (json_object_size(rest) > 0) {
                json_dumpf(rest, stdout, JSON_INDENT(2));
                putchar('\n');
        }
}

void job_print_answer(const json_t *job, const struct pipeline *pipeline)
{
        const double seconds = job_view_seconds_of(job);
        if (is_state(job, "SUCCESS"))
                print_result(job, pipeline);
        fputs("\n", stdout);
        print_state(stdout, json_text(job, "state", "?"));
        if (seconds >= 0)
                printf(" %.2f s", seconds);
        print_error(json_object_get(job, "error"), "  ");
        putchar('\n');
        print_tasks(job);
}

void job_print_json(const json_t *job, bool whole)
{
        JSON_OWNED json_t *copy = json_copy((json_t *)job);
        if (!whole) {
                static const char *const extra[] = { "tasks", "events", "created_at", "finished_at" };
                for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
                        json_object_del(copy, extra[i]);
        }
        json_dumpf(copy, stdout, JSON_COMPACT);
        putchar('\n');
}

/* ---- none, or several ---- */

/* Ids that begin alike, of several jobs. */
static int job_view_choice(const struct command *self, const json_t *jobs, const char *text, bool json)
{
        size_t i;
        json_t *row;
        if (json)
                view_json(jobs);
        fprintf(stderr, "chard %s: %zu jobs have ids that begin with \"%.60s\"\n", self->name, json_array_size(jobs),
                text);
        json_array_foreach((json_t *)jobs, i, row) {
                if (!json)
                        printf("%s  %s %s %s\n", json_text(row, "job", "?"), json_text(row, "kind", "?"),
                               json_text(row, "id", "?"), json_text(row, "name", ""));
        }
        return EXIT_USAGE;
}

int job_print_unfound(const struct command *self, const json_t *found, const char *text, bool json)
{
        if (json_is_array(found))
                return job_view_choice(self, found, text, json);
        fprintf(stderr, "chard %s: no job \"%.100s\": no worker has begun it yet, or it was never submitted\n",
                self->name, text);
        return EXIT_FAILED;
}
