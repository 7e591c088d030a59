/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/control/revoked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct revoked_id {
        struct revoked_id *newer;
        char text[];
};

int revoked_open(struct revoked *r)
{
        *r = (struct revoked){ 0 };
        return map_new(&r->ids);
}

static void drop_oldest(struct revoked *r)
{
        struct revoked_id *oldest = r->oldest;
        map_take(r->ids, oldest->text);
        r->oldest = oldest->newer;
        if (!r->oldest)
                r->newest = NULL;
        free(oldest);
}

void revoked_close(struct revoked *r)
{
        while (r->oldest)
                drop_oldest(r);
        map_free(r->ids);
        *r = (struct revoked){ 0 };
}

int revoked_add(struct revoked *r, const char *id)
{
        const size_t size = strlen(id) + 1;
        if (revoked_has(r, id))
                return 0;
        struct revoked_id *made = malloc(sizeof(*made) + size);
        if (!made)
                return -ENOMEM;
        made->newer = NULL;
        memcpy(made->text, id, size);
        if (map_put(r->ids, made->text, made) < 0) {
                free(made);
                return -ENOMEM;
        }
        if (r->newest)
                r->newest->newer = made;
        else
                r->oldest = made;
        r->newest = made;
        if (map_count(r->ids) > REVOKED_MOST)
                drop_oldest(r);
        return 0;
}

bool revoked_has(const struct revoked *r, const char *id)
{
        return r->oldest && map_get(r->ids, id);
}

json_t *revoked_list(const struct revoked *r)
{
        json_t *list = json_array();
        for (const struct revoked_id *id = r->oldest; id; id = id->newer)
                json_array_append_new(list, json_string(id->text));
        return list;
}
