/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_view.h"

#include "core/bytes.h"
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int job_view_open(struct job_view *v, const struct command *self, const struct settings *s, struct wait *wait)
{
        *v = (struct job_view){ .wait = wait };
        const struct store_config config = { .loop = &wait->loop,
                                             .url = s->store_url,
                                             .owner = "chard client",
                                             .connect_timeout_ms = (unsigned)s->connect_timeout_ms };
        const int code = store_open(&v->store, &config, &v->why);
        return code ? command_fail(self, code, &v->why) : 0;
}

static void on_job(json_t *job, const struct problem *why, void *arg)
{
        struct job_view *v = (struct job_view *)arg;
        json_decref(v->job);
        v->job = json_incref(job);
        v->failed = why != NULL;
        if (why)
                v->why = *why;
        wait_done(v->wait);
}

int job_view_read(struct job_view *v, const struct command *self, const char *id, uint64_t ms)
{
        v->store->backend->job(v->store, id, on_job, v);
        if (!wait_for(v->wait, ms)) {
                fprintf(stderr, "chard %s: the store does not answer\n", self->name);
                return EXIT_UNREACHABLE;
        }
        return v->failed ? command_fail(self, 1, &v->why) : 0;
}

static bool is_state(const json_t *of, const char *state)
{
        return strcmp(json_text(of, "state", ""), state) == 0;
}

bool job_view_ended(const struct job_view *v)
{
        return v->job && (is_state(v->job, "SUCCESS") || is_state(v->job, "FAILURE") || is_state(v->job, "REVOKED"));
}

int job_view_exit_code(const struct job_view *v)
{
        return is_state(v->job, "FAILURE") || is_state(v->job, "REVOKED") ? EXIT_FAILED : EXIT_DONE;
}

/* ---- for people ---- */

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

void job_view_progress(struct job_view *v)
{
        if (!v->job || !isatty(STDERR_FILENO))
                return;
        char *now = progress_of(v->job);
        if (now && (!v->progress || strcmp(now, v->progress) != 0)) {
                size_t i;
                json_t *task;
                json_array_foreach(json_object_get(v->job, "tasks"), i, task) {
                        fputs(i ? "  > " : "    ", stderr);
                        fprintf(stderr, "%s ", json_text(task, "name", "?"));
                        print_state(stderr, json_text(task, "state", "?"));
                }
                fputc('\n', stderr);
        }
        free(v->progress);
        v->progress = now;
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
        const json_t *error = json_object_get(task, "error");
        if (json_is_object(error) && !is_state(task, "SUCCESS")) {
                printf("\n           %s: ", json_text(error, "code", "?"));
                print_plain(stdout, json_text(error, "text", "?"));
        }
        putchar('\n');
}

void job_view_print(const struct job_view *v)
{
        size_t i;
        json_t *row;
        printf("job %s  %s  ", json_text(v->job, "id", "?"), json_text(v->job, "pipeline", "?"));
        print_state(stdout, json_text(v->job, "state", "?"));
        putchar('\n');
        json_array_foreach(json_object_get(v->job, "tasks"), i, row)
                print_task(row);
        json_array_foreach(json_object_get(v->job, "events"), i, row) {
                printf("  event    %-14s ", json_text(row, "type", "?"));
                json_dumpf(json_object_get(row, "payload"), stdout, JSON_COMPACT);
                putchar('\n');
        }
        const json_t *document = json_object_get(v->job, "document");
        if (json_is_object(document)) {
                json_dumpf(document, stdout, JSON_INDENT(2));
                putchar('\n');
        }
}

void job_view_print_json(const json_t *job, bool whole)
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

void job_view_close(struct job_view *v)
{
        if (v->store)
                v->store->backend->close(v->store);
        json_decref(v->job);
        free(v->progress);
}
