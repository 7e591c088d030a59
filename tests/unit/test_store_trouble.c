/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/trouble.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_each_state_means_what_the_manual_says(void **state)
{
        static const struct {
                const char *sqlstate;
                enum trouble trouble;
        } rows[] = {
                { "22021", TROUBLE_DATA },                             /* character_not_in_repertoire */
                { "22P05", TROUBLE_DATA },                             /* untranslatable_character: \u0000 in jsonb */
                { "22P02", TROUBLE_DATA },                             /* invalid_text_representation */
                { "23514", TROUBLE_DATA },                             /* check_violation */
                { "54000", TROUBLE_DATA },                             /* program_limit_exceeded */
                { "54001", TROUBLE_DATA },                             /* statement_too_complex: stack depth */
                { "23505", TROUBLE_RACE },                             /* unique_violation */
                { "40001", TROUBLE_RACE },                             /* serialization_failure */
                { "40P01", TROUBLE_RACE },                             /* deadlock_detected */
                { "55P03", TROUBLE_RACE },                             /* lock_not_available */
                { NULL, TROUBLE_AWAY },     { "08006", TROUBLE_AWAY }, /* connection_failure */
                { "57P01", TROUBLE_AWAY },                             /* admin_shutdown */
                { "57P03", TROUBLE_AWAY },                             /* cannot_connect_now */
                { "53100", TROUBLE_AWAY },                             /* disk_full */
                { "53300", TROUBLE_AWAY },                             /* too_many_connections */
                { "25006", TROUBLE_AWAY },                             /* read_only_sql_transaction */
                { "26000", TROUBLE_AWAY },                             /* invalid_sql_statement_name */
                { "42P01", TROUBLE_AWAY },                             /* undefined_table */
                { "42501", TROUBLE_AWAY },                             /* insufficient_privilege */
                { "58030", TROUBLE_AWAY },                             /* io_error */
                { "57014", TROUBLE_OTHER },                            /* query_canceled: statement_timeout */
                { "21000", TROUBLE_OTHER },                            /* cardinality_violation */
                { "XX000", TROUBLE_OTHER },                            /* internal_error */
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(trouble_of(rows[i].sqlstate), rows[i].trouble);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_state_means_what_the_manual_says),
        };

        return cmocka_run_group_tests_name("store_trouble", tests, NULL, NULL);
}
