/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq show: everything about one entry. */
#include "cli/dlq.h"

#include "core/clock.h"
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct showing {
        struct dlq_client client;
        json_t *letter;
};

static void on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct showing *s = (struct showing *)arg;
        if (count > 0)
                s->letter = letter_json(&letters[0], LETTER_READABLE);
        client_on_json(NULL, why, &s->client);
}

/* ---- for people ---- */

static void print_line(const char *what, const char *text)
{
        if (!text || !*text)
                return;
        printf("%-12s ", what);
        view_text(text, strlen(text), false);
        putchar('\n');
}

static void print_value(const char *what, const json_t *value)
{
        if (!value || json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
            (json_is_object(value) && json_object_size(value) == 0))
                return;
        printf("%s\n", what);
        json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
        putchar('\n');
}

static void print_history(const json_t *history)
{
        size_t i;
        json_t *act;
        char at[CLOCK_TEXT_SIZE];
        if (json_array_size(history) > 0)
                puts("history");
        json_array_foreach(history, i, act) {
                clock_format(json_number(act, "at", 0), at);
                printf("  %s  %s by %s, with %lld in one transaction", at, json_text(act, "action", "?"),
                       json_text(act, "who", "?"), (long long)json_number(act, "count", 0));
                if (*json_text(act, "scope", ""))
                        printf(" (%s)", json_text(act, "scope", ""));
                if (*json_text(act, "reason", ""))
                        printf(": %s", json_text(act, "reason", ""));
                putchar('\n');
        }
}

static void print_where(const json_t *l)
{
        printf("%-12s %s", "task", *json_text(l, "task", "") ? json_text(l, "task", "") : "unreadable");
        if (json_text(l, "task_state", NULL))
                printf(", now %s", json_text(l, "task_state", ""));
        putchar('\n');
        print_line("task id", json_text(l, "task_id", ""));
        printf("%-12s %s%s%s\n", "job", *json_text(l, "job", "") ? json_text(l, "job", "") : "none",
               json_text(l, "job_state", NULL) ? ", now " : "", json_text(l, "job_state", ""));
        print_line("user", json_text(l, "user", ""));
        print_line("queue", json_text(l, "queue", ""));
        print_line("next", *json_text(l, "next_task", "") ? json_text(l, "next_task", "")
                                                          : "nothing: it is its chain's last task");
}

static void print_letter(const json_t *l)
{
        printf("entry %lld, %s%s\n", (long long)json_number(l, "entry", 0), json_text(l, "state", ""),
               json_is_true(json_object_get(l, "edited")) ? ", edited" : "");
        const long long attempts = json_number(l, "attempts", 0);
        printf("%-12s %s: %s, after %lld %s\n", "died of", json_text(l, "source", ""), json_text(l, "code", ""),
               attempts, attempts == 1 ? "attempt" : "attempts");
        print_line("message", json_text(l, "message", ""));
        print_line("died at", json_text(l, "died_at", ""));
        print_line("worker", json_text(l, "worker", ""));
        print_line("trace", json_text(l, "trace_id", ""));
        print_line("group", json_text(l, "group", ""));
        if (json_number(l, "rounds", 0) > 0)
                printf("%-12s %lld\n", "auto rounds", (long long)json_number(l, "rounds", 0));
        print_where(l);
        printf("%-12s the task %s\n", "on requeue", json_text(l, "on_requeue", ""));
        printf("%-12s %lld bytes\n", "body", (long long)json_number(l, "body_size", 0));
        print_line("unreadable", json_text(l, "unreadable", ""));
        print_line("as text", json_text(l, "body", ""));
        print_value("args", json_object_get(l, "args"));
        print_value("kwargs", json_object_get(l, "kwargs"));
        print_value("edited args", json_object_get(l, "edited_args"));
        print_value("edited kwargs", json_object_get(l, "edited_kwargs"));
        print_value("headers", json_object_get(l, "headers"));
        print_history(json_object_get(l, "history"));
}

static int show(const struct command *self, const struct settings *s, int64_t entry, bool json)
{
        struct showing showing = { 0 };
        const struct dead_query query = { .filter = { .entries = &entry, .entry_count = 1 },
                                          .limit = 1,
                                          .content = true };
        int code = client_open(&showing.client, self, s);
        if (code == 0) {
                showing.client.store->backend->dead_read(showing.client.store, &query, on_page, &showing);
                code = client_wait(&showing.client);
        }
        if (code == 0 && !showing.letter) {
                fprintf(stderr, "chard %s: there is no entry %lld\n", self->name, (long long)entry);
                code = EXIT_FAILED;
        }
        if (code == 0) {
                showing.client.store->backend->dead_history(showing.client.store, entry, client_on_json,
                                                            &showing.client);
                code = client_wait(&showing.client);
        }
        if (code == 0) {
                json_object_set(showing.letter, "history", showing.client.value);
                if (json)
                        view_json(showing.letter);
                else
                        print_letter(showing.letter);
        }
        client_close(&showing.client);
        json_decref(showing.letter);
        return code;
}

static int run(const struct command *self, int argc, char **argv)
{
        bool json = false;
        const struct own_flag own[] = { { "--json", 0, &json, NULL, NULL, "print one JSON object" }, { 0 } };
        const struct filter_flags none = { 0 };
        struct dead_filter filter;
        struct settings s;
        int64_t entries[1];
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands != 1)
                code = command_misuse(self, "name one entry by its number");
        else if (filter_read(self, &none, argv, 1, entries, &filter, &code))
                code = show(self, &s, entries[0], json);
        settings_free(&s);
        return code;
}

const struct command command_dlq_show = {
        .name = "dlq show",
        .summary = "Show everything about one entry, and what was done to it",
        .usage = "ENTRY [--json]",
        .example = "  chard dlq show 17",
        .run = run,
};
