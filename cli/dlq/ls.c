/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq ls, groups: what is there. */
#include "cli/dlq/dlq.h"

#include "cli/common/flags.h"
#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "cli/dlq/filter.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/nearest.h"
#include "dlq/dlq.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 50, MOST = 10000 };

struct listing {
        struct store_client client;
        struct filter_flags flags;
        const char *sort, *limit_text, *offset_text;
        bool json, ascending;
        struct dead_query query;
        json_t *entries;
};

/* The place of a word among these, after a complaint -1. */
static int read_sort(const struct command *self, const char *word, const char *const names[], size_t count)
{
        struct buffer all = { 0 };
        for (size_t i = 0; i < count; i++) {
                if (strcmp(word, names[i]) == 0)
                        return (int)i;
        }
        for (size_t i = 0; i < count; i++)
                buffer_addf(&all, "%s%s", i ? ", " : "", names[i]);
        buffer_add_byte(&all, '\0');
        char offer[NEAREST_OFFER_SIZE];
        command_misuse(self, "--sort: \"%.40s\" is none of %s%s", word, all.failed ? "those" : (const char *)all.data,
                       nearest_offer(offer, word, names, count, ""));
        buffer_free(&all);
        return -1;
}

/* ---- ls ---- */

static void dlq_ls_on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct listing *l = (struct listing *)arg;
        for (size_t i = 0; i < count; i++)
                json_array_append_new(l->entries, letter_json(&letters[i], LETTER_SHORT));
        store_client_on_json(NULL, why, &l->client);
}

/* The columns of a page: names and codes are shown whole, since people search and write rules by them; the text gets what is left. */
struct columns {
        size_t task, code, rest;
};

static size_t dlq_ls_rest_of(const struct columns *c, size_t others)
{
        const size_t width = view_width(160), used = c->task + c->code + others;
        return width > used + 40 ? width - used : 40;
}

static void print_entry(const json_t *e, int64_t now_ms, const struct columns *columns)
{
        int64_t died_ms = now_ms;
        char age[32];
        clock_parse(json_text(e, "died_at", ""), &died_ms);
        printf("%8lld  %-7s  ", (long long)json_number(e, "entry", 0), view_age(died_ms, now_ms, age));
        view_text(json_text(e, "task", ""), columns->task, true);
        fputs("  ", stdout);
        view_text(json_text(e, "code", ""), columns->code, true);
        printf("  %3lld  ", (long long)json_number(e, "attempts", 0));
        if (strcmp(json_text(e, "state", ""), "kept") != 0)
                printf("[%s] ", json_text(e, "state", ""));
        view_text(json_text(e, "message", ""), columns->rest, false);
        putchar('\n');
}

static void print_page(const struct listing *l, long long total)
{
        const size_t shown = json_array_size(l->entries);
        struct columns columns = { view_column(l->entries, "task", "TASK"), view_column(l->entries, "code", "CODE"),
                                   0 };
        columns.rest = dlq_ls_rest_of(&columns, 30);
        const int64_t now_ms = clock_wall_ms();
        size_t i;
        json_t *e;
        if (shown > 0)
                printf("%8s  %-7s  %-*s  %-*s  %3s  %s\n", "ENTRY", "DIED", (int)columns.task, "TASK",
                       (int)columns.code, "CODE", "TRY", "MESSAGE");
        json_array_foreach(l->entries, i, e)
                print_entry(e, now_ms, &columns);
        if (shown == 0)
                puts(total ? "no more entries" : "no such entries");
        else if ((long long)shown < total)
                printf("%zu of %lld; the next ones: --offset %zu\n", shown, total, l->query.offset + shown);
}

