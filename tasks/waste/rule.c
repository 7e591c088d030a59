/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/taxonomy.h"

#include "core/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a rule says of every item in one language. */
struct brief {
        json_t *rule; /* {"slug", "label", "steps"}, or NULL when the category has none */
        char *exceptions;
};

static bool same_item(const char *a, const char *b);

/* A list in one language, copied; an empty one when it is not there. */
static json_t *in_language(const json_t *both, enum lang lang)
{
        const json_t *list = json_object_get(both, lang_codes[lang]);
        return list ? json_deep_copy(list) : json_array();
}

static json_t *item_steps(const json_t *rule, const char *item, enum lang lang)
{
        const char *name;
        json_t *both;
        json_object_foreach(json_object_get(rule, "by_item"), name, both) {
                if (item && same_item(name, item))
                        return in_language(both, lang);
        }
        return json_array();
}

static json_t *not_accepted(const struct taxonomy *t, const json_t *rule, enum lang lang)
{
        json_t *out = json_array(), *entry;
        const char *code = lang_codes[lang];
        size_t i;
        json_array_foreach(json_object_get(rule, "not_accepted"), i, entry) {
                const char *slug = json_text(entry, "goes_to", "");
                const struct category *c = category_find(t, slug);
                json_t *one =
                        json_pack("{s:s, s:s, s:s*, s:s}", "item", json_text(json_object_get(entry, "item"), code, ""),
                                  "goes_to", slug, "label", c ? c->label[lang] : NULL, "why",
                                  json_text(json_object_get(entry, "why"), code, ""));
                if (json_array_append_new(out, one) != 0)
                        break;
        }
        return out;
}

static bool has_text(const json_t *list, const char *text)
{
        size_t i;
        json_t *entry;
        json_array_foreach((json_t *)list, i, entry) {
                if (json_is_string(entry) && strcmp(json_string_value(entry), text) == 0)
                        return true;
        }
        return false;
}

/* Several tags may call for one step: it is named once. */
static json_t *rule_insufficiencies(const json_t *rule, const json_t *situation, enum lang lang)
{
        json_t *out = json_array(), *entry;
        size_t i;
        json_array_foreach(json_array_size(situation) ? json_object_get(rule, "insufficiency") : NULL, i, entry) {
                if (!has_text(situation, json_text(entry, "tag", "")))
                        continue;
                const char *step = json_text(json_object_get(entry, "step"), lang_codes[lang], "");
                if (!has_text(out, step))
                        json_array_append_new(out, json_string(step));
        }
        return out;
}

static int make_brief(const struct taxonomy *t, const struct category *c, enum lang lang, struct brief *out)
{
        if (!c->rule)
                return 0;
        JSON_OWNED json_t *exceptions = json_pack("{s:o}", "not_accepted", not_accepted(t, c->rule, lang));
        out->exceptions = json_dumps(exceptions, JSON_COMPACT);
        out->rule = json_pack("{s:s, s:s, s:o}", "slug", c->slug, "label", c->label[lang], "steps",
                              in_language(json_object_get(c->rule, "steps"), lang));
        return out->rule && out->exceptions ? 0 : -ENOMEM;
}

int rule_briefs_new(struct taxonomy *t)
{
        t->briefs = calloc(t->category_count * LANG_COUNT, sizeof(*t->briefs));
        if (!t->briefs)
                return -ENOMEM;
        for (size_t i = 0; i < t->category_count; i++)
                for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++)
                        if (make_brief(t, &t->categories[i], lang, &t->briefs[i * LANG_COUNT + lang]) < 0)
                                return -ENOMEM;
        return 0;
}

void rule_briefs_free(struct taxonomy *t)
{
        for (size_t i = 0; t->briefs && i < t->category_count * LANG_COUNT; i++) {
                json_decref(t->briefs[i].rule);
                free(t->briefs[i].exceptions);
        }
        free(t->briefs);
        t->briefs = NULL;
}

static const struct brief *brief_of(const struct taxonomy *t, const struct category *category, enum lang lang)
{
        return &t->briefs[(size_t)(category - t->categories) * LANG_COUNT + lang];
}

json_t *rule_for(const struct taxonomy *t, const struct category *category, const char *item, const json_t *situation,
                 enum lang lang)
{
        json_t *out = json_copy(brief_of(t, category, lang)->rule);
        if (!out)
                return NULL;
        json_object_set_new(out, "item_steps", item_steps(category->rule, item, lang));
        json_object_set_new(out, "insufficiencies", rule_insufficiencies(category->rule, situation, lang));
        return out;
}

const char *rule_exceptions(const struct taxonomy *t, const struct category *category, enum lang lang)
{
        return brief_of(t, category, lang)->exceptions;
}

/* Item names are compared without spaces and without ASCII case: the list has "PET용기", a model may say "Pet 용기". */
static bool same_item(const char *a, const char *b)
{
        for (;; a++, b++) {
                while (*a == ' ')
                        a++;
                while (*b == ' ')
                        b++;
                if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
                        return false;
                if (!*a)
                        return true;
        }
}
