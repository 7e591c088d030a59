/* SPDX-License-Identifier: Apache-2.0 */
/* A sketch: how somebody new adds a fourth thing to do to dead letters, beside requeueing, discarding and editing them. It is this one file, in dlq/:
 * `chard dlq archive` comes of that. Here entries are archived, as long as no worker runs their task. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dlq/action.h"
#include "dlq/dlq.h"
#include "store/meaning.h"

#include <string.h>

/* ---- the action ---- */

static enum letter_disposition archive_judge(const struct dlq_subject *subject, const struct dead_letter *letter,
                                             struct message **out)
{
        (void)subject;
        if (out)
                *out = NULL;
        return letter->leased ? DISPOSITION_ALIVE : DISPOSITION_SENT;
}

extern const struct dlq_action dlq_archive;
const struct dlq_action dlq_archive = {
        .does = { .name = "archive", .state = "archived" },
        .summary = "Put entries away that somebody wants to look at later",
        .example = "  chard dlq archive --group 1f0c9a77b2e4 --reason \"for the provider's support\"",
        .would = { "entry would be archived", "entries would be archived" },
        .already = "it was archived already",
        .judge = archive_judge,
};

/* ---- a store of three entries, one of which a worker runs ---- */

static struct shelf {
        struct store store;
        const char *states[3];
        char audit[32];
} shelf;

static void shelf_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        json_t *count = json_pack("{s:i, s:i}", "count", 3, "upto", 3);
        (void)s, (void)filter;
        done(count, NULL, arg);
        json_decref(count);
}

static void shelf_read(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg)
{
        struct dead_letter letters[3];
        size_t count = 0;
        (void)s;
        for (int64_t entry = query->filter.after + 1; entry <= 3; entry++)
                letters[count++] = (struct dead_letter){ .entry = entry, .state = "kept", .leased = entry == 2 };
        done(letters, count, NULL, arg);
}

static void shelf_settle(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg)
{
        enum dead_outcome outcomes[3];
        (void)s;
        for (size_t i = 0; i < settle->count; i++) {
                outcomes[i] = dead_outcome_of(settle->action, DEAD_SEEN | DEAD_SEEN_KEPT);
                shelf.states[settle->items[i].entry - 1] = dead_outcome_state(settle->action, outcomes[i]);
        }
        snprintf(shelf.audit, sizeof(shelf.audit), "%s %zu", settle->action->name, settle->count);
        done(outcomes, settle->count, NULL, arg);
}

static const struct store_dead shelf_door = { .count = shelf_count, .read = shelf_read, .settle = shelf_settle };

static void on_done(enum dlq_end end, const struct dlq_tally *tally, void *arg)
{
        assert_int_equal(end, DLQ_ENDED);
        *(struct dlq_tally *)arg = *tally;
}

static struct dlq_tally archive_all(bool rehearse)
{
        struct dlq_tally tally = { 0 };
        struct dlq_bulk *bulk;
        const struct dlq_bulk_config config = {
                .store = &shelf.store, .action = &dlq_archive, .rehearse = rehearse, .done = on_done, .arg = &tally
        };
        shelf = (struct shelf){ .store.dead = &shelf_door, .states = { "kept", "kept", "kept" } };
        assert_int_equal(dlq_bulk_start(&bulk, &config), 0);
        return tally;
}

static void a_fourth_dead_letter_action_is_one_file(void **state)
{
        (void)state;
        assert_ptr_equal(dlq_action_named("archive"), &dlq_archive);
        const struct dlq_tally would = archive_all(true);
        assert_int_equal(would.dispositions[DISPOSITION_SENT], 2);
        assert_int_equal(would.dispositions[DISPOSITION_ALIVE], 1);
        assert_string_equal(shelf.states[0], "kept");
        const struct dlq_tally done = archive_all(false);
        assert_int_equal(done.outcomes[DEAD_DONE], 2);
        assert_int_equal(done.dispositions[DISPOSITION_ALIVE], 1);
        assert_string_equal(shelf.states[0], "archived");
        assert_string_equal(shelf.states[1], "kept");
        assert_string_equal(shelf.states[2], "archived");
        assert_string_equal(shelf.audit, "archive 2");
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_fourth_dead_letter_action_is_one_file) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
