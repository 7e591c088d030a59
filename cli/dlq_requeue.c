/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq requeue, discard: something done to one entry or to a hundred thousand. */
#include "cli/dlq.h"

#include "core/clock.h"
#include "core/json.h"
#include "tasks/task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SILENCE_MS = 60000, MOST_RATE = 1000000 };

struct doing {
        struct dlq_client client;
        struct filter_flags flags;
        const char *reason, *rate_text, *to;
        bool dry_run, yes, json;
        unsigned rate;
        enum dead_action action;
        struct dlq_bulk_config config;
        struct dlq_bulk *bulk;
        struct dlq_tally tally;
        enum dlq_end end;
        bool running, interrupted;
        uv_signal_t signals[2];
};

static const char *past(const struct doing *d)
{
        return d->action == DEAD_DISCARD ? "discarded" : "requeued";
}

static size_t done_count(const struct dlq_tally *t)
{
        return t->outcomes[DEAD_DONE] + t->outcomes[DEAD_RESUMED];
}

/* ---- running a bulk ---- */

static void on_progress(const struct dlq_tally *tally, void *arg)
{
        struct doing *d = (struct doing *)arg;
        d->tally = *tally;
        if (isatty(STDERR_FILENO) && !d->config.rehearse)
                fprintf(stderr, "\r%zu of %zu looked at, %zu %s\033[K", tally->seen, tally->total, done_count(tally),
                        past(d));
        wait_done(&d->client.wait);
}

static void on_done(enum dlq_end end, const struct dlq_tally *tally, void *arg)
{
        struct doing *d = (struct doing *)arg;
        if (isatty(STDERR_FILENO) && !d->config.rehearse)
                fputs("\r\033[K", stderr);
        d->tally = *tally;
        d->end = end;
        d->running = false;
        d->bulk = NULL;
        wait_done(&d->client.wait);
}

static void on_signal(uv_signal_t *handle, int number)
{
        struct doing *d = (struct doing *)handle->data;
        (void)number;
        if (d->interrupted)
                _exit(EXIT_FAILED); /* asked twice: every batch is done or not */
        d->interrupted = true;
        if (d->bulk)
                dlq_bulk_stop(d->bulk);
}

static int run_bulk(struct doing *d, bool rehearse)
{
        d->config.rehearse = rehearse;
        d->running = true;
        d->tally = (struct dlq_tally){ 0 };
        if (dlq_bulk_start(&d->bulk, &d->config) < 0) {
                fprintf(stderr, "chard %s: out of memory\n", d->client.self->name);
                return EXIT_FAILED;
        }
        while (d->running) {
                if (!wait_for(&d->client.wait, SILENCE_MS))
                        return EXIT_UNREACHABLE;
        }
        return 0;
}

/* ---- saying what will be, and what was ---- */

static void print_fates(const struct dlq_tally *t, const char *indent)
{
        for (int i = 0; i < FATE_COUNT; i++)
                if (t->fates[i] > 0)
                        printf("%s%8zu  %s (entry %lld%s)\n", indent, t->fates[i],
                               letter_fate_text((enum letter_fate)i), (long long)t->first[i],
                               t->fates[i] > 1 ? " and others" : "");
}

static void print_rehearsal(const struct doing *d)
{
        if (d->action == DEAD_DISCARD) {
                printf("%zu entries would be discarded: their tasks do not run again, their jobs stay failed\n",
                       d->tally.total);
                return;
        }
        printf("of %zu entries the task of\n", d->tally.total);
        print_fates(&d->tally, "");
}

static json_t *fates_json(const struct dlq_tally *t)
{
        static const char *const names[FATE_COUNT] = {
                [FATE_SENT] = "sent",
                [FATE_RESUMED] = "resumed",
                [FATE_SUCCEEDED] = "succeeded",
                [FATE_ALIVE] = "alive",
                [FATE_REVOKED] = "revoked",
                [FATE_NO_QUEUE] = "no_queue",
                [FATE_UNREADABLE] = "unreadable",
                [FATE_HOPELESS] = "hopeless",
                [FATE_CLOSED] = "closed",
        };
        json_t *o = json_object();
        for (int i = 0; i < FATE_COUNT; i++)
                if (t->fates[i] > 0)
                        json_object_set_new(o, names[i], json_integer((json_int_t)t->fates[i]));
        return o;
}

static void print_json(const struct doing *d)
{
        static const char *const ends[] = { [DLQ_ENDED] = "ended", [DLQ_STOPPED] = "stopped", [DLQ_FAILED] = "failed" };
        const struct dlq_tally *t = &d->tally;
        JSON_OWNED json_t *o = json_pack(
                "{s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "action",
                d->action == DEAD_DISCARD ? "discard" : "requeue", "dry_run", d->config.rehearse, "end",
                d->running ? "silent" : ends[d->end], "total", (json_int_t)t->total, "seen", (json_int_t)t->seen,
                past(d), (json_int_t)t->outcomes[DEAD_DONE], "resumed", (json_int_t)t->outcomes[DEAD_RESUMED],
                "succeeded", (json_int_t)t->outcomes[DEAD_SUCCEEDED], "alive", (json_int_t)t->outcomes[DEAD_ALIVE],
                "revoked", (json_int_t)t->outcomes[DEAD_REVOKED], "settled",
                (json_int_t)t->outcomes[DEAD_SETTLED] + (json_int_t)t->outcomes[DEAD_MISSING], "refused",
                (json_int_t)t->refused, d->config.rehearse ? "would" : "not_tried", fates_json(t));
        view_json(o);
}

