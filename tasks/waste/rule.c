/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/taxonomy.h"

#include "core/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The steps for an item of that name; the step that a situation tag calls for. References. */
struct item_brief {
        char *name;
        json_t *steps;
};

struct remedy {
        json_t *tag, *step;
};

/* What a rule says in one language: lists, which take a third of the memory of the tree that is read. */
struct brief {
        json_t *rule; /* {"slug", "label", "steps"}, or NULL when the category has none */
        char *exceptions;
        struct item_brief *items;
        struct remedy *remedies;
        size_t item_count, remedy_count;
};

static bool same_item(const char *a, const char *b);

/* A list in one language; an empty one when it is not there. */
static json_t *in_language(const json_t *both, enum lang lang)
{
        json_t *list = json_object_get(both, lang_codes[lang]);
        return list ? json_incref(list) : json_array();
}

static json_t *item_steps(const struct brief *b, const char *item)
{
        for (size_t i = 0; item && i < b->item_count; i++)
                if (same_item(b->items[i].name, item))
                        return json_incref(b->items[i].steps);
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
static json_t *rule_insufficiencies(const struct brief *b, const json_t *situation)
{
        json_t *out = json_array();
        for (size_t i = 0; i < b->remedy_count; i++)
                if (has_text(situation, json_string_value(b->remedies[i].tag)) &&
                    !has_text(out, json_string_value(b->remedies[i].step)))
                        json_array_append(out, b->remedies[i].step);
        return out;
}

static int brief_add_items(struct brief *b, const json_t *by_item, enum lang lang)
{
        const char *name;
        json_t *both;
        b->items = calloc(json_object_size(by_item) + 1, sizeof(*b->items));
        if (!b->items)
                return -ENOMEM;
        json_object_foreach((json_t *)by_item, name, both) {
                struct item_brief *item = &b->items[b->item_count++];
                item->name = strdup(name);
                item->steps = in_language(both, lang);
                if (!item->name || !item->steps)
                        return -ENOMEM;
        }
        return 0;
}

static int brief_add_remedies(struct brief *b, const json_t *insufficiency, enum lang lang)
{
        size_t i;
        json_t *entry;
        b->remedies = calloc(json_array_size(insufficiency) + 1, sizeof(*b->remedies));
        if (!b->remedies)
                return -ENOMEM;
        json_array_foreach((json_t *)insufficiency, i, entry) {
                json_t *tag = json_object_get(entry, "tag");
                json_t *step = json_object_get(json_object_get(entry, "step"), lang_codes[lang]);
                if (json_is_string(tag) && json_is_string(step))
                        b->remedies[b->remedy_count++] = (struct remedy){ json_incref(tag), json_incref(step) };
        }
        return 0;
}

static int make_brief(const struct taxonomy *t, const struct category *c, enum lang lang, struct brief *out)
{
        if (!c->rule)
                return 0;
        JSON_OWNED json_t *exceptions = json_pack("{s:o}", "not_accepted", not_accepted(t, c->rule, lang));
        out->exceptions = json_dumps(exceptions, JSON_COMPACT);
        out->rule = json_pack("{s:s, s:s, s:o}", "slug", c->slug, "label", c->label[lang], "steps",
                              in_language(json_object_get(c->rule, "steps"), lang));
        if (!out->rule || !out->exceptions)
                return -ENOMEM;
        const int rc = brief_add_items(out, json_object_get(c->rule, "by_item"), lang);
        return rc ? rc : brief_add_remedies(out, json_object_get(c->rule, "insufficiency"), lang);
}

/* All that is in briefs now. */
static void rule_forget_said(json_t *rule)
{
        json_object_del(rule, "steps");
        json_object_del(rule, "by_item");
        json_object_del(rule, "insufficiency");
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
        for (size_t i = 0; i < t->category_count; i++)
                rule_forget_said(t->categories[i].rule);
        return 0;
}

static void brief_free(struct brief *b)
{
        for (size_t i = 0; i < b->item_count; i++) {
                free(b->items[i].name);
                json_decref(b->items[i].steps);
        }
        for (size_t i = 0; i < b->remedy_count; i++) {
                json_decref(b->remedies[i].tag);
                json_decref(b->remedies[i].step);
        }
        free(b->items);
        free(b->remedies);
        json_decref(b->rule);
        free(b->exceptions);
}

void rule_briefs_free(struct taxonomy *t)
{
        for (size_t i = 0; t->briefs && i < t->category_count * LANG_COUNT; i++)
                brief_free(&t->briefs[i]);
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
        const struct brief *b = brief_of(t, category, lang);
        json_t *out = json_copy(b->rule);
        if (!out)
                return NULL;
        json_object_set_new(out, "item_steps", item_steps(b, item));
        json_object_set_new(out, "insufficiencies", rule_insufficiencies(b, situation));
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
