/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq stats: how many, how old, how fast. */
#include "cli/dlq/dlq.h"

#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/dead_letter.h"

#include <stdio.h>

/* Of the columns with names. */
struct widths {
        size_t task, queue, code;
};

static void dlq_stats_print_row(const json_t *row, int64_t now_ms, const struct widths *w)
{
        char age[32] = "-";
        const json_int_t oldest = json_number(row, "oldest_died_at", 0);
        view_text(json_text(row, "name", ""), w->task, true);
        fputs("  ", stdout);
        view_text(json_text(row, "queue", ""), w->queue, true);
        fputs("  ", stdout);
        view_text(json_text(row, "code", ""), w->code, true);
        printf("  %8lld  %-7s  %8lld %8lld %8lld  %8lld %8lld %8lld\n", (long long)json_number(row, "kept", 0),
               oldest ? view_age(oldest, now_ms, age) : age, (long long)json_number(row, "in_1m", 0),
               (long long)json_number(row, "in_5m", 0), (long long)json_number(row, "in_1h", 0),
               (long long)json_number(row, "out_1m", 0), (long long)json_number(row, "out_5m", 0),
               (long long)json_number(row, "out_1h", 0));
}

static void print_stats(const json_t *stats)
{
        const int64_t now_ms = json_number(stats, "at", clock_wall_ms());
        char age[32];
        size_t i;
        json_t *row;
        const long long groups = json_number(stats, "groups", 0);
        printf("%lld kept in %lld %s", (long long)json_number(stats, "kept", 0), groups,
               groups == 1 ? "group" : "groups");
        if (json_number(stats, "oldest_died_at", 0))
                printf(", the oldest died %s ago", view_age(json_number(stats, "oldest_died_at", 0), now_ms, age));
        putchar('\n');
        const json_t *rows = json_object_get(stats, "rows");
        if (json_array_size(rows) == 0)
                return;
        const struct widths w = { view_column(rows, "name", "TASK"), view_column(rows, "queue", "QUEUE"),
                                  view_column(rows, "code", "CODE") };
        printf("%-*s  %-*s  %-*s  %8s  %-7s  %8s %8s %8s  %8s %8s %8s\n", (int)w.task, "TASK", (int)w.queue, "QUEUE",
               (int)w.code, "CODE", "KEPT", "OLDEST", "IN 1 MIN", "5 MIN", "1 H", "OUT 1 MIN", "5 MIN", "1 H");
        json_array_foreach(json_object_get(stats, "rows"), i, row)
                dlq_stats_print_row(row, now_ms, &w);
}

static int dlq_stats_run(const struct command *self, int argc, char **argv)
{
        bool json = false;
        const struct own_flag own[] = { { "--json", 0, &json, NULL, NULL, "print one JSON object" }, { 0 } };
        struct store_client client = { 0 };
        struct settings s;
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        code = store_client_open(&client, self, &s);
        if (code == 0) {
                client.store->dead->stats(client.store, store_client_on_json, &client);
                code = store_client_wait(&client);
        }
        if (code == 0 && json)
                view_json(client.value);
        else if (code == 0)
                print_stats(client.value);
        store_client_close(&client);
        settings_free(&s);
        return code;
}

const struct command command_dlq_stats = {
        .name = "dlq stats",
        .summary = "Say how many entries there are of each task and error code, how old, and how many came and went",
        .usage = "[--json]",
        .example = "  chard dlq stats",
        .run = dlq_stats_run,
};
