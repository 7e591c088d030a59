/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of sql/ *.sql. */
#ifndef CHARD_STORE_SQLITE_STATEMENTS_H
#define CHARD_STORE_SQLITE_STATEMENTS_H

#include "store/statement.h"

/* effects.sql */
extern const struct statement lite_sql_fact_writer, lite_sql_fact_once, lite_sql_fact_merge;
/* inbox.sql */
extern const struct statement lite_sql_inbox_look, lite_sql_inbox, lite_sql_inbox_forget;

#endif
