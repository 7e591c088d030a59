/* SPDX-License-Identifier: Apache-2.0 */
/* The span that stands behind a message, and another in its place. */
#include "message/wire/wire.h"

#include <errno.h>
#include <string.h>

void message_traceparent(struct bytes properties, char out[TRACE_PARENT_SIZE + 1])
{
        struct properties p;
        struct header h;
        struct bytes text;
        out[0] = '\0';
        if (properties_read(properties, &p, NULL) != 0 || !header_find(p.headers, "traceparent", &h) ||
            !header_text(&h, &text) || text.size != TRACE_PARENT_SIZE)
                return;
        memcpy(out, text.data, text.size);
        out[text.size] = '\0';
        if (!trace_is_parent(out))
                out[0] = '\0';
}

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
