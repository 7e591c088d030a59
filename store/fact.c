/* SPDX-License-Identifier: Apache-2.0 */
#include "store/fact.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int fact_found(json_t *all, const struct fact_set *set, struct bytes text)
{
        json_t *owners = json_object_get(all, set->kind);
        if (!owners) {
                owners = json_object();
                if (json_object_set_new(all, set->kind, owners) != 0)
                        return -ENOMEM;
        }
        json_t *found =
                text.size > 0 ? json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL, NULL) : json_object();
        return json_object_set_new(owners, set->owner, found) == 0 ? 0 : -ENOMEM;
}

size_t fact_sets_size(const struct fact_set *sets, size_t count)
{
        size_t size = count * sizeof(*sets);
        for (size_t i = 0; i < count; i++)
                size += strlen(sets[i].kind) + strlen(sets[i].owner) + 2;
        return size;
}

static const char *fact_copy_text(char **at, const char *text)
{
        const size_t size = strlen(text) + 1;
        const char *copy = memcpy(*at, text, size);
        *at += size;
        return copy;
}

void fact_sets_copy(struct fact_set *to, const struct fact_set *sets, size_t count)
{
        char *at = (char *)&to[count];
        for (size_t i = 0; i < count; i++) {
                to[i].kind = fact_copy_text(&at, sets[i].kind);
                to[i].owner = fact_copy_text(&at, sets[i].owner);
        }
}

/* ---- views ---- */

static bool fact_is_word(const char *text)
{
        return *text && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-")] == '\0';
}

static bool fact_view_folds(const struct fact_view *view)
{
        for (const struct fact_column *c = view->columns; c->name; c++)
                if (c->part == FACT_KEYS)
                        return true;
        return false;
}

static const char *fact_expression(enum fact_part part, bool folds, const char *keys)
{
        static const char *const plain[] = { [FACT_OWNER] = "owner",
                                             [FACT_KEY] = "key",
                                             [FACT_VALUE] = "value",
                                             [FACT_TASK] = "task_id",
                                             [FACT_AT] = "at" };
        if (part == FACT_KEYS)
                return keys;
        assert(!folds || part == FACT_OWNER || part == FACT_AT);
        return folds && part == FACT_AT ? "max(at)" : plain[part];
}

void fact_view_query(const struct fact_view *view, const char *table, const char *keys, struct buffer *out)
{
        const bool folds = fact_view_folds(view);
        assert(fact_is_word(view->name) && fact_is_word(view->kind));
        buffer_add_string(out, "select ");
        for (const struct fact_column *c = view->columns; c->name; c++)
                buffer_addf(out, "%s%s as %s", c == view->columns ? "" : ", ", fact_expression(c->part, folds, keys),
                            c->name);
        buffer_addf(out, " from %s where kind = '%s' and value <> 'false'%s", table, view->kind,
                    folds ? " group by owner" : "");
}
