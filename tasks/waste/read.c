/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the taxonomy from the files that are embedded in the program. */
#include "tasks/waste/taxonomy.h"

#include "core/bytes.h"
#include "core/json.h"
#include "tasks/waste/waste.h"
#include "tasks/waste/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int taxonomy_read(struct taxonomy *t, struct problem *why);

int taxonomy_new(struct taxonomy **out, struct problem *why)
{
        struct taxonomy *t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        int rc = taxonomy_read(t, why);
        if (rc == 0)
                rc = rule_briefs_new(t);
        if (rc == 0)
                rc = words_new(t, why);
        if (rc == 0)
                *out = t;
        else
                taxonomy_free(t);
        return rc;
}

void taxonomy_free(struct taxonomy *t)
{
        if (!t)
                return;
        words_free(t);
        rule_briefs_free(t);
        for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++)
                free(t->catalogue[lang]);
        free(t->tag_list);
        free(t->categories);
        free(t->characters);
        json_decref(t->files);
        free(t);
}

/* What is read, and where a complaint goes. */
struct waste_reading {
        struct taxonomy *taxonomy;
        struct problem *why;
};

static int waste_read_broken(const struct waste_reading *r, const char *file, const char *what)
{
        return problem_set(r->why, "task", "bad_data", "this program was built from broken data: %s: %s", file, what);
}

static json_t *taxonomy_parse(const struct waste_reading *r, const struct packed_file *file)
{
        struct buffer text = { 0 };
        json_t *value = NULL;
        struct problem parse;
        const bool fine = packed_read(file, &text) && json_parse(buffer_view(&text), "task", &value, &parse) == 0 &&
                          json_array_append_new(r->taxonomy->files, value) == 0;
        buffer_free(&text);
        if (!fine)
                waste_read_broken(r, file->name, "it is no JSON");
        return fine ? value : NULL;
}

/* An embedded JSON file, which lives as long as the taxonomy; NULL, and the problem set, when it is not there. */
static json_t *taxonomy_read_file(const struct waste_reading *r, const struct packed_file files[], const char *name)
{
        for (const struct packed_file *f = files; f->name; f++)
                if (strcmp(f->name, name) == 0)
                        return taxonomy_parse(r, f);
        waste_read_broken(r, name, "it is missing");
        return NULL;
}

static json_t *taxonomy_read_rule(const struct waste_reading *r, const char *slug)
{
        char name[64];
        snprintf(name, sizeof(name), "%s.json", slug);
        for (const struct packed_file *f = embedded_rules; f->name; f++)
                if (strcmp(f->name, name) == 0)
                        return taxonomy_read_file(r, embedded_rules, name);
        return NULL;
}

static int read_characters(const struct waste_reading *r)
{
        struct taxonomy *t = r->taxonomy;
        const json_t *list = json_object_get(taxonomy_read_file(r, embedded_data, "characters.json"), "characters");
        t->characters = calloc(json_array_size(list) + 1, sizeof(*t->characters));
        if (!t->characters || json_array_size(list) == 0)
                return waste_read_broken(r, "characters.json", "no characters");
        size_t i;
        json_t *entry;
        json_array_foreach((json_t *)list, i, entry) {
                struct character *c = &t->characters[t->character_count++];
                c->code = json_text(entry, "code", NULL);
                c->ko = json_text(entry, "ko", NULL);
                c->match = json_text(entry, "match_slug", NULL);
                if (!c->code || !c->ko || !c->match)
                        return waste_read_broken(r, "characters.json", "a character without code, ko or match_slug");
        }
        return 0;
}

/* Two levels: the category's own character, else the default one. */
static const struct character *character_of(const struct taxonomy *t, const char *slug)
{
        const struct character *otherwise = NULL;
        for (size_t i = 0; i < t->character_count; i++) {
                if (strcmp(t->characters[i].match, slug) == 0)
                        return &t->characters[i];
                if (strcmp(t->characters[i].match, "default") == 0)
                        otherwise = &t->characters[i];
        }
        return otherwise;
}

