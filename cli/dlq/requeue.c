/* SPDX-License-Identifier: Apache-2.0 */
/* chard dlq requeue, discard, and whatever else dlq/action.h lists: something done to one entry or to a hundred thousand. */
#include "cli/dlq/doing.h"

#include "cli/common/flags.h"
#include "cli/common/store_client.h"
#include "cli/dlq/filter.h"
#include "core/json.h"
#include "core/text/utf8.h"
#include "tasks/task.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SILENCE_MS = 60000, MOST_RATE = 1000000, MOST_NAMED = 10000 };

/* ---- running a bulk ---- */

static void dlq_requeue_on_progress(const struct dlq_tally *tally, void *arg)
{
        struct doing *d = (struct doing *)arg;
        d->tally = *tally;
        if (isatty(STDERR_FILENO)) {
                fprintf(stderr, "\r%zu of %zu looked at", tally->seen, tally->total);
                if (!d->config.rehearse)
                        fprintf(stderr, ", %zu %s", doing_count(tally), doing_past(d));
                fputs("\033[K", stderr);
        }
        wait_done(&d->client.wait);
}

static void dlq_requeue_on_done(enum dlq_end end, const struct dlq_tally *tally, void *arg)
{
        struct doing *d = (struct doing *)arg;
        if (isatty(STDERR_FILENO))
                fputs("\r\033[K", stderr);
        d->tally = *tally;
        d->end = end;
        d->running = false;
        d->bulk = NULL;
        wait_done(&d->client.wait);
}

static void dlq_requeue_on_signal(uv_signal_t *handle, int number)
{
        struct doing *d = (struct doing *)handle->data;
        (void)number;
        if (d->interrupted) { /* asked twice: the batch in hand is done or not, never half */
                fprintf(stderr,
                        "chard %s: ended with a batch in hand; at least %zu of %zu are done. Say it again to go on\n",
                        d->client.self->name, d->tally.seen, d->tally.total);
                _exit(EXIT_FAILED);
        }
        d->interrupted = true;
        fprintf(stderr, "chard %s: stopping after the batch in hand; once more ends it at once\n",
                d->client.self->name);
        if (d->bulk)
                dlq_bulk_stop(d->bulk);
}

