/* SPDX-License-Identifier: Apache-2.0 */
/* `chard cdc backfill`: events that a lost slot did not carry, from the event store into the outbox once more. */
#include "cli/cdc/cdc.h"

#include "cli/common/flags.h"
#include "cli/common/store_client.h"
#include "cli/common/times.h"
#include "core/clock.h"
#include "core/json.h"
#include "store/cdc.h"

#include <stdio.h>
#include <string.h>

#define BACKFILL_INBOX_MS (30LL * 24 * 3600 * 1000) /* so long consumers know what they acted on: chard.inbox */

enum { BACKFILL_BATCH = 1000, BACKFILL_PATIENCE_MS = 600000 };

struct backfilling {
        struct store_client client;
        const char *since, *until; /* as given; NULL: now */
        struct backfill what;
        char since_text[CLOCK_TEXT_SIZE], until_text[CLOCK_TEXT_SIZE], run[2 * CLOCK_TEXT_SIZE];
        bool dry_run, beyond_inbox;
};

/* ---- from where to where ---- */

static int backfill_place(struct backfilling *b, const char *position, bool until, int64_t *out)
{
        struct store *s = b->client.store;
        s->cdc->place(s, position, until, store_client_on_json, &b->client);
        const int code = store_client_wait(&b->client);
        *out = json_number(b->client.value, "ms", -1);
        if (code || *out >= 0)
                return code;
        return command_misuse(b->client.self,
                              "--%s: \"%.60s\" is no time, and no event of the outbox has it for a position or an id; "
                              "the outbox holds seven days: give a time",
                              until ? "until" : "since", position);
}

static int backfill_bounds(struct backfilling *b)
{
        int64_t now_ms = 0;
        int code = backfill_place(b, "", true, &now_ms);
        if (code == 0 && !time_read(b->since, &b->what.since_ms))
                code = backfill_place(b, b->since, false, &b->what.since_ms);
        b->what.until_ms = now_ms;
        if (code == 0 && b->until && !time_read(b->until, &b->what.until_ms))
                code = backfill_place(b, b->until, true, &b->what.until_ms);
        if (code)
                return code;
        if (b->what.since_ms >= b->what.until_ms)
                return command_misuse(b->client.self, "--since is not before --until: that is nothing");
        if (b->what.since_ms < now_ms - BACKFILL_INBOX_MS && !b->beyond_inbox)
                return command_misuse(
                        b->client.self,
                        "--since is more than 30 days ago: consumers no longer know what they acted on then, and would act "
                        "once more; --beyond-inbox says that they may");
        return 0;
}

/* The times name the run, so that whoever gives them again goes on. */
static void backfill_name(struct backfilling *b)
{
        clock_format(b->what.since_ms, b->since_text);
        clock_format(b->what.until_ms, b->until_text);
        snprintf(b->run, sizeof(b->run), "%s/%s", b->since_text, b->until_text);
        b->what.run = b->run;
}

/* ---- doing it ---- */

static int backfill_count(struct backfilling *b, json_int_t *left)
{
        struct store *s = b->client.store;
        s->cdc->count(s, &b->what, store_client_on_json, &b->client);
        const int code = store_client_wait(&b->client);
        if (code)
                return code;
        const json_int_t events = json_number(b->client.value, "events", 0),
                         done = json_number(b->client.value, "done", 0);
        *left = events > done ? events - done : 0;
        printf("%lld events of %lld aggregates, from %s until %s", (long long)events,
               (long long)json_number(b->client.value, "aggregates", 0), b->since_text, b->until_text);
        if (done > 0)
                printf("; %lld of them are in the outbox already", (long long)done);
        putchar('\n');
        return 0;
}

static int backfill_batches(struct backfilling *b)
{
        struct store *s = b->client.store;
        long long sum = 0;
        json_int_t count;
        do {
                s->cdc->backfill(s, &b->what, store_client_on_json, &b->client);
                const int code = store_client_wait(&b->client);
                if (code)
                        return code;
                count = json_number(b->client.value, "count", 0);
                sum += count;
        } while (count > 0);
        printf("%lld events are in the outbox once more, marked %s\n", sum, b->run);
        return EXIT_DONE;
}

static int backfill_run(struct backfilling *b)
{
        json_int_t left = 0;
        int code = backfill_bounds(b);
        if (code)
                return code;
        backfill_name(b);
        code = backfill_count(b, &left);
        if (code || b->dry_run)
                return code;
        if (left > 0) {
                printf("ended before its end, it goes on with: chard cdc backfill --since %s --until %s%s\n",
                       b->since_text, b->until_text, b->beyond_inbox ? " --beyond-inbox" : "");
                fflush(stdout);
        }
        return backfill_batches(b);
}

static int cdc_backfill_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        const char *batch = NULL;
        struct backfilling b = { .what = { .limit = BACKFILL_BATCH } };
        const struct own_flag own[] = {
                { "--since", 0, NULL, &b.since, "POSITION",
                  "from where: a time (90s, 2h, 7d ago, or ISO 8601), or behind an event, by its position or id" },
                { "--until", 0, NULL, &b.until, "POSITION",
                  "up to where: a time, or an event, itself included; now else" },
                { "--dry-run", 0, &b.dry_run, NULL, NULL, "only say how many events that is" },
                { "--batch", 0, NULL, &batch, "N", "events in a transaction; 1000 else" },
                { "--beyond-inbox", 0, &b.beyond_inbox, NULL, NULL,
                  "also events of more than 30 days ago, which consumers would act on once more" },
                { 0 },
        };
        int code = EXIT_USAGE;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        if (!b.since)
                code = command_misuse(self, "say from where, with --since");
        else if (flag_number(self, "--batch", batch, 1, 100000, &b.what.limit)) {
                b.client.answer_ms = BACKFILL_PATIENCE_MS;
                code = store_client_open(&b.client, self, &s);
                if (code == 0)
                        code = backfill_run(&b);
                store_client_close(&b.client);
        }
        settings_free(&s);
        return code;
}

const struct command command_cdc_backfill = {
        .name = "cdc backfill",
        .summary = "Put events from the event store into the outbox once more, after a slot was lost",
        .usage = "--since POSITION [--until POSITION] [--dry-run] [--batch N] [--beyond-inbox]",
        .example = "  chard cdc backfill --since 2026-11-30T08:00:00Z --dry-run\n"
                   "  chard cdc backfill --since 742.15",
        .details =
                "First make the slot anew (start the connector), so that nothing falls between. Too early a time does no harm: consumers know by an\n"
                "event's id what they acted on in the last 30 days. Each aggregate's events come in their order, marked in the column backfill,\n"
                "which the connector makes a header. Ended before its end, it goes on when it is started again with the same times, which it\n"
                "prints. See docs/events.md, \"When a slot is lost\".",
        .run = cdc_backfill_run,
};
