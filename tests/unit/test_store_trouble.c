/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/trouble.h"

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
                { NULL, TROUBLE_LINK },    /* the link broke */
                { "22021", TROUBLE_DATA }, /* character_not_in_repertoire */
                { "22P05", TROUBLE_DATA }, /* untranslatable_character: \u0000 in jsonb */
                { "22P02", TROUBLE_DATA }, /* invalid_text_representation */
                { "22001", TROUBLE_DATA }, /* string_data_right_truncation */
                { "22003", TROUBLE_DATA }, /* numeric_value_out_of_range */
                { "23502", TROUBLE_DATA }, /* not_null_violation */
                { "23514", TROUBLE_DATA }, /* check_violation */
                { "54000", TROUBLE_DATA }, /* program_limit_exceeded */
                { "54001", TROUBLE_DATA }, /* statement_too_complex: stack depth */
                { "23505", TROUBLE_RACE }, /* unique_violation */
                { "40001", TROUBLE_RACE }, /* serialization_failure */
                { "40P01", TROUBLE_RACE }, /* deadlock_detected */
                { "08006", TROUBLE_LINK }, /* connection_failure */
                { "0A000", TROUBLE_LINK }, /* feature_not_supported */
                { "57P01", TROUBLE_LINK }, /* admin_shutdown */
                { "57P03", TROUBLE_LINK }, /* cannot_connect_now */
                { "25006", TROUBLE_LINK }, /* read_only_sql_transaction */
                { "26000", TROUBLE_LINK }, /* invalid_sql_statement_name */
                { "28000", TROUBLE_LINK }, /* invalid_authorization_specification */
                { "57014", TROUBLE_WAIT }, /* query_canceled: statement_timeout */
                { "55P03", TROUBLE_WAIT }, /* lock_not_available */
                { "55006", TROUBLE_WAIT }, /* object_in_use */
                { "53100", TROUBLE_WAIT }, /* disk_full */
                { "53200", TROUBLE_WAIT }, /* out_of_memory */
                { "53300", TROUBLE_WAIT }, /* too_many_connections */
                { "42P01", TROUBLE_WAIT }, /* undefined_table */
                { "42703", TROUBLE_WAIT }, /* undefined_column */
                { "42501", TROUBLE_WAIT }, /* insufficient_privilege */
                { "3F000", TROUBLE_WAIT }, /* invalid_schema_name */
                { "3D000", TROUBLE_WAIT }, /* invalid_catalog_name */
                { "58030", TROUBLE_WAIT }, /* io_error */
                { "21000", TROUBLE_WAIT }, /* cardinality_violation */
                { "54011", TROUBLE_WAIT }, /* too_many_columns */
                { "54023", TROUBLE_WAIT }, /* too_many_arguments */
                { "P0001", TROUBLE_WAIT }, /* raise_exception: somebody's trigger */
                { "XX000", TROUBLE_WAIT }, /* internal_error */
                { "XX001", TROUBLE_WAIT }, /* data_corrupted */
                { "ZZ999", TROUBLE_WAIT }, /* of nobody yet */
                { "", TROUBLE_WAIT },      /* nothing said */
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