static void print_outcomes(const struct doing *d)
{
        static const struct {
                enum dead_outcome outcome;
                const char *text;
        } rows[] = {
                { DEAD_RESUMED, "of them had succeeded already: only what follows is published" },
                { DEAD_SUCCEEDED, "not sent, their tasks have succeeded meanwhile: closed as resolved" },
                { DEAD_ALIVE, "not sent, a worker is running their task right now: still kept" },
                { DEAD_REVOKED, "not sent, their tasks were revoked: still kept" },
                { DEAD_SETTLED, "somebody else dealt with meanwhile" },
        };
        const struct dlq_tally *t = &d->tally;
        printf("%zu %s\n", done_count(t), past(d));
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (t->outcomes[rows[i].outcome] > 0)
                        printf("%8zu  %s\n", t->outcomes[rows[i].outcome], rows[i].text);
        print_fates(t, "");
        if (t->refused > 0)
                printf("%8zu  the store refused: %s\n", t->refused, t->why.text);
        const int64_t last_ms = t->last_due_ms - clock_wall_ms();
        if (d->action == DEAD_REQUEUE && last_ms > 1000)
                printf("the last one is due in %lld s\n", (long long)(last_ms / 1000));
}

static int report(struct doing *d, int code)
{
        const char *name = d->client.self->name;
        if (d->json)
                print_json(d);
        else
                print_outcomes(d);
        if (code == EXIT_UNREACHABLE)
                fprintf(stderr, "chard %s: the store does not answer; %zu of %zu are done. Say it again to go on\n",
                        name, d->tally.seen, d->tally.total);
        else if (d->end == DLQ_STOPPED)
                fprintf(stderr, "chard %s: stopped; %zu of %zu are done. Say it again to go on\n", name, d->tally.seen,
                        d->tally.total);
        else if (d->end == DLQ_FAILED)
                return command_fail(d->client.self, 1, &d->tally.why);
        else
                return d->tally.refused > 0 ? EXIT_FAILED : EXIT_DONE;
        return code ? code : EXIT_FAILED;
}

/* ---- being sure ---- */

/* One entry that was named, to be sent back, is not asked about; for anything else it must be typed how many. */
static bool confirmed(const struct doing *d, int *code)
{
        char line[64], wanted[32];
        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
                *code = command_misuse(d->client.self, "%zu entries would be %s: say --yes (see first with --dry-run)",
                                       d->tally.total, past(d));
                return false;
        }
        fprintf(stderr, "type %zu to have them %s: ", d->tally.total, past(d));
        snprintf(wanted, sizeof(wanted), "%zu", d->tally.total);
        if (fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\r\n")] = '\0';
                if (strcmp(line, wanted) == 0)
                        return true;
        }
        fputs("nothing was done\n", stderr);
        *code = EXIT_FAILED;
        return false;
}

static int say_nothing_there(const struct doing *d)
{
        const bool named = d->config.filter.entry_count > 0;
        if (d->json)
                print_json(d);
        else
                puts(named ? "no such entry is kept (any more): see chard dlq ls --state any" : "no such entries");
        return named ? EXIT_FAILED : EXIT_DONE;
}

/* Look first, say what would become of them, and ask. Returns true to go on, else *code. */
static bool rehearsed(struct doing *d, int *code)
{
        *code = run_bulk(d, true);
        if (*code || d->end != DLQ_ENDED) {
                *code = report(d, *code);
                return false;
        }
        if (d->tally.total == 0 && !d->dry_run) {
                *code = say_nothing_there(d);
                return false;
        }
        if (d->json && d->dry_run)
                print_json(d);
        else if (d->dry_run || isatty(STDIN_FILENO))
                print_rehearsal(d);
        return !d->dry_run && confirmed(d, code);
}

static int perform(struct doing *d)
{
        int code = EXIT_DONE;
        const bool sure = d->yes || (d->action == DEAD_REQUEUE && d->config.filter.entry_count == 1);
        if ((d->dry_run || !sure) && !rehearsed(d, &code))
                return code;
        d->config.filter.upto = d->tally.upto; /* no more than was looked at */
        code = run_bulk(d, false);
        return code == 0 && d->end == DLQ_ENDED && d->tally.total == 0 ? say_nothing_there(d) : report(d, code);
}

