/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements, kept by the address of their constant text. */
#include "core/sqlite/engine.h"

#include <stdint.h>
#include <stdlib.h>

struct sqlite_kept {
        const char *sql;
        sqlite3_stmt *statement;
};

/* A verb's run has only the connection in its hand; the file's thread has only one engine. */
static _Thread_local struct sqlite_statements *own;

static size_t slot_of(const struct sqlite_statements *s, const char *sql)
{
        size_t at = (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (s->capacity - 1);
        while (s->slots[at].sql && s->slots[at].sql != sql)
                at = (at + 1) & (s->capacity - 1);
        return at;
}

/* Room for one more, at most half full. */
static bool sqlite_statement_grow(struct sqlite_statements *s)
{
        if (s->count * 2 < s->capacity)
                return true;
        struct sqlite_statements larger = { .capacity = s->capacity ? 2 * s->capacity : 64 };
        larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
        if (!larger.slots)
                return false;
        for (size_t i = 0; i < s->capacity; i++)
                if (s->slots[i].sql)
                        larger.slots[slot_of(&larger, s->slots[i].sql)] = s->slots[i];
        free(s->slots);
        s->slots = larger.slots;
        s->capacity = larger.capacity;
        return true;
}

/* One that is used again within the same run, or beyond the list's room, is reset here already. */
static void note_use(struct sqlite_statements *s, sqlite3_stmt *statement)
{
        const size_t capacity = sizeof(s->used) / sizeof(*s->used);
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        for (size_t i = 0; i < s->used_count && i < capacity; i++)
                if (s->used[i] == statement)
                        return;
        if (s->used_count < capacity)
                s->used[s->used_count] = statement;
        s->used_count++;
}

sqlite3_stmt *sqlite_statement(sqlite3 *db, const char *constant_sql)
{
        struct sqlite_statements *s = own;
        sqlite3_stmt *made = NULL;
        if (!s || !sqlite_statement_grow(s)) {
                /* Leaves an error code behind for the caller, as a statement that can't be prepared does. */
                sqlite3_prepare_v2(db, "no room for another statement", -1, &made, NULL);
                return made;
        }
        struct sqlite_kept *kept = &s->slots[slot_of(s, constant_sql)];
        if (!kept->sql) {
                if (sqlite3_prepare_v3(db, constant_sql, -1, SQLITE_PREPARE_PERSISTENT, &made, NULL) != SQLITE_OK)
                        return NULL;
                *kept = (struct sqlite_kept){ constant_sql, made };
                s->count++;
        }
        note_use(s, kept->statement);
        return kept->statement;
}

int sqlite_exec(sqlite3 *db, const char *constant_sql)
{
        sqlite3_stmt *statement = sqlite_statement(db, constant_sql);
        if (!statement)
                return sqlite3_errcode(db);
        int code;
        while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        }
        sqlite3_reset(statement);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

void sqlite_statements_use(struct sqlite_engine *e)
{
        own = &e->statements;
}

void sqlite_statements_reset(struct sqlite_engine *e)
{
        struct sqlite_statements *s = &e->statements;
        const size_t capacity = sizeof(s->used) / sizeof(*s->used);
        for (size_t i = 0; i < s->used_count && i < capacity; i++) {
                sqlite3_reset(s->used[i]);
                sqlite3_clear_bindings(s->used[i]);
        }
        if (s->used_count > capacity)
                for (size_t i = 0; i < s->capacity; i++)
                        if (s->slots[i].sql) {
                                sqlite3_reset(s->slots[i].statement);
                                sqlite3_clear_bindings(s->slots[i].statement);
                        }
        s->used_count = 0;
}

void sqlite_statements_free(struct sqlite_engine *e)
{
        for (size_t i = 0; i < e->statements.capacity; i++)
                sqlite3_finalize(e->statements.slots[i].statement);
        free(e->statements.slots);
        e->statements = (struct sqlite_statements){ 0 };
}
