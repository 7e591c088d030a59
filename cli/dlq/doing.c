/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dlq/doing.h"

#include "cli/common/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/print.h"

#include <stdlib.h>
#include <string.h>

const char *doing_past(const struct doing *d)
{
        return d->action->does.state;
}

size_t doing_count(const struct dlq_tally *t)
{
        return t->outcomes[DEAD_DONE] + t->outcomes[DEAD_RESUMED];
}

/* ---- for people ---- */

static void print_disposition(const struct dlq_tally *t, size_t count, int disposition, const char *before)
{
        if (count > 0)
                printf("%8zu  %s%s (entry %lld%s)\n", count, before,
                       letter_disposition_text((enum letter_disposition)disposition), (long long)t->first[disposition],
                       count > 1 ? " and others" : "");
}

void doing_print_rehearsal(const struct doing *d)
{
        const char *would = d->action->would[d->tally.total != 1];
        if (would) {
                printf("%zu %s\n", d->tally.total, would);
                return;
        }
        printf("of %zu %s the task of\n", d->tally.total, d->tally.total == 1 ? "entry" : "entries");
        for (int i = 0; i < DISPOSITION_COUNT; i++)
                print_disposition(&d->tally, d->tally.dispositions[i], i, "");
}

void doing_print_outcomes(const struct doing *d)
{
        static const struct {
                enum dead_outcome outcome;
                const char *text;
        } rows[] = {
                { DEAD_RESUMED, "of them had succeeded already: only what follows is published" },
                { DEAD_SUCCEEDED, "not sent, their tasks have succeeded meanwhile: closed as resolved" },
                { DEAD_ALIVE, "not sent, a worker is running their task right now: still kept" },
                { DEAD_WAITING, "not sent, their tasks are scheduled already: still kept" },
                { DEAD_REVOKED, "not sent, their tasks were revoked: still kept" },
                { DEAD_CHANGED, "not sent, somebody edited them meanwhile: still kept, requeue them again" },
                { DEAD_SETTLED, "somebody else dealt with meanwhile" },
        };
        const struct dlq_tally *t = &d->tally;
        printf("%zu %s\n", doing_count(t), doing_past(d));
        for (int i = 0; i < DISPOSITION_COUNT; i++)
                print_disposition(t, t->doomed[i], i, "of them: the task ");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (t->outcomes[rows[i].outcome] > 0)
                        printf("%8zu  %s\n", t->outcomes[rows[i].outcome], rows[i].text);
        for (int i = 0; i < DISPOSITION_COUNT; i++)
                print_disposition(t, t->dispositions[i], i, "not sent: the task ");
        if (t->refused > 0) {
                printf("%8zu  the store refused: ", t->refused);
                print_plain(stdout, t->why.text);
                putchar('\n');
        }
        const int64_t last_ms = t->last_due_ms - clock_wall_ms();
        if (d->action->does.sends && last_ms > 1000)
                printf("the last one is due in %lld s\n", (long long)(last_ms / 1000));
}

/* ---- for programs ---- */

static json_t *not_done_json(const struct doing *d)
{
        json_t *list = json_array();
        for (size_t i = 0; i < d->named_count; i++)
                if (d->named[i].why)
                        json_array_append_new(list, json_integer(d->named[i].entry));
        return list;
}

void doing_print_json(const struct doing *d)
{
        static const char *const ends[] = { [DLQ_ENDED] = "ended", [DLQ_STOPPED] = "stopped", [DLQ_FAILED] = "failed" };
        const struct dlq_tally *t = &d->tally;
        JSON_OWNED json_t *o = json_pack(
                "{s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "action", d->action->does.name,
                "dry_run", d->config.rehearse, "end", d->running ? "silent" : ends[d->end], "total",
                (json_int_t)t->total, "seen", (json_int_t)t->seen, doing_past(d), (json_int_t)t->outcomes[DEAD_DONE],
                "resumed", (json_int_t)t->outcomes[DEAD_RESUMED], "succeeded", (json_int_t)t->outcomes[DEAD_SUCCEEDED],
                "alive", (json_int_t)t->outcomes[DEAD_ALIVE], "waiting", (json_int_t)t->outcomes[DEAD_WAITING],
                "revoked", (json_int_t)t->outcomes[DEAD_REVOKED], "changed", (json_int_t)t->outcomes[DEAD_CHANGED],
                "settled", (json_int_t)t->outcomes[DEAD_SETTLED] + (json_int_t)t->outcomes[DEAD_MISSING], "refused",
                (json_int_t)t->refused, d->config.rehearse ? "would" : "not_tried",
                dlq_dispositions_json(t->dispositions), "not_done", not_done_json(d));
        if (!d->config.rehearse)
                json_object_set_new(o, "die_again", dlq_dispositions_json(t->doomed));
        view_json(o);
}