static int dlq_ls_list(struct listing *l, const struct settings *s, const struct command *self)
{
        int code = store_client_open(&l->client, self, s);
        l->entries = json_array();
        if (code == 0) {
                const struct store_dead *door = l->client.store->dead;
                door->read(l->client.store, &l->query, dlq_ls_on_page, l);
                code = store_client_wait(&l->client);
        }
        if (code == 0) {
                l->client.store->dead->count(l->client.store, &l->query.filter, store_client_on_json, &l->client);
                code = store_client_wait(&l->client);
        }
        const json_int_t total = json_number(l->client.value, "count", 0);
        if (code == 0 && l->json) {
                JSON_OWNED json_t *page = json_pack("{s:O,s:I,s:i,s:i}", "entries", l->entries, "total", total, "limit",
                                                    (int)l->query.limit, "offset", (int)l->query.offset);
                view_json(page);
        } else if (code == 0) {
                print_page(l, total);
        }
        store_client_close(&l->client);
        json_decref(l->entries);
        return code;
}

static bool read_order(const struct command *self, struct listing *l)
{
        static const char *const names[] = {
                [DEAD_BY_ENTRY] = "entry", [DEAD_BY_DEATH] = "died",  [DEAD_BY_TASK] = "task",
                [DEAD_BY_CODE] = "code",   [DEAD_BY_QUEUE] = "queue", [DEAD_BY_ATTEMPTS] = "attempts",
        };
        const int sort = l->sort ? read_sort(self, l->sort, names, sizeof(names) / sizeof(names[0])) : DEAD_BY_ENTRY;
        l->query.sort = (enum dead_sort)sort;
        return sort >= 0;
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
            read_order(self, &l) && flag_number(self, "--limit", l.limit_text, 1, MOST, &l.query.limit) &&
            flag_number(self, "--offset", l.offset_text, 0, UINT32_MAX / 2, &l.query.offset))
                code = dlq_ls_list(&l, &s, self);
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

static void print_group(const json_t *g, int64_t now_ms, const struct columns *columns)
{
        char age[32];
        view_text(json_text(g, "group", ""), 12, true);
        printf("  %8lld  %-7s  ", (long long)json_number(g, "count", 0),
               view_age(json_number(g, "last_died_at", 0), now_ms, age));
        view_text(json_text(g, "name", ""), columns->task, true);
        fputs("  ", stdout);
        view_text(json_text(g, "code", ""), columns->code, true);
        fputs("  ", stdout);
        view_text(json_text(g, "cause", ""), columns->rest, false);
        putchar('\n');
}

/* By what a list of groups is ordered: numbers, or texts. */
static const struct {
        const char *name, *key;
        bool text;
} group_orders[] = { { "entries", "count", false },
                     { "latest", "last_died_at", false },
                     { "first", "first_died_at", false },
                     { "task", "name", true },
                     { "code", "code", true },
                     { "queue", "queue", true } };
enum { GROUP_ORDERS = sizeof(group_orders) / sizeof(group_orders[0]) };

static int compare_groups(const void *a, const void *b, void *arg)
{
        const json_t *one = *(json_t *const *)a, *two = *(json_t *const *)b;
        const int order = *(const int *)arg;
        const char *key = group_orders[order].key;
        const json_int_t x = json_number(one, key, 0), y = json_number(two, key, 0);
        int by =
                group_orders[order].text ? strcmp(json_text(one, key, ""), json_text(two, key, "")) : (x > y) - (x < y);
        if (by == 0)
                by = strcmp(json_text(one, "group", ""), json_text(two, "group", ""));
        return by;
}

/* The page of them that was asked for. New reference, or NULL when memory ran out. */
static json_t *page_of_groups(const struct listing *l, const json_t *all, int order)
{
        const size_t count = json_array_size(all);
        json_t **list = calloc(count + 1, sizeof(*list)), *page = json_array();
        for (size_t i = 0; list && i < count; i++)
                list[i] = json_array_get(all, i);
        if (list)
                qsort_r(list, count, sizeof(*list), compare_groups, &order);
        for (size_t i = l->query.offset; list && i < count && i < (size_t)l->query.offset + l->query.limit; i++)
                json_array_append(page, list[l->ascending ? i : count - 1 - i]);
        free(list);
        return page;
}

