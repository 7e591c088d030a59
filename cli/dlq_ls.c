/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq ls, groups: what is there. */
#include "cli/dlq.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 50, MOST = 10000 };

struct listing {
        struct dlq_client client;
        struct filter_flags flags;
        const char *sort, *limit_text, *offset_text;
        bool json, ascending;
        struct dead_query query;
        json_t *entries;
};

static bool read_sort(const struct command *self, const char *word, enum dead_sort *out)
{
        static const char *const names[] = {
                [DEAD_BY_ENTRY] = "entry", [DEAD_BY_DEATH] = "died",  [DEAD_BY_TASK] = "task",
                [DEAD_BY_CODE] = "code",   [DEAD_BY_QUEUE] = "queue", [DEAD_BY_ATTEMPTS] = "attempts",
        };
        enum { COUNT = sizeof(names) / sizeof(names[0]) };
        for (size_t i = 0; i < COUNT; i++) {
                if (strcmp(word, names[i]) == 0) {
                        *out = (enum dead_sort)i;
                        return true;
                }
        }
        const char *near = nearest_name(word, names, COUNT);
        command_misuse(self, "--sort: \"%.40s\" is none of entry, died, task, code, queue, attempts%s%s%s", word,
                       near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
        return false;
}

/* ---- ls ---- */

static void on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct listing *l = (struct listing *)arg;
        for (size_t i = 0; i < count; i++)
                json_array_append_new(l->entries, letter_json(&letters[i], LETTER_SHORT));
        client_on_json(NULL, why, &l->client);
}

static void print_entry(const json_t *e, int64_t now_ms, size_t width)
{
        int64_t died_ms = now_ms;
        char age[32];
        clock_parse(json_text(e, "died_at", ""), &died_ms);
        printf("%8lld  %-7s  ", (long long)json_number(e, "entry", 0), view_age(died_ms, now_ms, age));
        view_text(json_text(e, "task", ""), 16, true);
        fputs("  ", stdout);
        view_text(json_text(e, "code", ""), 20, true);
        printf("  %3lld  ", (long long)json_number(e, "attempts", 0));
        if (strcmp(json_text(e, "state", ""), "kept") != 0)
                printf("[%s] ", json_text(e, "state", ""));
        view_text(json_text(e, "message", ""), width > 100 ? width - 66 : 40, false);
        putchar('\n');
}

static void print_page(const struct listing *l, long long total)
{
        const size_t shown = json_array_size(l->entries), width = view_width(160);
        const int64_t now_ms = clock_wall_ms();
        size_t i;
        json_t *e;
        if (shown > 0)
                printf("%8s  %-7s  %-16s  %-20s  %3s  %s\n", "ENTRY", "DIED", "TASK", "CODE", "TRY", "MESSAGE");
        json_array_foreach(l->entries, i, e)
                print_entry(e, now_ms, width);
        if (shown == 0)
                puts(total ? "no more entries" : "no such entries");
        else if ((long long)shown < total)
                printf("%zu of %lld; the next ones: --offset %zu\n", shown, total, l->query.offset + shown);
}

static int list(struct listing *l, const struct settings *s, const struct command *self)
{
        int code = client_open(&l->client, self, s);
        l->entries = json_array();
        if (code == 0) {
                const struct store_backend *backend = l->client.store->backend;
                backend->dead_read(l->client.store, &l->query, on_page, l);
                code = client_wait(&l->client);
        }
        if (code == 0) {
                l->client.store->backend->dead_count(l->client.store, &l->query.filter, client_on_json, &l->client);
                code = client_wait(&l->client);
        }
        const json_int_t total = json_number(l->client.value, "count", 0);
        if (code == 0 && l->json) {
                JSON_OWNED json_t *page = json_pack("{s:O,s:I,s:i,s:i}", "entries", l->entries, "total", total, "limit",
                                                    (int)l->query.limit, "offset", (int)l->query.offset);
                view_json(page);
        } else if (code == 0) {
                print_page(l, total);
        }
        client_close(&l->client);
        json_decref(l->entries);
        return code;
}

