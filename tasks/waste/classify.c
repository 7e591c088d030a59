/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/classify.h"

#include "core/json.h"
#include "core/text/utf8.h"
#include "tasks/waste/taxonomy.h"

#include <errno.h>
#include <string.h>

enum { ITEM_MOST = 100 };

/* The tags that are known, each once, in the model's order. */
static json_t *known_tags(const struct taxonomy *t, const json_t *said)
{
        json_t *out = json_array(), *seen = json_object(), *tag;
        size_t i;
        json_array_foreach((json_t *)said, i, tag) {
                const char *text = json_string_value(tag);
                if (!text || !is_situation_tag(t, text) || json_object_get(seen, text))
                        continue;
                json_object_set_new(seen, text, json_true());
                json_array_append(out, tag);
        }
        json_decref(seen);
        return out;
}

/* An item's name up to its first ITEM_MOST characters; null for a blank one. */
static json_t *item_name(const json_t *said)
{
        const char *text = json_string_value(said);
        if (!text || text[strspn(text, " \t\r\n")] == '\0')
                return json_null();
        return json_stringn(text, utf8_prefix(text, ITEM_MOST));
}

int classify_section(const struct taxonomy *t, const json_t *answer, const char *lang, json_t **out,
                     struct problem *why)
{
        const char *middle = json_text(answer, "middle", ""), *major = json_text(answer, "major", "");
        const struct category *c = middle_find(t, middle);
        if (!c)
                return problem_set(why, "task", "bad_answer",
                                   "the answer's middle category \"%.60s\" is none of the taxonomy", middle);
        const char *said = strcmp(c->major->slug, major) == 0 ? NULL : major;
        *out = json_pack("{s:s, s:s, s:s, s:o, s:o, s:s*}", "major", c->major->slug, "middle", c->slug, "label",
                         c->label[lang_of(lang)], "item", item_name(json_object_get(answer, "item")), "situation",
                         known_tags(t, json_object_get(answer, "situation")), "major_said", said);
        return *out ? 0 : -ENOMEM;
}
