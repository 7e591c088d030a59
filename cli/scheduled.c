/* SPDX-License-Identifier: Apache-2.0 */
/* chard scheduled: the messages that wait in the store, seen and dropped. */
#include "cli/common/flags.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/text/utf8.h"
#include "store/schedule.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEDULED_LIMIT = 50, SCHEDULED_MOST = 10000 };

struct picking {
        struct store_client client;
        const char *reason, *limit_text, *note;
        bool unroutable, json, yes;
        unsigned limit;
        json_t *which; /* owned; as the store's verbs take it */
};

/* ---- what is picked ---- */

static int picking_ids(const struct command *self, struct picking *p, char **words, int count)
{
        json_t *ids = json_array();
        for (int i = 0; i < count; i++) {
                char *end = NULL;
                errno = 0;
                const long long id = strtoll(words[i], &end, 10);
                if (!isdigit((unsigned char)*words[i]) || *end || errno) {
                        json_decref(ids);
                        return command_misuse(
                                self, "\"%.60s\" is no message's number; the first column of: chard scheduled ls",
                                words[i]);
                }
                json_array_append_new(ids, json_integer(id));
        }
        return json_object_set_new(p->which, "ids", ids);
}

static int picking_read(const struct command *self, struct picking *p, char **words, int count)
{
        p->which = json_object();
        p->limit = SCHEDULED_LIMIT;
        if (!utf8_is(p->reason ? p->reason : "") || !utf8_is(p->note ? p->note : ""))
                return command_misuse(self, "what was typed is not UTF-8");
        if (!flag_number(self, "--limit", p->limit_text, 1, SCHEDULED_MOST, &p->limit))
                return EXIT_USAGE;
        int code = count > 0 ? picking_ids(self, p, words, count) : 0;
        if (code == 0 && p->reason)
                code = json_object_set_new(p->which, "reason", json_string(p->reason));
        if (code == 0 && p->unroutable)
                code = json_object_set_new(p->which, "unroutable", json_true());
        return code < 0 ? EXIT_FAILED : code;
}

/* ---- printing ---- */

static void scheduled_print(const json_t *row, int64_t now_ms, const json_t *rows)
{
        const int64_t due_ms = json_number(row, "due_ms", 0);
        char age[32], when[40];
        if (due_ms > now_ms)
                snprintf(when, sizeof(when), "in %s", view_age(now_ms, due_ms, age));
        else
                snprintf(when, sizeof(when), "%s ago", view_age(due_ms, now_ms, age));
        printf("%8lld  %-10s  ", (long long)json_number(row, "id", 0), when);
        view_text(json_text(row, "reason", ""), view_column(rows, "reason", "REASON"), true);
        fputs("  ", stdout);
        view_text(json_text(row, "routing_key", ""), view_column(rows, "routing_key", "TO"), true);
        printf("  %7lld  ", (long long)json_number(row, "returns", 0));
        view_plain(json_text(row, "task_id", "-"));
        putchar('\n');
}

static void scheduled_print_all(const json_t *rows)
{
        const int64_t now_ms = clock_wall_ms();
        size_t i;
        json_t *row;
        if (json_array_size(rows) == 0) {
                puts("no such messages");
                return;
        }
        printf("%8s  %-10s  %-*s  %-*s  %7s  %s\n", "ID", "DUE", (int)view_column(rows, "reason", "REASON"), "REASON",
               (int)view_column(rows, "routing_key", "TO"), "TO", "NOQUEUE", "TASK");
        json_array_foreach((json_t *)rows, i, row)
                scheduled_print(row, now_ms, rows);
}

/* ---- ls ---- */

static int scheduled_list(struct picking *p)
{
        json_object_set_new(p->which, "limit", json_integer(p->limit));
        p->client.store->schedule->list(p->client.store, p->which, store_client_on_json, &p->client);
        return store_client_wait(&p->client);
}

static int scheduled_ls(struct picking *p)
{
        const int code = scheduled_list(p);
        if (code == 0 && p->json)
                view_json(p->client.value);
        else if (code == 0)
                scheduled_print_all(p->client.value);
        if (code == 0 && !p->json && json_array_size(p->client.value) == p->limit)
                printf("the first %u; more: --limit %u\n", p->limit, 10 * p->limit);
        return code;
}

/* ---- drop ---- */

/* Those that were named are meant; of the others it is said how many there are. */
static int scheduled_sure(struct picking *p)
{
        if (p->yes || json_object_get(p->which, "ids"))
                return 0;
        p->limit = SCHEDULED_MOST;
        const int code = scheduled_list(p);
        const size_t count = json_array_size(p->client.value);
        if (code || count == 0)
                return code;
        return command_misuse(p->client.self,
                              "%zu%s messages would be dropped: say --yes (see first with: chard scheduled ls)", count,
                              count == SCHEDULED_MOST ? " or more" : "");
}

