/* SPDX-License-Identifier: Apache-2.0 */
/* Looking things up. */
#include "tasks/waste/taxonomy.h"

#include <string.h>

const char *const lang_codes[LANG_COUNT] = { [LANG_KO] = "ko", [LANG_EN] = "en" };

static const struct category *taxonomy_find(const struct taxonomy *t, const char *slug, bool middles, bool majors);

const struct taxonomy *taxonomy_of(const struct task_input *in)
{
        return in->task->data;
}

enum lang lang_of(const char *code)
{
        return code && strcmp(code, lang_codes[LANG_EN]) == 0 ? LANG_EN : LANG_KO;
}

const struct category *category_find(const struct taxonomy *t, const char *slug)
{
        return taxonomy_find(t, slug, true, true);
}

const struct category *middle_find(const struct taxonomy *t, const char *slug)
{
        return taxonomy_find(t, slug, true, false);
}

const struct category *major_find(const struct taxonomy *t, const char *slug)
{
        return taxonomy_find(t, slug, false, true);
}

bool is_situation_tag(const struct taxonomy *t, const char *tag)
{
        size_t i;
        json_t *known;
        json_array_foreach((json_t *)t->tags, i, known) {
                if (strcmp(json_string_value(known), tag) == 0)
                        return true;
        }
        return false;
}

static const struct category *taxonomy_find(const struct taxonomy *t, const char *slug, bool middles, bool majors)
{
        for (size_t i = 0; slug && i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                if (strcmp(c->slug, slug) == 0 && ((middles && c->is_middle) || (majors && c->major == c)))
                        return c;
        }
        return NULL;
}
