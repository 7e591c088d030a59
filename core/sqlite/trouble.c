/* SPDX-License-Identifier: Apache-2.0 */
/* Tells errors that speak of the data from all others. */
#include "core/sqlite/engine.h"

#include <string.h>

/* Only what is listed here refuses a piece of work. Any other code, known or not, is about the file, the disk, the schema or who else is
 * at work, and that passes: work that waits in vain is seen, told and can be mended, while work that is refused has lost what
 * it was to store. A trigger that raises an error is somebody's wish to stop everything of a kind: it waits, too. */
static bool is_code_of_data(int code)
{
        switch (code & 0xff) {
        case SQLITE_CONSTRAINT: return code != SQLITE_CONSTRAINT_TRIGGER;
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE: return true;
        default: return false;
        }
}

/* SQLite's functions have one code for everything, SQLITE_ERROR, which a missing table has as well: the data's faults are known by their texts.
 * Source: json.c and func.c of SQLite 3.40 to 3.46; a text that is not known waits. */
static const char *const texts_of_data[] = {
        "malformed JSON", "JSON path error", "bad JSON path", "JSON cannot hold BLOB values", "integer overflow",
};

bool sqlite_is_data(sqlite3 *db, int code)
{
        if (code != SQLITE_ERROR || sqlite3_errcode(db) != SQLITE_ERROR)
                return is_code_of_data(code);
        const char *said = sqlite3_errmsg(db);
        for (size_t i = 0; i < sizeof(texts_of_data) / sizeof(*texts_of_data); i++)
                if (strncmp(said, texts_of_data[i], strlen(texts_of_data[i])) == 0)
                        return true;
        return false;
}

void sqlite_describe(const struct sqlite_engine *e, int code, char out[SQLITE_WHY_SIZE])
{
        const int error = sqlite3_system_errno(e->db);
        const bool said = (sqlite3_errcode(e->db) & 0xff) == (code & 0xff);
        switch (code & 0xff) {
        case SQLITE_FULL: snprintf(out, SQLITE_WHY_SIZE, "%.180s can't be written: the disk is full", e->path); break;
        case SQLITE_BUSY:
        case SQLITE_LOCKED: snprintf(out, SQLITE_WHY_SIZE, "%.180s is locked by another program", e->path); break;
        case SQLITE_IOERR:
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
                snprintf(out, SQLITE_WHY_SIZE, "%.120s can't be written: %.60s (%.50s)", e->path, sqlite3_errstr(code),
                         error ? strerror(error) : "no system error");
                break;
        default:
                snprintf(out, SQLITE_WHY_SIZE, "%.120s: %.120s", e->path,
                         said ? sqlite3_errmsg(e->db) : sqlite3_errstr(code));
                break;
        }
}
