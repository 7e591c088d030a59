/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/trouble.h"

#include <stddef.h>
#include <string.h>

/* The first row whose text begins the SQLSTATE counts. Only what is listed as DATA refuses a task: these states speak of the
 * values in a row. Any other state, known or not, is about the server, its schema, its load or who else is at work, and that
 * passes. A state that is not listed therefore waits: a task that waits in vain is seen, told and can be mended, while
 * one that is refused has lost its paid answer. */
static const struct {
        const char *prefix;
        enum trouble trouble;
} table[] = {
        { "22", TROUBLE_DATA },    /* data_exception: NUL, untranslatable characters, numbers out of range */
        { "23505", TROUBLE_RACE }, /* unique_violation: the same event version from two workers */
        { "23", TROUBLE_DATA },    /* integrity_constraint_violation */
        { "54000", TROUBLE_DATA }, /* program_limit_exceeded: too long for an index, too large for jsonb */
        { "54001", TROUBLE_DATA }, /* statement_too_complex: nested too deeply; our statements are constant */
        { "40", TROUBLE_RACE },    /* transaction_rollback: serialization_failure, deadlock_detected */
        { "08", TROUBLE_LINK },    /* connection_exception */
        { "0A", TROUBLE_LINK },    /* feature_not_supported: "cached plan must not change result type" */
        { "25", TROUBLE_LINK },    /* invalid_transaction_state: read_only_sql_transaction on a former primary */
        { "26", TROUBLE_LINK },    /* invalid_sql_statement_name: a pooler gave us another session */
        { "28", TROUBLE_LINK },    /* invalid_authorization_specification */
        { "CH", TROUBLE_DATA },    /* our own functions: what was asked does not hold (any more) */
        { "57P", TROUBLE_LINK },   /* admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped */
};

enum trouble trouble_of(const char *sqlstate)
{
        if (!sqlstate)
                return TROUBLE_LINK;
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
                        return table[i].trouble;
        }
        return TROUBLE_WAIT;
}
