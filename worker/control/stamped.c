/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/control/stamped.h"

#include "core/json.h"

#include <errno.h>

/* A value alone, or a list of them: as Celery's maybe_list. */
static size_t stamped_size(const json_t *value)
{
        return json_is_array(value) ? json_array_size(value) : value ? 1 : 0;
}

static json_t *stamped_at(const json_t *value, size_t i)
{
        return json_is_array(value) ? json_array_get(value, i) : (json_t *)value;
}

static bool stamped_holds(const json_t *values, const json_t *one)
{
        for (size_t i = 0; i < stamped_size(values); i++)
                if (json_equal(stamped_at(values, i), one))
                        return true;
        return false;
}

int stamped_add(struct stamped *s, const json_t *headers)
{
        const char *header;
        json_t *given;
        if (!s->values)
                s->values = json_object();
        json_object_foreach((json_t *)headers, header, given) {
                json_t *known = json_object_get(s->values, header);
                if (!known && json_object_set_new(s->values, header, json_array()) != 0)
                        return -ENOMEM;
                known = json_object_get(s->values, header);
                for (size_t i = 0; i < stamped_size(given); i++) {
                        if (stamped_holds(known, stamped_at(given, i)))
                                continue;
                        if (json_array_append(known, stamped_at(given, i)) != 0)
                                return -ENOMEM;
                        if (s->count < STAMPED_MOST)
                                s->count++;
                        else
                                json_array_remove(known, 0);
                }
        }
        return 0;
}

bool stamped_match(const json_t *headers, const struct task_message *t, json_t *out)
{
        const char *header;
        json_t *wanted;
        struct properties p = { .priority = -1 };
        if (json_object_size(headers) == 0 || properties_read(t->properties, &p, NULL) != 0)
                return false;
        JSON_OWNED json_t *all = headers_to_json(p.headers);
        const json_t *stamps = json_object_get(all, "stamps");
        bool found = false;
        json_object_foreach((json_t *)headers, header, wanted) {
                const json_t *borne = json_object_get(stamps, header);
                for (size_t i = 0; i < stamped_size(borne); i++) {
                        json_t *one = stamped_at(borne, i);
                        if (!stamped_holds(wanted, one))
                                continue;
                        found = true;
                        if (out && !json_object_get(out, header))
                                json_object_set_new(out, header, json_array());
                        if (out && !stamped_holds(json_object_get(out, header), one))
                                json_array_append(json_object_get(out, header), one);
                }
        }
        return found;
}

bool stamped_has(const struct stamped *s, const struct task_message *t)
{
        return s->values && stamped_match(s->values, t, NULL);
}

void stamped_close(struct stamped *s)
{
        json_decref(s->values);
        *s = (struct stamped){ 0 };
}
