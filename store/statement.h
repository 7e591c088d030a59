/* SPDX-License-Identifier: Apache-2.0 */
/* A named SQL statement. They stand in the .sql files of each backend's `sql/` and become part of the program (scripts/statements). Constant. */
#ifndef CHARD_STORE_STATEMENT_H
#define CHARD_STORE_STATEMENT_H

struct answer_part;

struct statement {
        const char *name; /* "chard_claim": as PostgreSQL prepares it */
        const char *sql;
        const struct answer_part *gives; /* what becomes of its rows (shape.h); NULL: whoever sends it reads them */
};

#endif