static void scheduled_audit(struct picking *p)
{
        char scope[300], operation[ID_TEXT_SIZE];
        const size_t named = json_array_size(json_object_get(p->which, "ids"));
        id_new(operation);
        snprintf(scope, sizeof(scope), "scheduled messages%s%s%s%s", p->reason ? " --reason " : "",
                 p->reason ? p->reason : "", p->unroutable ? " --unroutable" : "", named ? ", named" : "");
        utf8_repair(scope, strlen(scope) == sizeof(scope) - 1);
        json_object_set_new(p->which, "who", json_string(store_client_who(&p->client)));
        json_object_set_new(p->which, "note", json_string(p->note ? p->note : ""));
        json_object_set_new(p->which, "scope", json_string(scope));
        json_object_set_new(p->which, "operation", json_string(operation));
}

static int scheduled_drop(struct picking *p)
{
        int code = scheduled_sure(p);
        if (code)
                return code;
        scheduled_audit(p);
        p->client.store->schedule->drop(p->client.store, p->which, store_client_on_json, &p->client);
        code = store_client_wait(&p->client);
        if (code)
                return code;
        const size_t dropped = json_array_size(p->client.value),
                     named = json_array_size(json_object_get(p->which, "ids"));
        if (p->json)
                view_json(p->client.value);
        else
                printf("%zu dropped\n", dropped);
        if (dropped < named)
                fprintf(stderr, "chard %s: %zu of them are not there any more, or are being published\n",
                        p->client.self->name, named - dropped);
        return dropped < named ? EXIT_FAILED : EXIT_DONE;
}

/* ---- the verbs ---- */

static int scheduled_with(const struct command *self, int argc, char **argv, bool drops)
{
        struct picking p = { 0 };
        const struct own_flag own[] = {
                { "--reason", 0, NULL, &p.reason, "REASON",
                  "those that wait for this: retry, eta, paused, leased, requeue, restart, enqueue, event" },
                { "--unroutable", 0, &p.unroutable, NULL, NULL, "those that were published and no queue took" },
                { "--json", 0, &p.json, NULL, NULL, "print one JSON array" },
                { drops ? "--note" : "--limit", 0, NULL, drops ? &p.note : &p.limit_text, drops ? "TEXT" : "N",
                  drops ? "why, for the audit" : "at most so many; 50" },
                { drops ? "--yes" : NULL, 'y', &p.yes, NULL, NULL,
                  "don't count first; needed for all that were not named by their numbers" },
                { 0 },
        };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        code = picking_read(self, &p, argv, operands);
        if (code == 0 && drops && json_object_size(p.which) == 0)
                code = command_misuse(self, "say which: their numbers, --reason or --unroutable");
        if (code == 0) {
                code = store_client_open(&p.client, self, &s);
                if (code == 0)
                        code = drops ? scheduled_drop(&p) : scheduled_ls(&p);
                store_client_close(&p.client);
        }
        json_decref(p.which);
        settings_free(&s);
        return code;
}

static int scheduled_run_ls(const struct command *self, int argc, char **argv)
{
        return scheduled_with(self, argc, argv, false);
}

static int scheduled_run_drop(const struct command *self, int argc, char **argv)
{
        return scheduled_with(self, argc, argv, true);
}

static const struct command scheduled_verbs[] = {
        {
                .name = "scheduled ls",
                .summary = "List messages that wait in the store, the first due first",
                .usage = "[ID…] [--reason REASON] [--unroutable] [--limit N] [--json]",
                .example = "  chard scheduled ls --unroutable",
                .details =
                        "NOQUEUE is how often a message was published and no queue took it; it is tried again every ten seconds.",
                .run = scheduled_run_ls,
        },
        {
                .name = "scheduled drop",
                .summary = "Give messages up that wait in the store: they are never published",
                .usage = "ID… | --reason REASON | --unroutable  [--note TEXT] [--yes] [--json]",
                .example =
                        "  chard scheduled drop 17 18 --note \"sent to a queue that never was\"\n  chard scheduled drop --unroutable --yes",
                .details =
                        "What was dropped is written down in dead_letter_audit. The job of a task that was dropped ends as a stale one does; chard cancel ends it at once.",
                .run = scheduled_run_drop,
        },
};

static int scheduled_run(const struct command *self, int argc, char **argv)
{
        if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
                printf("usage: chard %s %s\n\n%s.\n\n", self->name, self->usage, self->summary);
                for (size_t i = 0; i < 2; i++)
                        printf("  %-5s %s\n", strchr(scheduled_verbs[i].name, ' ') + 1, scheduled_verbs[i].summary);
                printf("\nEach has --help with an example.\n\nexample:\n%s\n", self->example);
                return argc == 0 ? EXIT_USAGE : EXIT_DONE;
        }
        for (size_t i = 0; i < 2; i++)
                if (strcmp(strchr(scheduled_verbs[i].name, ' ') + 1, argv[0]) == 0)
                        return scheduled_verbs[i].run(&scheduled_verbs[i], argc - 1, argv + 1);
        return command_misuse(self, "unknown word \"%.60s\"; there are ls and drop", argv[0]);
}

const struct command command_scheduled = {
        .name = "scheduled",
        .summary = "See what waits in the store, such as what no queue takes, and drop it",
        .usage = "ls | drop …",
        .example = "  chard scheduled ls --unroutable\n  chard scheduled drop 17",
        .run = scheduled_run,
};
