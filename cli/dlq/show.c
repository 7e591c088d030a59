/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq show: everything about one entry. */
#include "cli/dlq/dlq.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "cli/dlq/filter.h"
#include "core/clock.h"
#include "core/json.h"
#include "dlq/dlq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dlq_showing {
        struct store_client client;
        json_t *letter;
        size_t max_body;
};

/* What requeueing it would do, as --dry-run says it, and why where a worker could not read it. */
static void add_prospect(struct dlq_showing *s, const struct dead_letter *l)
{
        struct problem why = { 0 };
        char text[sizeof(why.text) + 256];
        const enum letter_disposition disposition = letter_judge(s->client.catalog, l, NULL, s->max_body, NULL, &why);
        const bool told = disposition == DISPOSITION_UNDECODABLE || disposition == DISPOSITION_UNREADABLE ||
                          disposition == DISPOSITION_MISTAKEN;
        snprintf(text, sizeof(text), "the task %s%s%s%s", letter_disposition_text(disposition), told ? " (" : "",
                 told ? why.text : "", told ? ")" : "");
        json_object_set_new(s->letter, "on_requeue", json_string(text));
}

static void dlq_show_on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct dlq_showing *s = (struct dlq_showing *)arg;
        if (count > 0) {
                s->letter = letter_json(&letters[0], LETTER_READABLE);
                add_prospect(s, &letters[0]);
        }
        store_client_on_json(NULL, why, &s->client);
}

/* ---- for people ---- */

static void print_line(const char *what, const char *text)
{
        if (!text || !*text)
                return;
        printf("%-12s ", what);
        view_plain(text);
        putchar('\n');
}

static void print_value(const char *what, const json_t *value)
{
        if (!value || json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
            (json_is_object(value) && json_object_size(value) == 0))
                return;
        printf("%s\n", what);
        view_indented(value);
}

static void print_parts(const char *const parts[])
{
        for (size_t i = 0; parts[i]; i++)
                view_plain(parts[i]);
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
                printf("  %s  ", at);
                print_parts((const char *const[]){ json_text(act, "action", "?"), " by ", json_text(act, "who", "?"),
                                                   NULL });
                printf(", with %lld in one transaction", (long long)json_number(act, "count", 0));
                if (*json_text(act, "scope", ""))
                        print_parts((const char *const[]){ " (", json_text(act, "scope", ""), ")", NULL });
                if (*json_text(act, "reason", ""))
                        print_parts((const char *const[]){ ": ", json_text(act, "reason", ""), NULL });
                putchar('\n');
        }
}

static void print_with_state(const char *what, const char *text, const char *otherwise, const char *state)
{
        printf("%-12s ", what);
        print_parts((const char *const[]){ *text ? text : otherwise, state ? ", now " : "", state ? state : "", NULL });
        putchar('\n');
}

static void print_where(const json_t *l)
{
        print_with_state("task", json_text(l, "task", ""), "unreadable", json_text(l, "task_state", NULL));
        print_line("task id", json_text(l, "task_id", ""));
        print_with_state("job", json_text(l, "job", ""), "none", json_text(l, "job_state", NULL));
        print_line("user", json_text(l, "user", ""));
        print_line("queue", json_text(l, "queue", ""));
        const char *otherwise = json_object_get(l, "unreadable") ? "unknown" : "nothing: it is its chain's last task";
        print_line("next", *json_text(l, "next_task", "") ? json_text(l, "next_task", "") : otherwise);
}

static void print_letter(const json_t *l)
{
        const long long attempts = json_number(l, "attempts", 0);
        printf("entry %lld, %s%s\n", (long long)json_number(l, "entry", 0), json_text(l, "state", ""),
               json_is_true(json_object_get(l, "edited")) ? ", edited" : "");
        printf("%-12s ", "died of");
        print_parts((const char *const[]){ json_text(l, "source", ""), ": ", json_text(l, "code", ""), NULL });
        printf(", after %lld %s\n", attempts, attempts == 1 ? "attempt" : "attempts");
        print_line("message", json_text(l, "message", ""));
        print_line("died at", json_text(l, "died_at", ""));
        print_line("worker", json_text(l, "worker", ""));
        print_line("trace", json_text(l, "trace_id", ""));
        print_line("group", json_text(l, "group", ""));
        if (json_number(l, "rounds", 0) > 0)
                printf("%-12s %lld\n", "auto rounds", (long long)json_number(l, "rounds", 0));
        print_where(l);
        print_line("on requeue", json_text(l, "on_requeue", ""));
        printf("%-12s %lld bytes\n", "body", (long long)json_number(l, "body_size", 0));
        print_line("unreadable", json_text(l, "unreadable", ""));
        print_line(json_is_true(json_object_get(l, "body_is_base64")) ? "in base64" : "as text",
                   json_text(l, "body", ""));
        print_line("", json_is_true(json_object_get(l, "body_is_cut"))
                               ? "(its beginning only; all of it: chard dlq export)"
                               : "");
        print_value("args", json_object_get(l, "args"));
        print_value("kwargs", json_object_get(l, "kwargs"));
        print_value("edited args", json_object_get(l, "edited_args"));
        print_value("edited kwargs", json_object_get(l, "edited_kwargs"));
        print_value("headers", json_object_get(l, "headers"));
        print_history(json_object_get(l, "history"));
}

static int dlq_show_print(const struct command *self, const struct settings *s, int64_t entry, bool json)
{
        struct dlq_showing showing = { .max_body = (size_t)s->max_body_bytes };
        const struct dead_query query = { .filter = { .entries = &entry, .entry_count = 1 },
                                          .limit = 1,
                                          .content = true };
        int code = store_client_open(&showing.client, self, s);
        if (code == 0) {
                showing.client.store->dead->read(showing.client.store, &query, dlq_show_on_page, &showing);
                code = store_client_wait(&showing.client);
        }
        if (code == 0 && !showing.letter) {
                fprintf(stderr, "chard %s: there is no entry %lld\n", self->name, (long long)entry);
                code = EXIT_FAILED;
        }
        if (code == 0) {
                showing.client.store->dead->history(showing.client.store, entry, store_client_on_json, &showing.client);
                code = store_client_wait(&showing.client);
        }
        if (code == 0) {
                json_object_set(showing.letter, "history", showing.client.value);
                if (json)
                        view_json(showing.letter);
                else
                        print_letter(showing.letter);
        }
        store_client_close(&showing.client);
        json_decref(showing.letter);
        return code;
}

static int dlq_show_run(const struct command *self, int argc, char **argv)
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
                code = dlq_show_print(self, &s, entries[0], json);
        settings_free(&s);
        return code;
}

const struct command command_dlq_show = {
        .name = "dlq show",
        .summary = "Show everything about one entry, and what was done to it",
        .usage = "ENTRY [--json]",
        .example = "  chard dlq show 17",
        .run = dlq_show_run,
};
