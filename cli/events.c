/* SPDX-License-Identifier: Apache-2.0 */
/* `chard events`: what happened, for people and for scripts that need no Kafka. */
#include "cli/common/command.h"

#include "cli/common/times.h"
#include "cli/common/view.h"
#include "cli/common/wait.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/print.h"
#include "store/read.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 500, LOOK_MS = 200, ANSWER_MS = 10000 };

/* What is printed; NULL, or 0: whatever. */
struct picked {
        const char *type, *aggregate, *user, *trace, *after_text, *before_text;
        int64_t after_ms, before_ms;
};

struct events_reader {
        struct picked picked;
        const struct command *self;
        struct wait wait;
        struct store *store;
        bool follow, json;
        char position[64]; /* of the last row that was read */
        char id[64];       /* of the event after which printing begins, or "" */
        size_t count;      /* rows of the last page */
        bool failed;
        struct problem why;
        uv_signal_t signals[2];
        bool ended; /* by a signal */
};

static int events_command_read_all(struct events_reader *r);

static void events_command_on_signal(uv_signal_t *handle, int number)
{
        struct events_reader *r = (struct events_reader *)handle->data;
        (void)number;
        r->ended = true;
        wait_done(&r->wait);
}

static int open_reader(struct events_reader *r, const struct settings *s)
{
        static const int numbers[] = { SIGINT, SIGTERM };
        const struct store_config config = { .loop = &r->wait.loop,
                                             .url = s->store_url,
                                             .owner = "chard events",
                                             .connect_timeout_ms = (unsigned)s->connect_timeout_ms };
        const int code = store_open(&r->store, &config, &r->why);
        for (int i = 0; i < 2; i++) {
                uv_signal_init(&r->wait.loop, &r->signals[i]);
                r->signals[i].data = r;
                uv_signal_start(&r->signals[i], events_command_on_signal, numbers[i]);
        }
        return code ? command_fail(r->self, code, &r->why) : 0;
}

static void close_reader(struct events_reader *r)
{
        if (r->store)
                r->store->backend->close(r->store);
        for (int i = 0; i < 2; i++)
                uv_close((uv_handle_t *)&r->signals[i], NULL);
        wait_close(&r->wait);
}

/* ---- what is picked ---- */

static bool picked_aggregate(const char *wanted, const json_t *row)
{
        const char *type = json_text(row, "aggregate_type", ""), *slash = strchr(wanted, '/');
        const size_t size = slash ? (size_t)(slash - wanted) : strlen(wanted);
        if (strlen(type) != size || strncmp(type, wanted, size) != 0)
                return false;
        return !slash || strcmp(json_text(row, "aggregate_id", ""), slash + 1) == 0;
}

static bool picked_time(const struct picked *p, const json_t *row)
{
        int64_t at_ms = 0;
        if (!p->after_text && !p->before_text)
                return true;
        clock_parse(json_text(row, "created_at", ""), &at_ms);
        return (!p->after_text || at_ms >= p->after_ms) && (!p->before_text || at_ms < p->before_ms);
}

static bool picked_is(const struct picked *p, const json_t *row)
{
        const char *user = json_text(json_object_get(row, "payload"), "user_id", "");
        return (!p->type || strcmp(json_text(row, "type", ""), p->type) == 0) &&
               (!p->aggregate || picked_aggregate(p->aggregate, row)) && (!p->user || strcmp(user, p->user) == 0) &&
               (!p->trace || strstr(json_text(row, "tracingspancontext", ""), p->trace)) && picked_time(p, row);
}

static int picked_read(const struct command *self, struct picked *p)
{
        if (p->after_text && !time_read(p->after_text, &p->after_ms))
                return command_misuse(self, "--after: \"%.60s\" is no time", p->after_text);
        if (p->before_text && !time_read(p->before_text, &p->before_ms))
                return command_misuse(self, "--before: \"%.60s\" is no time", p->before_text);
        return 0;
}