static int taxonomy_add_category(const struct waste_reading *r, const json_t *entry, const struct category *major)
{
        struct taxonomy *t = r->taxonomy;
        struct category *c = &t->categories[t->category_count++];
        c->slug = json_text(entry, "slug", NULL);
        c->label[LANG_KO] = json_text(entry, "ko", NULL);
        c->label[LANG_EN] = json_text(entry, "en", NULL);
        c->major = major ? major : c;
        c->is_middle = !json_object_get(entry, "middle");
        c->items = json_object_get(entry, "items");
        if (!c->slug || !c->label[LANG_KO] || !c->label[LANG_EN])
                return waste_read_broken(r, "taxonomy.json", "a category without slug, ko or en");
        c->rule = taxonomy_read_rule(r, c->slug);
        c->character = character_of(t, c->slug);
        return c->character ? 0 : waste_read_broken(r, "characters.json", "no default character");
}

static int add_major(const struct waste_reading *r, const json_t *entry)
{
        const struct taxonomy *t = r->taxonomy;
        const struct category *major = &t->categories[t->category_count];
        if (taxonomy_add_category(r, entry, NULL) != 0)
                return 1;
        size_t i;
        json_t *middle;
        json_array_foreach(json_object_get(entry, "middle"), i, middle) {
                if (taxonomy_add_category(r, middle, major) != 0)
                        return 1;
        }
        return 0;
}

static int read_categories(const struct waste_reading *r)
{
        struct taxonomy *t = r->taxonomy;
        const json_t *majors = json_object_get(taxonomy_read_file(r, embedded_data, "taxonomy.json"), "major");
        size_t i, count = json_array_size(majors);
        json_t *entry;
        json_array_foreach((json_t *)majors, i, entry) {
                count += json_array_size(json_object_get(entry, "middle"));
        }
        t->categories = calloc(count + 1, sizeof(*t->categories));
        if (!t->categories || count == 0)
                return waste_read_broken(r, "taxonomy.json", "no categories");
        json_array_foreach((json_t *)majors, i, entry) {
                if (add_major(r, entry) != 0)
                        return 1;
        }
        return 0;
}

static int read_tags(const struct waste_reading *r)
{
        struct taxonomy *t = r->taxonomy;
        size_t i;
        json_t *tag;
        t->tags = json_object_get(taxonomy_read_file(r, embedded_data, "situation-tags.json"), "situation_tags");
        if (json_array_size(t->tags) == 0)
                return waste_read_broken(r, "situation-tags.json", "no tags");
        json_array_foreach((json_t *)t->tags, i, tag) {
                if (!json_is_string(tag))
                        return waste_read_broken(r, "situation-tags.json", "a tag that is no text");
        }
        return 0;
}

static void write_items(const json_t *items, struct buffer *out)
{
        size_t i;
        json_t *item;
        json_array_foreach((json_t *)items, i, item) {
                buffer_addf(out, "%s%s", i ? ", " : ": ", json_string_value(item));
        }
}

/* The text that was written, or NULL when memory ran out. */
static char *finish_text(struct buffer *out)
{
        buffer_add_byte(out, '\0');
        if (out->failed)
                buffer_free(out);
        return (char *)out->data;
}

/* One line a category: "- recyclable (Recyclables)", its middles indented, items behind a colon. */
static char *write_catalogue(const struct taxonomy *t, enum lang lang)
{
        struct buffer out = { 0 };
        for (size_t i = 0; i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                buffer_addf(&out, "%s- %s (%s)", c->major == c ? "" : "  ", c->slug, c->label[lang]);
                write_items(c->items, &out);
                buffer_add_string(&out, "\n");
        }
        return finish_text(&out);
}

static char *write_tags(const json_t *tags)
{
        struct buffer out = { 0 };
        size_t i;
        json_t *tag;
        json_array_foreach((json_t *)tags, i, tag) {
                buffer_addf(&out, "%s%s", i ? ", " : "", json_string_value(tag));
        }
        return finish_text(&out);
}

static int taxonomy_read(struct taxonomy *t, struct problem *why)
{
        const struct waste_reading r = { t, why };
        t->files = json_array();
        if (!t->files)
                return -ENOMEM;
        if (read_characters(&r) != 0 || read_categories(&r) != 0 || read_tags(&r) != 0)
                return 1;
        t->words = taxonomy_read_file(&r, embedded_data, "words.json");
        if (!t->words)
                return 1;
        t->tag_list = write_tags(t->tags);
        bool written = t->tag_list != NULL;
        for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++) {
                t->catalogue[lang] = write_catalogue(t, lang);
                written = written && t->catalogue[lang];
        }
        return written ? 0 : -ENOMEM;
}
