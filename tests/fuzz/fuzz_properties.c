/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded properties: what can be read can be written again and reads the same; its headers can be shown, and shown headers be sent. */
#include "message/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static bool same(struct bytes a, struct bytes b)
{
        return a.size == b.size && !a.data == !b.data && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void check_rewritten(const struct properties *p)
{
        struct buffer again = { 0 };
        struct properties q;
        properties_write(p, &again);
        must(properties_read(buffer_view(&again), &q, NULL) == 0);
        must(same(p->content_type, q.content_type) && same(p->headers, q.headers) && same(p->app_id, q.app_id));
        must(p->priority == q.priority && p->delivery_mode == q.delivery_mode);
        buffer_free(&again);
}

static bool check_walk(struct bytes table)
{
        struct buffer copy = { 0 };
        struct header h, found;
        struct bytes text;
        int64_t number;
        size_t at = 0;
        while (header_next(table, &at, &h)) {
                must(!header_text(&h, &text) || !header_number(&h, &number));
                header_add_raw(&copy, &h);
        }
        must(at == copy.size && (at == 0 || memcmp(copy.data, table.data, at) == 0));
        header_find(table, "id", &found);
        buffer_free(&copy);
        return at == table.size;
}

static void check_shown(struct bytes table)
{
        struct buffer sent = { 0 };
        json_t *headers = headers_to_json(table);
        must(headers != NULL);
        header_add_json(&sent, "all", headers);
        must(check_walk(buffer_view(&sent)));
        json_decref(headers);
        buffer_free(&sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct properties p;
        struct problem why;
        check_walk(bytes_of(data, size));
        check_shown(bytes_of(data, size));
        if (properties_read(bytes_of(data, size), &p, &why) != 0)
                return 0;
        check_rewritten(&p);
        check_walk(p.headers);
        check_shown(p.headers);
        return 0;
}
