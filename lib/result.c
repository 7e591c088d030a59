/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "lib/lib.h"

#include <string.h>

bool result_is_final(const json_t *meta)
{
        static const char *const final[] = { "SUCCESS", "FAILURE", "REVOKED" };
        const char *status = json_text(meta, "status", "");
        for (size_t i = 0; i < sizeof(final) / sizeof(*final); i++)
                if (strcmp(status, final[i]) == 0)
                        return true;
        return false;
}

/* Celery writes an exception's message as its arguments: a text, or an array of them. */
static const char *message_of(const json_t *exception)
{
        const json_t *said = json_object_get(exception, "exc_message");
        if (json_is_array(said))
                said = json_array_get(said, 0);
        const char *text = json_string_value(said);
        return text ? text : "";
}

int result_verdict(const json_t *meta, json_t **value, struct chard_error *why)
{
        const char *status = json_text(meta, "status", "");
        json_t *result = json_object_get(meta, "result");
        if (value)
                *value = result ? json_incref(result) : json_null();
        if (strcmp(status, "SUCCESS") == 0)
                return CHARD_OK;
        return lib_fail(why, CHARD_TASK_FAILED, json_text(result, "exc_type", status), "%s", message_of(result));
}