static int run_ls(const struct command *self, int argc, char **argv)
{
        struct listing l = { 0 };
        const struct own_flag own[] = {
                FILTER_FLAGS(l.flags),
                STATE_FLAG(l.flags),
                { "--sort", 0, NULL, &l.sort, "BY",
                  "entry (the default), died, task, code, queue or attempts; the latest or most first" },
                { "--ascending", 0, &l.ascending, NULL, NULL, "the other way round" },
                { "--limit", 0, NULL, &l.limit_text, "N", "at most so many; 50" },
                { "--offset", 0, NULL, &l.offset_text, "N", "leave out the first N" },
                { "--json", 0, &l.json, NULL, NULL, "print one JSON object" },
                { 0 },
        };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        int64_t *entries = calloc((size_t)operands + 1, sizeof(*entries));
        l.query.limit = LIMIT;
        l.query.descending = !l.ascending;
        if (entries && filter_read(self, &l.flags, argv, operands, entries, &l.query.filter, &code) &&
            (!l.sort || read_sort(self, l.sort, &l.query.sort)) &&
            flag_number(self, "--limit", l.limit_text, 1, MOST, &l.query.limit) &&
            flag_number(self, "--offset", l.offset_text, 0, UINT32_MAX / 2, &l.query.offset))
                code = list(&l, &s, self);
        free(entries);
        settings_free(&s);
        return code;
}

const struct command command_dlq_ls = {
        .name = "dlq ls",
        .summary = "List entries, the latest first",
        .usage = "[ENTRY…] [filter] [--sort BY] [--limit N] [--offset N] [--json]",
        .example = "  chard dlq ls --task 'scan.*' --code timeout --since 2h",
        .run = run_ls,
};

/* ---- groups ---- */

static void print_group(const json_t *g, int64_t now_ms, size_t width)
{
        char age[32];
        view_text(json_text(g, "group", ""), 12, true);
        printf("  %8lld  %-7s  ", (long long)json_number(g, "count", 0),
               view_age(json_number(g, "last_died_at", 0), now_ms, age));
        view_text(json_text(g, "name", ""), 16, true);
        fputs("  ", stdout);
        view_text(json_text(g, "code", ""), 20, true);
        fputs("  ", stdout);
        view_text(json_text(g, "cause", ""), width > 100 ? width - 78 : 40, false);
        putchar('\n');
}

static void print_groups(const json_t *groups)
{
        const int64_t now_ms = clock_wall_ms();
        size_t i;
        json_t *g;
        if (json_array_size(groups) == 0) {
                puts("no such entries");
                return;
        }
        printf("%-12s  %8s  %-7s  %-16s  %-20s  %s\n", "GROUP", "ENTRIES", "LATEST", "TASK", "CODE", "CAUSE");
        json_array_foreach(groups, i, g)
                print_group(g, now_ms, view_width(160));
}

static int run_groups(const struct command *self, int argc, char **argv)
{
        struct listing l = { 0 };
        const struct own_flag own[] = {
                FILTER_FLAGS(l.flags),
                STATE_FLAG(l.flags),
                { "--limit", 0, NULL, &l.limit_text, "N", "at most so many; 50" },
                { "--json", 0, &l.json, NULL, NULL, "print one JSON object" },
                { 0 },
        };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        l.query.limit = LIMIT;
        if (operands > 0) {
                code = command_misuse(self, "takes no word \"%.60s\"", argv[0]);
        } else if (filter_read(self, &l.flags, argv, 0, NULL, &l.query.filter, &code) &&
                   flag_number(self, "--limit", l.limit_text, 1, MOST, &l.query.limit)) {
                code = client_open(&l.client, self, &s);
                if (code == 0) {
                        l.client.store->backend->dead_groups(l.client.store, &l.query.filter, l.query.limit,
                                                             client_on_json, &l.client);
                        code = client_wait(&l.client);
                }
                if (code == 0 && l.json) {
                        JSON_OWNED json_t *all = json_pack("{s:O}", "groups", l.client.value);
                        view_json(all);
                } else if (code == 0) {
                        print_groups(l.client.value);
                }
                client_close(&l.client);
        }
        settings_free(&s);
        return code;
}

const struct command command_dlq_groups = {
        .name = "dlq groups",
        .summary = "Group entries by what they died of, most entries first",
        .usage = "[filter] [--limit N] [--json]",
        .example = "  chard dlq groups --since 24h",
        .details =
                "A group is one task, queue, error source, code and shape of the message: ids, numbers and URLs in it don't count.",
        .run = run_groups,
};