static int run_bulk(struct doing *d, bool rehearse)
{
        d->config.rehearse = rehearse;
        d->running = true;
        d->tally = (struct dlq_tally){ 0 };
        for (size_t i = 0; i < d->named_count; i++)
                d->named[i] = (struct named){ d->named[i].entry, DOING_MISSING, false };
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

/* ---- saying what was ---- */

static void on_named(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct doing *d = (struct doing *)arg;
        for (size_t i = 0; i < count; i++)
                doing_found(d, &letters[i]);
        store_client_on_json(NULL, why, &d->client);
}

/* What became of those that were not kept any more. */
static void ask_for_missing(struct doing *d)
{
        struct dead_query query = { .filter = d->config.filter, .limit = MOST_NAMED, .plain = true };
        query.filter.state = NULL;
        query.filter.after = query.filter.upto = 0;
        if (doing_missing(d) == 0)
                return;
        d->client.store->dead->read(d->client.store, &query, on_named, d);
        store_client_wait(&d->client);
}

static int dlq_requeue_report(struct doing *d, int code)
{
        const char *name = d->client.self->name;
        if (!code && d->end == DLQ_ENDED)
                ask_for_missing(d);
        if (d->json)
                doing_print_json(d);
        else
                doing_print_outcomes(d);
        if (code == EXIT_UNREACHABLE)
                fprintf(stderr, "chard %s: the store does not answer; %zu of %zu are done. Say it again to go on\n",
                        name, d->tally.seen, d->tally.total);
        else if (d->end == DLQ_STOPPED)
                fprintf(stderr, "chard %s: stopped; %zu of %zu are done. Say it again to go on\n", name, d->tally.seen,
                        d->tally.total);
        else if (d->end == DLQ_FAILED)
                return command_fail(d->client.self, 1, &d->tally.why);
        else
                return doing_all_done(d) && d->tally.refused == 0 ? EXIT_DONE : EXIT_FAILED;
        return code ? code : EXIT_FAILED;
}

/* ---- being sure ---- */

/* One entry that was named, to be sent back, is not asked about; for anything else it must be typed how many. */
static bool dlq_requeue_confirmed(const struct doing *d, int *code)
{
        char line[64], wanted[32];
        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
                *code = command_misuse(d->client.self, "%zu entries would be %s: say --yes (see first with --dry-run)",
                                       d->tally.total, doing_past(d));
                return false;
        }
        fflush(stdout);
        fprintf(stderr, "type %zu to have them %s: ", d->tally.total, doing_past(d));
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

static int say_nothing_there(struct doing *d)
{
        ask_for_missing(d);
        if (d->json)
                doing_print_json(d);
        else if (d->named_count == 0)
                puts("no such entries");
        return doing_all_done(d) ? EXIT_DONE : EXIT_FAILED;
}

/* Look first, say what would become of them, and ask. Returns true to go on, else *code. */
static bool dlq_requeue_rehearsed(struct doing *d, int *code)
{
        *code = run_bulk(d, true);
        if (*code || d->end != DLQ_ENDED) {
                *code = dlq_requeue_report(d, *code);
                return false;
        }
        if (d->tally.total == 0) {
                *code = say_nothing_there(d);
                return false;
        }
        if (d->json && d->dry_run)
                doing_print_json(d);
        else if (d->dry_run || isatty(STDIN_FILENO))
                doing_print_rehearsal(d);
        if (d->dry_run)
                *code = doing_all_done(d) ? EXIT_DONE : EXIT_FAILED;
        return !d->dry_run && dlq_requeue_confirmed(d, code);
}

static void watch_signals(struct doing *d)
{
        static const int numbers[] = { SIGINT, SIGTERM };
        d->watching = true;
        for (size_t i = 0; i < 2; i++) {
                uv_signal_init(&d->client.wait.loop, &d->signals[i]);
                d->signals[i].data = d;
                uv_signal_start(&d->signals[i], dlq_requeue_on_signal, numbers[i]);
                uv_unref((uv_handle_t *)&d->signals[i]);
        }
}

static int dlq_requeue_perform(struct doing *d)
{
        int code = EXIT_DONE;
        const bool sure = d->yes || (!d->action->asks && d->config.filter.entry_count == 1);
        if ((d->dry_run || !sure) && !dlq_requeue_rehearsed(d, &code))
                return code;
        d->config.filter.upto = d->tally.upto; /* no more than was looked at */
        watch_signals(d);                      /* not before: until now Ctrl-C ends it, and nothing was done */
        code = run_bulk(d, false);
        return code == 0 && d->end == DLQ_ENDED && d->tally.total == 0 ? say_nothing_there(d)
                                                                       : dlq_requeue_report(d, code);
}

static bool dlq_requeue_is_queue(const struct catalog *catalog, const char *name)
{
        const struct task_set *set = catalog_tasks(catalog);
        for (size_t i = 0; i < set->count; i++)
                if (strcmp(set->tasks[i].def->queue, name) == 0)
                        return true;
        return false;
}

static int do_it(struct doing *d, const struct settings *s, const struct command *self, char *scope)
{
        int code = store_client_open(&d->client, self, s);
        if (code == 0 && d->to && !dlq_requeue_is_queue(d->client.catalog, d->to))
                code = command_misuse(self, "--to: no task of this program has the queue \"%.100s\"", d->to);
        if (code == 0) {
                d->config.store = d->client.store;
                d->config.catalog = d->client.catalog;
                d->config.action = d->action;
                d->config.act = (struct dead_act){ .who = store_client_who(&d->client),
                                                   .reason = d->reason ? d->reason : "",
                                                   .scope = scope };
                d->config.rate = d->rate;
                d->config.to = d->to;
                d->config.progress = dlq_requeue_on_progress;
                d->config.done = dlq_requeue_on_done;
                d->config.became = doing_became;
                d->config.max_body = (size_t)s->max_body_bytes;
                d->config.arg = d;
                code = dlq_requeue_perform(d);
                for (size_t i = 0; d->watching && i < 2; i++)
                        uv_close((uv_handle_t *)&d->signals[i], NULL);
        }
        store_client_close(&d->client);
        return code;
}

/* ---- the commands ---- */

static bool dlq_requeue_sane(const struct command *self, struct doing *d, int *code)
{
        *code = EXIT_USAGE;
        if (filter_is_any(&d->config.filter) && !d->flags.all) {
                command_misuse(self, "say which: entries by number, --group, another filter, or --all");
                return false;
        }
        if (d->reason && !utf8_is(d->reason)) {
                command_misuse(self, "--reason is not UTF-8");
                return false;
        }
        return flag_number(self, "--rate", d->rate_text, 1, MOST_RATE, &d->rate);
}

/* The entries that were named, of which the filter has a sorted list. */
static bool remember_named(struct doing *d)
{
        const struct dead_filter *f = &d->config.filter;
        d->named = calloc(f->entry_count + 1, sizeof(*d->named));
        for (size_t i = 0; d->named && i < f->entry_count; i++)
                if (d->named_count == 0 || d->named[d->named_count - 1].entry != f->entries[i])
                        d->named[d->named_count++].entry = f->entries[i];
        return d->named;
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
            dlq_requeue_sane(self, d, &code) && remember_named(d))
                code = do_it(d, &s, self, scope);
        free(d->named);
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

static int dlq_act_run(const struct command *self, int argc, char **argv)
{
        struct doing d = { .action = dlq_action_named(strchr(self->name, ' ') + 1) };
        const struct own_flag plain[] = { DOING_FLAGS(d), { 0 } };
        const struct own_flag sends[] = {
                DOING_FLAGS(d),
                { "--rate", 0, NULL, &d.rate_text, "N/s", "let so many a second become due; all at once without it" },
                { "--to", 0, NULL, &d.to, "QUEUE", "send them there instead of where they came from" },
                { 0 },
        };
        return run_flags(self, &d, d.action->does.sends ? sends : plain, argc, argv);
}

#define WHICH "ENTRY… | --group GROUP | filter | --all  "
#define HOW   "[--reason TEXT] [--dry-run] [--yes] [--json]"

int dlq_act(const struct dlq_action *action, int argc, char **argv)
{
        char name[64];
        snprintf(name, sizeof(name), "dlq %s", action->does.name);
        const struct command self = { .name = name,
                                      .summary = action->summary,
                                      .usage = action->does.sends ? WHICH "[--rate N/s] " HOW : WHICH HOW,
                                      .example = action->example,
                                      .details = action->details,
                                      .run = dlq_act_run };
        return self.run(&self, argc, argv);
}
