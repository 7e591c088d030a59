/* SPDX-License-Identifier: Apache-2.0 */
/* What PostgreSQL is sent of a failure whose error can't be written down, for want of memory: nothing, so that it is sent once more. An error of null
 * would be stored instead, and a job without one is taken for a job that is sent on. */
#include "store/postgres/dead/dead.h"
#include "store/postgres/statements.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

/* Their columns are their own: no call sends less than a whole group. */
#include "store/postgres/dead/stale.c" // NOLINT(bugprone-suspicious-include)
#include "store/postgres/run/fail.c"   // NOLINT(bugprone-suspicious-include)

#include <cmocka.h>

static void *no_memory(size_t size)
{
        (void)size;
        return NULL;
}

static const struct problem why = { .source = "task", .code = "x", .text = "no" };

static void check_error(struct pg_arguments *a, const struct column *error, bool lost)
{
        assert_int_equal(error->bytes.failed, lost);
        assert_int_equal(arguments_finish(a), lost ? -ENOMEM : 0);
        arguments_free(a);
}

static void a_stale_job_fails_with_its_error_or_not_at_all(void **state)
{
        static const struct {
                const struct problem *why;
                bool starved, lost;
        } rows[] = { { &why, false, false }, { &why, true, true }, { NULL, true, false } };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct stale_item item = { .root_id = "j", .why = rows[i].why };
                struct pg_arguments a = { 0 };
                struct stale_columns c;
                begin_items(&a, &c);
                json_set_alloc_funcs(rows[i].starved ? no_memory : malloc, free);
                stale_add_failure(&c, &item);
                json_set_alloc_funcs(malloc, free);
                check_error(&a, c.error, rows[i].lost);
        }
}

static void an_attempt_fails_with_its_error_or_not_at_all(void **state)
{
        static const struct raised raised = { .type = "E", .module = "m", .args = "[1]" };
        static const struct problem own = { .source = "task", .code = "x", .text = "no", .raised = &raised };
        static const struct scheduled again;
        static const struct {
                const struct problem *why;
                const struct scheduled *again;
                bool starved;
        } rows[] = {
                { &why, NULL, false },  { &why, NULL, true },  { &why, &again, false },
                { &why, &again, true }, { &own, NULL, false }, { &own, NULL, true },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct failure f = { .id = "t", .root_id = "j", .why = rows[i].why, .again = rows[i].again };
                struct pg_arguments a = { 0 };
                struct fail_columns c;
                begin_failures(&a, &c);
                c.excused = arguments_array(&a, COLUMN_INT4);
                json_set_alloc_funcs(rows[i].starved ? no_memory : malloc, free);
                fail_add_failure(&c, &f);
                json_set_alloc_funcs(malloc, free);
                check_error(&a, c.error, rows[i].starved);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_stale_job_fails_with_its_error_or_not_at_all),
                                            cmocka_unit_test(an_attempt_fails_with_its_error_or_not_at_all) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
