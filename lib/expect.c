/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void expected_free(void *value, void *arg)
{
        struct expected *e = (struct expected *)value;
        (void)arg;
        json_decref(e->meta);
        json_decref(e->members);
        free(e->id);
        free(e);
}

const char *expect_id(const json_t *tree)
{
        return json_string_value(json_array_get(json_array_get(tree, 0), 0));
}

int expect_add(struct chard *c, const char *id, const json_t *members)
{
        if (map_get(c->expected, id))
                return 0;
        struct expected *e = calloc(1, sizeof(*e));
        if (e) {
                e->id = strdup(id);
                e->members = json_deep_copy(members);
        }
        if (!e || !e->id || (members && !e->members) || map_put(c->expected, e->id, e) != 0) {
                if (e)
                        expected_free(e, NULL);
                return -ENOMEM;
        }
        return 0;
}

int expect_members(struct chard *c, const json_t *members)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < json_array_size(members); i++) {
                const json_t *tree = json_array_get(members, i), *inner = json_array_get(tree, 1);
                rc = json_is_array(inner) ? expect_members(c, inner) : expect_add(c, expect_id(tree), NULL);
        }
        return rc;
}

void expect_note(struct chard *c, const char *id, json_t *meta)
{
        struct expected *e = map_get(c->expected, id);
        if (!e || e->meta)
                return;
        e->meta = json_incref(meta);
        pthread_cond_broadcast(&c->changed);
}

static void drop_members(struct chard *c, const json_t *members)
{
        for (size_t i = 0; i < json_array_size(members); i++) {
                const json_t *tree = json_array_get(members, i);
                expect_drop(c, expect_id(tree));
                drop_members(c, json_array_get(tree, 1));
        }
}

void expect_drop(struct chard *c, const char *id)
{
        struct expected *e = map_take(c->expected, id);
        if (e)
                drop_members(c, e->members);
        if (e)
                expected_free(e, NULL);
}

void expect_free(struct chard *c)
{
        if (!c->expected)
                return;
        map_each(c->expected, expected_free, NULL);
        map_free(c->expected);
}
