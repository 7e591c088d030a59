/* SPDX-License-Identifier: Apache-2.0 */
/* A sketch: how tasks are written in another language. The door is the interface of plug-ins, include/chard/plugin.h: one file runs the language, and the
 * worker is not touched. Here the language is SQL: a task is a query over its document, run by SQLite in memory. As a plug-in this file ends with
 * CHARD_PLUGIN(&sql_title); and is loaded with --tasks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tasks/plugin/plugin.h"

#include <sqlite3.h>
#include <string.h>

/* ---- the plug-in: what is given to the language, and what comes back ---- */

/* Run `query`, whose only parameter is the document, and keep the one value that it gives as `section`. */
static int sql_run(const struct chard_input *in, struct chard_outcome *out, const char *query, const char *section)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        int verdict = CHARD_BROKEN;
        const char *document = chard_json(in, "");
        if (document && sqlite3_open(":memory:", &db) == SQLITE_OK &&
            sqlite3_prepare_v2(db, query, -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_bind_text(statement, 1, document, -1, SQLITE_STATIC) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_ROW) {
                const char *value = (const char *)sqlite3_column_text(statement, 0);
                verdict = value ? chard_section(out, section, value)
                                : chard_refuse(in, "bad_document", "the query gives nothing for this document");
        }
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return verdict;
}

/* ---- a task in that language ---- */

static const char title_query[] = "select json_object('title', upper(substr(json_extract(?1, '$.input.text'), 1, 5)))"
                                  " where json_extract(?1, '$.input.text') is not null"
                                  " union all select null limit 1";

static int title_run(const struct chard_input *in, struct chard_outcome *out)
{
        return sql_run(in, out, title_query, "title");
}

static const struct chard_task sql_title = {
        .name = "sql.title",
        .queue = "sql.title",
        .deadline_ms = 1000,
        .adds = { "title" },
        .run = title_run,
};

/* ---- as the worker sees it ---- */

static int title_of(const char *document, char out[64], struct problem *why)
{
        struct plugin_call call;
        struct plugin_task made;
        struct arena arena = { 0 };
        struct outcome outcome;
        memset(&call, 0, sizeof(call));
        assert_int_equal(plugin_task_fill(&made, &sql_title, &call), 0);
        json_t *parsed = json_loads(document, 0, NULL);
        const struct task task = { .def = &made.def };
        const struct task_input in = { .document = parsed, .arena = &arena, .task = &task };
        assert_int_equal(outcome_open(&outcome, &arena), 0);
        const int rc = made.def.run(&in, &outcome, why);
        const char *title = json_string_value(json_object_get(json_object_get(outcome.sections, "title"), "title"));
        snprintf(out, 64, "%s", title ? title : "");
        outcome_close(&outcome);
        arena_free(&arena);
        json_decref(parsed);
        plugin_task_clear(&made);
        return rc;
}

static void a_task_in_another_language_is_one_file(void **state)
{
        char title[64];
        struct problem why = { 0 };
        (void)state;
        assert_int_equal(title_of("{\"input\": {\"text\": \"hello world\"}}", title, &why), 0);
        assert_string_equal(title, "HELLO");
        assert_int_equal(title_of("{\"input\": {}}", title, &why), 1);
        assert_string_equal(why.code, "bad_document");
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_task_in_another_language_is_one_file) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
