/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/trouble.h"

#include <stddef.h>
#include <string.h>

/* The first row whose text begins the SQLSTATE counts. */
static const struct {
        const char *prefix;
        enum trouble trouble;
} table[] = {
        { "23505", TROUBLE_RACE }, /* unique_violation: the same event version from two workers */
        { "40", TROUBLE_RACE },    /* transaction_rollback: serialization_failure, deadlock_detected */
        { "55P03", TROUBLE_RACE }, /* lock_not_available */
        { "22", TROUBLE_DATA },    /* data_exception: NUL, bad encoding, numbers out of range */
        { "23", TROUBLE_DATA },    /* integrity_constraint_violation */
        { "54", TROUBLE_DATA },    /* program_limit_exceeded: too long for an index, nested too deeply */
        { "08", TROUBLE_AWAY },    /* connection_exception */
        { "25", TROUBLE_AWAY },    /* invalid_transaction_state: read_only_sql_transaction on a former primary */
        { "26", TROUBLE_AWAY },    /* invalid_sql_statement_name: a pooler gave us another session */
        { "28", TROUBLE_AWAY },    /* invalid_authorization_specification */
        { "3D", TROUBLE_AWAY },    /* invalid_catalog_name */
        { "3F", TROUBLE_AWAY },    /* invalid_schema_name */
        { "42", TROUBLE_AWAY },    /* access rule or undefined object: a schema that is being changed */
        { "0A", TROUBLE_AWAY },    /* feature_not_supported: "cached plan must not change result type" */
        { "53", TROUBLE_AWAY },    /* insufficient_resources: disk full, out of memory, too many connections */
        { "57P", TROUBLE_AWAY },   /* admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped */
        { "58", TROUBLE_AWAY },    /* system_error: I/O */
};

enum trouble trouble_of(const char *sqlstate)
{
        if (!sqlstate)
                return TROUBLE_AWAY;
        for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
                if (strncmp(sqlstate, table[i].prefix, strlen(table[i].prefix)) == 0)
                        return table[i].trouble;
        }
        return TROUBLE_OTHER;
}