static void print_groups(const struct listing *l, const json_t *groups, size_t total)
{
        const int64_t now_ms = clock_wall_ms();
        const size_t shown = json_array_size(groups);
        size_t i;
        json_t *g;
        if (shown == 0) {
                puts(total ? "no more groups" : "no such entries");
                return;
        }
        struct columns columns = { view_column(groups, "name", "TASK"), view_column(groups, "code", "CODE"), 0 };
        columns.rest = dlq_ls_rest_of(&columns, 42);
        printf("%-12s  %8s  %-7s  %-*s  %-*s  %s\n", "GROUP", "ENTRIES", "LATEST", (int)columns.task, "TASK",
               (int)columns.code, "CODE", "CAUSE");
        json_array_foreach(groups, i, g)
                print_group(g, now_ms, &columns);
        if (shown < total)
                printf("%zu of %zu%s; the next ones: --offset %zu\n", shown, total, total == MOST ? " or more" : "",
                       l->query.offset + shown);
}

static int dlq_ls_group(struct listing *l, const struct settings *s, const struct command *self, int order)
{
        int code = store_client_open(&l->client, self, s);
        if (code == 0) {
                l->client.store->dead->groups(l->client.store, &l->query.filter, MOST, store_client_on_json,
                                              &l->client);
                code = store_client_wait(&l->client);
        }
        if (code == 0) {
                const size_t total = json_array_size(l->client.value);
                JSON_OWNED json_t *groups = page_of_groups(l, l->client.value, order);
                JSON_OWNED json_t *page = json_pack("{s:O,s:I,s:i,s:i}", "groups", groups, "total", (json_int_t)total,
                                                    "limit", (int)l->query.limit, "offset", (int)l->query.offset);
                if (l->json)
                        view_json(page);
                else
                        print_groups(l, groups, total);
        }
        store_client_close(&l->client);
        return code;
}

static int dlq_ls_run_groups(const struct command *self, int argc, char **argv)
{
        struct listing l = { 0 };
        const struct own_flag own[] = {
                FILTER_FLAGS(l.flags),
                STATE_FLAG(l.flags),
                { "--sort", 0, NULL, &l.sort, "BY",
                  "entries (the default), latest, first, task, code or queue; the most or latest first" },
                { "--ascending", 0, &l.ascending, NULL, NULL, "the other way round" },
                { "--limit", 0, NULL, &l.limit_text, "N", "at most so many; 50" },
                { "--offset", 0, NULL, &l.offset_text, "N", "leave out the first N" },
                { "--json", 0, &l.json, NULL, NULL, "print one JSON object" },
                { 0 },
        };
        const char *names[GROUP_ORDERS];
        struct settings s;
        int code, order = 0;
        for (size_t i = 0; i < GROUP_ORDERS; i++)
                names[i] = group_orders[i].name;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        l.query.limit = LIMIT;
        if (filter_read(self, &l.flags, argv, 0, NULL, &l.query.filter, &code) &&
            (!l.sort || (order = read_sort(self, l.sort, names, GROUP_ORDERS)) >= 0) &&
            flag_number(self, "--limit", l.limit_text, 1, MOST, &l.query.limit) &&
            flag_number(self, "--offset", l.offset_text, 0, MOST, &l.query.offset)) {
                code = dlq_ls_group(&l, &s, self, order);
        }
        settings_free(&s);
        return code;
}

const struct command command_dlq_groups = {
        .name = "dlq groups",
        .summary = "Group entries by what they died of, most entries first",
        .usage = "[filter] [--sort BY] [--limit N] [--offset N] [--json]",
        .example = "  chard dlq groups --since 24h --sort latest",
        .details =
                "A group is one task, queue, error source, code and shape of the message: ids, numbers and URLs in it don't count.",
        .run = dlq_ls_run_groups,
};
