/* SPDX-License-Identifier: Apache-2.0 */
/* chard webhook: who is told when a job has ended, and what became of it. */
#include "cli/common/flags.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/webhook.h"

#include <stdio.h>
#include <string.h>

struct webhook_view {
        struct store_client client;
        bool json;
};

/* ---- ls ---- */

static void webhook_print(const json_t *row, const json_t *rows, int64_t now_ms)
{
        char age[32], next[32];
        const int64_t due_ms = json_number(row, "due_ms", 0);
        const json_int_t status = json_number(row, "status", 0);
        view_text(json_text(row, "id", ""), view_column(rows, "id", "ID"), true);
        fputs("  ", stdout);
        view_text(json_text(row, "job", ""), view_column(rows, "job", "JOB"), true);
        printf("  %-9s  %5lld  %-8s  ", json_text(row, "state", ""), (long long)json_number(row, "attempts", 0),
               view_age(json_number(row, "created_ms", 0), now_ms, age));
        view_plain(json_text(row, "url", ""));
        if (status || *json_text(row, "why", "")) {
                fputs("  ", stdout);
                if (*json_text(row, "why", ""))
                        view_plain(json_text(row, "why", ""));
                else
                        printf("it answered %lld", (long long)status);
        }
        if (due_ms > now_ms)
                printf("; again in %s", view_age(2 * now_ms - due_ms, now_ms, next));
        putchar('\n');
}

static int webhook_ls(struct webhook_view *v, const char *which)
{
        size_t i;
        json_t *row;
        v->client.store->webhook->list(v->client.store, which, store_client_on_json, &v->client);
        const int code = store_client_wait(&v->client);
        const json_t *rows = v->client.value;
        if (code)
                return code;
        if (v->json) {
                view_json(v->client.value);
                return EXIT_DONE;
        }
        if (json_array_size(rows) == 0) {
                puts("no webhooks: no job that was submitted by HTTP named one");
                return EXIT_DONE;
        }
        printf("%-*s  %-*s  %-9s  %5s  %-8s  %s\n", (int)view_column(rows, "id", "ID"), "ID",
               (int)view_column(rows, "job", "JOB"), "JOB", "STATE", "TRIES", "AGE", "URL");
        const int64_t now_ms = clock_wall_ms();
        json_array_foreach(rows, i, row)
                webhook_print(row, rows, now_ms);
        return EXIT_DONE;
}

/* ---- resend ---- */

static int webhook_resend(struct webhook_view *v, const char *which)
{
        size_t i;
        json_t *row;
        v->client.store->webhook->resend(v->client.store, which, store_client_on_json, &v->client);
        const int code = store_client_wait(&v->client);
        if (code)
                return code;
        if (json_array_size(v->client.value) == 0) {
                fprintf(stderr, "chard %s: no job that has ended has such a webhook; see: chard webhook ls\n",
                        v->client.self->name);
                return EXIT_FAILED;
        }
        json_array_foreach(v->client.value, i, row) {
                printf("sent again: %s of job ", json_text(row, "id", ""));
                view_plain(json_text(row, "job", ""));
                putchar('\n');
        }
        return EXIT_DONE;
}

/* ---- the verbs ---- */

/* `does` takes the one word beside the flags; `most` words are taken, and as many are needed where `needed`. */
static int webhook_with(const struct command *self, int argc, char **argv, const struct own_flag *own,
                        struct webhook_view *v, bool needed, int (*does)(struct webhook_view *v, const char *word))
{
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands > 1 || (needed && operands != 1)) {
                settings_free(&s);
                return command_misuse(self, needed ? "say one id, job or state" : "it takes one word at most");
        }
        code = store_client_open(&v->client, self, &s);
        if (code == 0)
                code = does(v, operands ? argv[0] : "");
        store_client_close(&v->client);
        settings_free(&s);
        return code;
}

static int webhook_run_ls(const struct command *self, int argc, char **argv)
{
        struct webhook_view v = { 0 };
        const struct own_flag own[] = { { "--json", 0, &v.json, NULL, NULL, "print one JSON array" }, { 0 } };
        return webhook_with(self, argc, argv, own, &v, false, webhook_ls);
}

static int webhook_run_resend(const struct command *self, int argc, char **argv)
{
        struct webhook_view v = { 0 };
        const struct own_flag own[] = { { 0 } };
        return webhook_with(self, argc, argv, own, &v, true, webhook_resend);
}

static const struct command webhook_verbs[] = {
        {
                .name = "webhook ls",
                .summary = "List who is told when a job has ended, newest first",
                .usage = "[ID | JOB | waiting | owed | delivered | given_up] [--json]",
                .example = "  chard webhook ls\n  chard webhook ls given_up",
                .details =
                        "waiting: the job has not ended; owed: it is told, or told again, soon; delivered; given_up: after ten tries, or\n"
                        "because nobody there wants to hear of it. A thousand at most; forgotten after thirty days.",
                .run = webhook_run_ls,
        },
        {
                .name = "webhook resend",
                .summary = "Tell it again, under the same webhook-id, as if it had never been tried",
                .usage = "ID | JOB | owed | delivered | given_up",
                .example = "  chard webhook resend given_up",
                .run = webhook_run_resend,
        },
};

enum { WEBHOOK_VERBS = sizeof(webhook_verbs) / sizeof(webhook_verbs[0]) };

static int webhook_run(const struct command *self, int argc, char **argv)
{
        if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
                printf("usage: chard %s %s\n\n%s.\n\n", self->name, self->usage, self->summary);
                for (size_t i = 0; i < WEBHOOK_VERBS; i++)
                        printf("  %-7s %s\n", strchr(webhook_verbs[i].name, ' ') + 1, webhook_verbs[i].summary);
                printf("\nEach has --help with an example.\n\nexample:\n%s\n", self->example);
                return argc == 0 ? EXIT_USAGE : EXIT_DONE;
        }
        for (size_t i = 0; i < WEBHOOK_VERBS; i++)
                if (strcmp(strchr(webhook_verbs[i].name, ' ') + 1, argv[0]) == 0)
                        return webhook_verbs[i].run(&webhook_verbs[i], argc - 1, argv + 1);
        return command_misuse(self, "unknown word \"%.60s\"; there are ls and resend", argv[0]);
}

const struct command command_webhook = {
        .name = "webhook",
        .summary = "See who is told when a job has ended, and have it told again",
        .usage = "ls … | resend …",
        .example = "  chard webhook ls\n  chard webhook resend given_up",
        .run = webhook_run,
};
