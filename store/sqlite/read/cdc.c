/* SPDX-License-Identifier: Apache-2.0 */
/* Change data capture: nobody reads a file's log, so there is nothing to look after. */
#include "store/sqlite/lite.h"

static int lite_run_cdc_look(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_call *call = (struct lite_call *)work;

        (void)db;
        buffer_reset(&call->text);
        buffer_add_string(&call->text, "null");
        return SQLITE_OK;
}

static const struct sqlite_verb cdc_look_verb = { .run = lite_run_cdc_look, .done = lite_read, .reads = true };

void lite_cdc_look(struct store *s, json_done *done, void *arg)
{
        struct lite_call *call = lite_call_new(lite_of(s), sizeof(*call), (void (*)(void))done, arg);

        if (!call) {
                lite_refuse_read(done, arg);
                return;
        }
        lite_call_start(call, &cdc_look_verb);
}