/* ---- of what was named ---- */

static const char *doing_why_not(int disposition, int outcome)
{
        if (disposition == DISPOSITION_SENT || disposition == DISPOSITION_RESUMED ||
            disposition == DISPOSITION_SUCCEEDED ||
            (disposition >= 0 && letter_disposition_dooms((enum letter_disposition)disposition)))
                return NULL;
        if (disposition >= 0)
                return letter_disposition_text((enum letter_disposition)disposition);
        switch (outcome) {
        case DEAD_DONE:
        case DEAD_RESUMED:
        case DEAD_SUCCEEDED: return NULL;
        case DEAD_ALIVE: return letter_disposition_text(DISPOSITION_ALIVE);
        case DEAD_WAITING: return letter_disposition_text(DISPOSITION_WAITING);
        case DEAD_REVOKED: return letter_disposition_text(DISPOSITION_REVOKED);
        case DEAD_CHANGED: return "somebody edited it meanwhile; requeue it again";
        case DEAD_SETTLED:
        case DEAD_MISSING: return "somebody else dealt with it meanwhile";
        default: return "the store refused it";
        }
}

static int doing_by_number(const void *a, const void *b)
{
        const int64_t one = ((const struct named *)a)->entry, two = ((const struct named *)b)->entry;
        return one < two ? -1 : one > two;
}

static struct named *doing_find(struct doing *d, int64_t entry)
{
        const struct named key = { .entry = entry };
        return d->named_count ? bsearch(&key, d->named, d->named_count, sizeof(key), doing_by_number) : NULL;
}

static bool is_missing(const struct named *named)
{
        return named->why && strcmp(named->why, DOING_MISSING) == 0;
}

size_t doing_missing(const struct doing *d)
{
        size_t missing = 0;
        for (size_t i = 0; i < d->named_count; i++)
                missing += is_missing(&d->named[i]);
        return missing;
}

void doing_found(struct doing *d, const struct dead_letter *letter)
{
        struct named *found = doing_find(d, letter->entry);
        if (!found || !is_missing(found))
                return;
        if (strcmp(letter->state, "resolved") == 0)
                found->why = "it was closed already: its task has succeeded";
        for (size_t i = 0; dlq_actions[i]; i++)
                if (strcmp(dlq_actions[i]->does.state, letter->state) == 0)
                        found->why = dlq_actions[i]->already;
}

void doing_became(int64_t entry, int disposition, int outcome, void *arg)
{
        struct doing *d = (struct doing *)arg;
        struct named *found = doing_find(d, entry);
        if (!found)
                return;
        found->why = doing_why_not(disposition, outcome);
        found->of_task =
                disposition >= 0 || outcome == DEAD_ALIVE || outcome == DEAD_WAITING || outcome == DEAD_REVOKED;
}

bool doing_all_done(const struct doing *d)
{
        enum { MOST_LINES = 20 };
        size_t left = 0;
        for (size_t i = 0; i < d->named_count; i++)
                if (d->named[i].why && ++left <= MOST_LINES)
                        fprintf(stderr, "chard %s: entry %lld %s %s: %s%s\n", d->client.self->name,
                                (long long)d->named[i].entry, d->dry_run ? "would not be" : "was not", doing_past(d),
                                d->named[i].of_task ? "the task " : "", d->named[i].why);
        if (left > MOST_LINES)
                fprintf(stderr, "chard %s: and %zu more\n", d->client.self->name, left - MOST_LINES);
        return left == 0;
}
