/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/consumers/shown.h"

#include "core/json.h"

#include <string.h>

json_t *shown_of(const struct consumer_input *in, const char *const keys[])
{
        json_t *shown = json_pack("{s:s}", "job_id", in->event->aggregate_id), *event;
        size_t i;
        json_array_foreach((json_t *)(uintptr_t)in->history, i, event) {
                const json_t *payload = json_object_get(event, "payload");
                json_t *at = json_object_get(event, "created_at");
                for (const char *const *key = keys; *key; key++)
                        if (json_object_get(payload, *key))
                                json_object_set(shown, *key, json_object_get(payload, *key));
                if (i == 0)
                        json_object_set(shown, "created_at", at);
                json_object_set(shown, "updated_at", at);
        }
        return shown;
}

const char *shown_text(const struct consumer_input *in, const char *key)
{
        const char *text = NULL;
        size_t i;
        json_t *event;
        json_array_foreach((json_t *)(uintptr_t)in->history, i, event)
                text = json_text(json_object_get(event, "payload"), key, text);
        return text;
}

bool shown_has(const struct consumer_input *in, const char *type)
{
        size_t i;
        json_t *event;
        json_array_foreach((json_t *)(uintptr_t)in->history, i, event)
                if (strcmp(json_text(event, "type", ""), type) == 0)
                        return true;
        return false;
}
