/* SPDX-License-Identifier: Apache-2.0 */
/* One run of a prepared statement: values are given in the order of its parameters, then its rows are read. An error
 * stays until query_end says it, so that a caller asks once. On the file's thread, inside a verb's run. */
#ifndef CHARD_STORE_SQLITE_QUERY_H
#define CHARD_STORE_SQLITE_QUERY_H

#include "core/bytes.h"
#include "store/shape.h"
#include "store/sqlite/statements.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct query {
        sqlite3 *db;
        const struct answer_part *gives; /* as its statement says; or NULL */
        sqlite3_stmt *statement;
        int bound; /* parameters given so far */
        int rc;
};

/* Begin with a statement, of which there is one run at a time. */
struct query query_of(sqlite3 *db, const struct statement *sql);

/* The next parameter; all borrowed until query_end. */
void query_text(struct query *q, const char *text);        /* NULL is null */
void query_text_bytes(struct query *q, struct bytes text); /* as text, without a NUL byte in it */
void query_blob(struct query *q, struct bytes value);
void query_number(struct query *q, int64_t number);

/* The next row. False at the end and after an error. */
bool query_row(struct query *q);

/* What is in the row: borrowed until the next one. A null text is NULL, as bytes data is NULL; a null number is 0. */
const char *query_read_text(struct query *q, int column);
struct bytes query_read_bytes(struct query *q, int column);
int64_t query_read_number(struct query *q, int column);
struct cell query_read_cell(void *query, int column); /* for a shape */

/* End the run, whatever of it was read. Returns SQLITE_OK, or the first error. */
int query_end(struct query *q);

/* Run to the end a statement whose rows nobody wants, and end it. */
int query_run(struct query *q);

#endif