static int events_command_run(const struct command *self, int argc, char **argv)
{
        if (argc > 0 && strcmp(argv[0], "verify") == 0)
                return command_events_verify.run(&command_events_verify, argc - 1, argv + 1);
        struct settings s;
        struct events_reader r = { .self = self };
        const char *since = NULL;
        const struct own_flag own[] = {
                { "--follow", 'f', &r.follow, NULL, NULL,
                  "go on with what happens from now on, until SIGINT or SIGTERM" },
                { "--since", 0, NULL, &since, "ID",
                  "only what came after this one: the position that stands first in each line, or an event's own id" },
                { "--type", 0, NULL, &r.picked.type, "TYPE", "only events of this type" },
                { "--aggregate", 0, NULL, &r.picked.aggregate, "TYPE[/ID]",
                  "only those of such aggregates, or of this one" },
                { "--user", 0, NULL, &r.picked.user, "ID", "only those whose payload has this user_id" },
                { "--trace", 0, NULL, &r.picked.trace, "ID", "only those of this trace" },
                { "--after", 0, NULL, &r.picked.after_text, "TIME",
                  "only those written since then: 90s, 2h, 7d ago, or ISO 8601" },
                { "--before", 0, NULL, &r.picked.before_text, "TIME", "only those written before" },
                { "--json", 0, &r.json, NULL, NULL,
                  "one JSON object a line, with \"position\" and the event's own \"id\"" },
                { 0 },
        };
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        if (since && strlen(since) >= sizeof(r.position)) {
                code = command_misuse(self, "--since: \"%.60s…\" is no position", since);
        } else if ((code = picked_read(self, &r.picked)) == 0) {
                /* An event's own id is the same in every store, but has no place in an order: it is looked for. */
                const bool is_id = since && strlen(since) == 36 && strchr(since, '-');
                snprintf(is_id ? r.id : r.position, sizeof(r.position), "%s", since ? since : "");
                wait_open(&r.wait);
                code = open_reader(&r, &s);
                if (code == 0)
                        code = events_command_read_all(&r);
                close_reader(&r);
        }
        settings_free(&s);
        return code;
}

/* ---- a page at a time ---- */

static void print_for_people(const json_t *row)
{
        const bool colour = print_colours(stdout);
        printf("%s  %.19s  %s%-16s%s  %s/", json_text(row, "position", "?"), json_text(row, "created_at", "?"),
               colour ? "\033[36m" : "", json_text(row, "type", "?"), colour ? "\033[0m" : "",
               json_text(row, "aggregate_type", "?"));
        print_plain(stdout, json_text(row, "aggregate_id", "?"));
        fputs("  ", stdout);
        json_dumpf(json_object_get(row, "payload"), stdout, JSON_COMPACT);
        puts(*json_text(row, "backfill", "") ? "  (once more)" : "");
}

static void events_command_print_row(struct events_reader *r, const json_t *row)
{
        snprintf(r->position, sizeof(r->position), "%s", json_text(row, "position", ""));
        if (*r->id) {
                if (strcmp(json_text(row, "id", ""), r->id) == 0)
                        r->id[0] = '\0';
                return;
        }
        if (!picked_is(&r->picked, row))
                return;
        if (!r->json) {
                print_for_people(row);
                return;
        }
        json_dumpf(row, stdout, JSON_COMPACT);
        putchar('\n');
}

static void events_command_on_page(json_t *page, const struct problem *why, void *arg)
{
        struct events_reader *r = (struct events_reader *)arg;
        size_t i;
        json_t *row;
        r->failed = why != NULL;
        if (why)
                r->why = *why;
        r->count = json_array_size(page);
        json_array_foreach(page, i, row)
                events_command_print_row(r, row);
        wait_done(&r->wait);
}

/* Returns 0, or an exit code after saying why. */
static int read_page(struct events_reader *r)
{
        r->store->read->events(r->store, r->position, PAGE, events_command_on_page, r);
        while (!wait_for(&r->wait, ANSWER_MS)) {
                if (r->follow && !r->ended)
                        continue; /* the store is away: what is asked comes when it is back */
                fprintf(stderr, "chard %s: the store does not answer\n", r->self->name);
                return EXIT_UNREACHABLE;
        }
        return r->failed ? command_fail(r->self, 1, &r->why) : 0;
}

static int events_command_read_all(struct events_reader *r)
{
        for (;;) {
                const int code = read_page(r);
                if (code || r->ended)
                        return code;
                if (fflush(stdout) != 0)
                        return EXIT_FAILED; /* the reader at the other end has gone */
                if (r->count == PAGE)
                        continue;
                if (*r->id) {
                        fprintf(stderr, "chard %s: no event here has the id %s; the outbox holds seven days\n",
                                r->self->name, r->id);
                        return EXIT_USAGE;
                }
                if (!r->follow)
                        return EXIT_DONE;
                wait_for(&r->wait, LOOK_MS);
                if (r->ended)
                        return EXIT_DONE;
        }
}

const struct command command_events = {
        .name = "events",
        .summary = "Print what happened, in order: the rows of the outbox",
        .usage =
                "[--follow] [--since ID] [--type TYPE] [--aggregate TYPE[/ID]] [--user ID] [--trace ID] [--after TIME] [--before TIME] [--json] | verify",
        .example = "  chard events\n"
                   "  chard events --follow --json | while read -r event; do …; done\n"
                   "  chard events --since 742.15 --json\n"
                   "  chard events --aggregate order/17 --after 2h\n"
                   "  chard events verify",
        .details =
                "A script that reacts to events keeps the last position and begins after it the next time: then none is missed or seen twice;\n"
                "chard consume does that by itself.\n"
                "A position is its store's own; after chard move begin after the last event's \"id\".\n"
                "The outbox holds the last seven days; a job's own events stay with the job (chard job ID).",
        .run = events_command_run,
};
