/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/taxonomy.h"

#include "core/bytes.h"
#include "core/embed.h"
#include "core/json.h"
#include "core/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

const char *const lang_codes[LANG_COUNT] = { [LANG_KO] = "ko", [LANG_EN] = "en" };

/* Written once, by load() under pthread_once; constant ever after. */
static struct taxonomy loaded;
static struct problem load_problem;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static void load(void);
static const struct category *find(const char *slug, bool middles, bool majors);

int taxonomy_load(struct problem *why)
{
        pthread_once(&load_once, load);
        if (load_problem.code[0] && why)
                *why = load_problem;
        return load_problem.code[0] ? 1 : 0;
}

const struct taxonomy *taxonomy(void)
{
        struct problem why;
        if (taxonomy_load(&why) != 0) {
                log_error("task", "%s", why.text);
                abort();
        }
        return &loaded;
}

enum lang lang_of(const char *code)
{
        return code && strcmp(code, lang_codes[LANG_EN]) == 0 ? LANG_EN : LANG_KO;
}

const struct category *category_find(const char *slug)
{
        return find(slug, true, true);
}

const struct category *middle_find(const char *slug)
{
        return find(slug, true, false);
}

const struct category *major_find(const char *slug)
{
        return find(slug, false, true);
}

bool is_situation_tag(const char *tag)
{
        size_t i;
        json_t *known;
        json_array_foreach((json_t *)taxonomy()->tags, i, known) {
                if (strcmp(json_string_value(known), tag) == 0)
                        return true;
        }
        return false;
}

static const struct category *find(const char *slug, bool middles, bool majors)
{
        const struct taxonomy *t = taxonomy();
        for (size_t i = 0; slug && i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                if (strcmp(c->slug, slug) == 0 && ((middles && c->is_middle) || (majors && c->major == c)))
                        return c;
        }
        return NULL;
}

/* ---- reading the embedded files ---- */

static int broken(const char *file, const char *what)
{
        return problem_set(&load_problem, "task", "bad_data", "this program was built from broken data: %s: %s", file,
                           what);
}

/* A member of an embedded JSON file, which stays in memory for good; NULL, and the problem set, when it is not there. */
static const json_t *read_file(const struct embedded_file files[], const char *name)
{
        json_t *value = NULL;
        for (const struct embedded_file *f = files; f->name; f++)
                if (strcmp(f->name, name) == 0 &&
                    json_parse(bytes_of(f->data, f->size), "task", &value, &load_problem) == 0 &&
                    json_array_append_new(loaded.files, value) == 0)
                        return value;
        broken(name, load_problem.code[0] ? "it is no JSON" : "it is missing");
        return NULL;
}

static const json_t *read_rule(const char *slug)
{
        char name[64];
        snprintf(name, sizeof(name), "%s.json", slug);
        for (const struct embedded_file *f = embedded_rules; f->name; f++)
                if (strcmp(f->name, name) == 0)
                        return read_file(embedded_rules, name);
        return NULL;
}

static int read_characters(struct taxonomy *t)
{
        const json_t *list = json_object_get(read_file(embedded_data, "characters.json"), "characters");
        t->characters = calloc(json_array_size(list) + 1, sizeof(*t->characters));
        if (!t->characters || json_array_size(list) == 0)
                return broken("characters.json", "no characters");
        size_t i;
        json_t *entry;
        json_array_foreach((json_t *)list, i, entry) {
                struct character *c = &t->characters[t->character_count++];
                c->code = json_text(entry, "code", NULL);
                c->ko = json_text(entry, "ko", NULL);
                c->match = json_text(entry, "match_slug", NULL);
                if (!c->code || !c->ko || !c->match)
                        return broken("characters.json", "a character without code, ko or match_slug");
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

static int add_category(struct taxonomy *t, const json_t *entry, const struct category *major)
{
        struct category *c = &t->categories[t->category_count++];
        c->slug = json_text(entry, "slug", NULL);
        c->label[LANG_KO] = json_text(entry, "ko", NULL);
        c->label[LANG_EN] = json_text(entry, "en", NULL);
        c->major = major ? major : c;
        c->is_middle = !json_object_get(entry, "middle");
        c->items = json_object_get(entry, "items");
        if (!c->slug || !c->label[LANG_KO] || !c->label[LANG_EN])
                return broken("taxonomy.json", "a category without slug, ko or en");
        c->rule = read_rule(c->slug);
        c->character = character_of(t, c->slug);
        return c->character ? 0 : broken("characters.json", "no default character");
}

static int add_major(struct taxonomy *t, const json_t *entry)
{
        const struct category *major = &t->categories[t->category_count];
        if (add_category(t, entry, NULL) != 0)
                return 1;
        size_t i;
        json_t *middle;
        json_array_foreach(json_object_get(entry, "middle"), i, middle) {
                if (add_category(t, middle, major) != 0)
                        return 1;
        }
        return 0;
}

static int read_categories(struct taxonomy *t)
{
        const json_t *majors = json_object_get(read_file(embedded_data, "taxonomy.json"), "major");
        size_t i, count = json_array_size(majors);
        json_t *entry;
        json_array_foreach((json_t *)majors, i, entry) {
                count += json_array_size(json_object_get(entry, "middle"));
        }
        t->categories = calloc(count + 1, sizeof(*t->categories));
        if (!t->categories || count == 0)
                return broken("taxonomy.json", "no categories");
        json_array_foreach((json_t *)majors, i, entry) {
                if (add_major(t, entry) != 0)
                        return 1;
        }
        return 0;
}

static int read_tags(struct taxonomy *t)
{
        size_t i;
        json_t *tag;
        t->tags = json_object_get(read_file(embedded_data, "situation-tags.json"), "situation_tags");
        if (json_array_size(t->tags) == 0)
                return broken("situation-tags.json", "no tags");
        json_array_foreach((json_t *)t->tags, i, tag) {
                if (!json_is_string(tag))
                        return broken("situation-tags.json", "a tag that is no text");
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
static const char *finish_text(struct buffer *out)
{
        buffer_add_byte(out, '\0');
        if (out->failed)
                buffer_free(out);
        return (const char *)out->data;
}

/* One line a category: "- recyclable (Recyclables)", its middles indented, items behind a colon. */
static const char *write_catalogue(const struct taxonomy *t, enum lang lang)
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

static const char *write_tags(const json_t *tags)
{
        struct buffer out = { 0 };
        size_t i;
        json_t *tag;
        json_array_foreach((json_t *)tags, i, tag) {
                buffer_addf(&out, "%s%s", i ? ", " : "", json_string_value(tag));
        }
        return finish_text(&out);
}

static void load(void)
{
        struct taxonomy *t = &loaded;
        t->files = json_array();
        if (read_characters(t) != 0 || read_categories(t) != 0 || read_tags(t) != 0)
                return;
        t->words = read_file(embedded_data, "words.json");
        t->tag_list = write_tags(t->tags);
        if (!t->words || !t->tag_list)
                return;
        for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++) {
                t->catalogue[lang] = write_catalogue(t, lang);
                if (!t->catalogue[lang])
                        broken("taxonomy.json", "out of memory");
        }
}