static void watch_signals(struct doing *d)
{
        static const int numbers[] = { SIGINT, SIGTERM };
        for (size_t i = 0; i < 2; i++) {
                uv_signal_init(&d->client.wait.loop, &d->signals[i]);
                d->signals[i].data = d;
                uv_signal_start(&d->signals[i], on_signal, numbers[i]);
                uv_unref((uv_handle_t *)&d->signals[i]);
        }
}

static int do_it(struct doing *d, const struct settings *s, const struct command *self, char *scope)
{
        int code = client_open(&d->client, self, s);
        if (code == 0) {
                watch_signals(d);
                d->config.store = d->client.store;
                d->config.action = d->action;
                d->config.act =
                        (struct dead_act){ .who = client_who(), .reason = d->reason ? d->reason : "", .scope = scope };
                d->config.rate = d->rate;
                d->config.to = d->to;
                d->config.progress = on_progress;
                d->config.done = on_done;
                d->config.arg = d;
                code = perform(d);
                for (size_t i = 0; i < 2; i++)
                        uv_close((uv_handle_t *)&d->signals[i], NULL);
        }
        client_close(&d->client);
        return code;
}

/* ---- the commands ---- */

static bool is_queue(const char *name)
{
        for (size_t i = 0; task_registry[i]; i++)
                if (strcmp(task_registry[i]->queue, name) == 0)
                        return true;
        return false;
}

static bool sane(const struct command *self, struct doing *d, int *code)
{
        *code = EXIT_USAGE;
        if (filter_is_any(&d->config.filter) && !d->flags.all) {
                command_misuse(self, "say which: entries by number, --group, another filter, or --all");
                return false;
        }
        if (d->to && !is_queue(d->to)) {
                command_misuse(self, "--to: no task of this program has the queue \"%.100s\"", d->to);
                return false;
        }
        if (d->reason && !text_is_utf8(d->reason)) {
                command_misuse(self, "--reason is not UTF-8");
                return false;
        }
        return flag_number(self, "--rate", d->rate_text, MOST_RATE, &d->rate);
}

static int run_flags(const struct command *self, struct doing *d, const struct own_flag *own, int argc, char **argv)
{
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        int64_t *entries = calloc((size_t)operands + 1, sizeof(*entries));
        char *scope = filter_words(&d->flags, argv, operands);
        if (entries && scope && filter_read(self, &d->flags, argv, operands, entries, &d->config.filter, &code) &&
            sane(self, d, &code))
                code = do_it(d, &s, self, scope);
        free(scope);
        free(entries);
        settings_free(&s);
        return code;
}

#define DOING_FLAGS(d)                                                                                  \
        FILTER_FLAGS((d).flags), { "--all", 0, &(d).flags.all, NULL, NULL, "every kept entry" },        \
                { "--reason", 'r', NULL, &(d).reason, "TEXT", "why, for the audit" },                   \
                { "--dry-run", 0, &(d).dry_run, NULL, NULL, "only say what would be done" },            \
                { "--yes", 'y', &(d).yes, NULL, NULL, "don't ask; needed where there is no terminal" }, \
        {                                                                                               \
                "--json", 0, &(d).json, NULL, NULL, "print one JSON object"                             \
        }

static int run_requeue(const struct command *self, int argc, char **argv)
{
        struct doing d = { .action = DEAD_REQUEUE };
        const struct own_flag own[] = {
                DOING_FLAGS(d),
                { "--rate", 0, NULL, &d.rate_text, "N/s", "let so many a second become due; all at once without it" },
                { "--to", 0, NULL, &d.to, "QUEUE", "send them there instead of where they came from" },
                { 0 },
        };
        return run_flags(self, &d, own, argc, argv);
}

static int run_discard(const struct command *self, int argc, char **argv)
{
        struct doing d = { .action = DEAD_DISCARD };
        const struct own_flag own[] = { DOING_FLAGS(d), { 0 } };
        return run_flags(self, &d, own, argc, argv);
}

const struct command command_dlq_requeue = {
        .name = "dlq requeue",
        .summary = "Send entries back to their queues, by number, group or filter",
        .usage = "ENTRY… | --group GROUP | filter | --all  [--rate N/s] [--reason TEXT] [--dry-run] [--yes] [--json]",
        .example = "  chard dlq requeue 17\n"
                   "  chard dlq requeue --group 1f0c9a77b2e4 --rate 50/s --reason \"the provider is back\"",
        .details =
                "Attempts start anew; ids stay, so the rest of the chain follows. A transaction a batch: it may be interrupted and said again,\n"
                "and requeueing twice runs a task once. What has succeeded meanwhile is not sent.",
        .run = run_requeue,
};

const struct command command_dlq_discard = {
        .name = "dlq discard",
        .summary = "Give entries up; they stay in the store as discarded, their jobs stay failed",
        .usage = "ENTRY… | --group GROUP | filter | --all  [--reason TEXT] [--dry-run] [--yes] [--json]",
        .example = "  chard dlq discard --task chat.answer --code content_filter --reason \"refused for good\"",
        .run = run_discard,
};
