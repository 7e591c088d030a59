/* SPDX-License-Identifier: Apache-2.0 */
/* A message that another span stands behind than the one it came from. */
#include "message/wire/wire.h"

#include <errno.h>

int task_message_retrace(struct arena *a, struct task_message *t, const char *traceparent, const char *followers)
{
        struct properties p;
        struct buffer table = { 0 }, written = { 0 };
        struct header h;
        properties_read(t->properties, &p, NULL); /* the decoder has read them before */
        for (size_t at = 0; header_next(p.headers, &at, &h);)
                if (!bytes_equal(h.name, bytes_of_string("traceparent")))
                        header_add_raw(&table, &h);
        header_add_text(&table, "traceparent", bytes_of_string(followers));
        p.headers = buffer_view(&table);
        properties_write(&p, &written);
        int code = table.failed || written.failed ? -ENOMEM : written.size > MESSAGE_MAX_PROPERTIES;
        const char *copy = code == 0 ? arena_copy(a, written.data, written.size) : NULL;
        if (code == 0 && !copy)
                code = -ENOMEM;
        if (code == 0) {
                t->properties = bytes_of(copy, written.size);
                t->traceparent = traceparent;
        }
        buffer_free(&table);
        buffer_free(&written);
        return code;
}
