/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/words.h"

#include "core/bytes.h"
#include "core/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A word or phrase to look for, in the form that plain() gives texts. */
struct term {
        char *text;
        size_t size, order;
        const struct category *category; /* what it means: a category and an item, */
        const char *item;
        json_t *tag; /* or a situation tag, borrowed; or neither */
};

struct terms {
        struct term *list; /* longest first, then as in the files; ended by a NULL text */
        size_t count;
};

struct words {
        struct terms category, situation, waste, ignored;
};

static void words_read(const struct taxonomy *t, struct words *w, struct problem *why);
static char *words_plain(const char *text);
static char *waste_words_find(char *text, const struct term *t);

int words_new(struct taxonomy *t, struct problem *why)
{
        struct problem fault = { 0 };
        t->terms = calloc(1, sizeof(*t->terms));
        if (!t->terms)
                return -ENOMEM;
        words_read(t, t->terms, &fault);
        if (!fault.code[0])
                return 0;
        *why = fault;
        return 1;
}

static void words_free_terms(struct terms *terms)
{
        for (size_t i = 0; i < terms->count; i++)
                free(terms->list[i].text);
        free(terms->list);
}

void words_free(struct taxonomy *t)
{
        struct words *w = t->terms;
        if (!w)
                return;
        words_free_terms(&w->category);
        words_free_terms(&w->situation);
        words_free_terms(&w->waste);
        words_free_terms(&w->ignored);
        free(w);
        t->terms = NULL;
}

/* ---- looking ---- */

static void words_blank(char *at, size_t size)
{
        memset(at, '.', size);
}

static void blank_all(char *text, const struct terms *terms)
{
        for (const struct term *t = terms->list; t && t->text; t++)
                for (char *at = waste_words_find(text, t); at; at = waste_words_find(at, t))
                        words_blank(at, t->size);
}

static const struct term *find_any(char *text, const struct terms *terms)
{
        for (const struct term *t = terms->list; t && t->text; t++)
                if (waste_words_find(text, t))
                        return t;
        return NULL;
}

bool words_category(const struct taxonomy *taxonomy, const char *text, struct word_match *out)
{
        char *copy = words_plain(text);
        const struct term *t = NULL;
        if (copy) {
                blank_all(copy, &taxonomy->terms->ignored);
                t = find_any(copy, &taxonomy->terms->category);
        }
        if (t)
                *out = (struct word_match){ t->category, t->item };
        free(copy);
        return t != NULL;
}

bool words_about_waste(const struct taxonomy *taxonomy, const char *text)
{
        char *copy = words_plain(text);
        bool found = copy && find_any(copy, &taxonomy->terms->waste);
        free(copy);
        return found;
}

/* What a longer phrase has said, a shorter one inside it does not say again: "not rinsed" is no "rinsed". */
json_t *words_situation(const struct taxonomy *taxonomy, const char *text)
{
        json_t *tags = json_array();
        char *copy = words_plain(text);
        for (const struct term *t = copy ? taxonomy->terms->situation.list : NULL; t && t->text; t++) {
                char *at = waste_words_find(copy, t);
                if (!at)
                        continue;
                for (; at; at = waste_words_find(at, t))
                        words_blank(at, t->size);
                size_t i = 0;
                while (i < json_array_size(tags) && json_array_get(tags, i) != t->tag)
                        i++;
                if (i == json_array_size(tags))
                        json_array_append(tags, t->tag);
        }
        free(copy);
        return tags;
}

/* ---- matching ---- */

static bool is_word_byte(char c)
{
        return isalnum((unsigned char)c) != 0;
}

static bool is_wide(char c)
{
        return (unsigned char)c >= 0x80;
}

/* A particle or ending that may follow a Korean word of one syllable. */
static bool is_particle(const char *at)
{
        static const char *const particles[] = { "은", "는", "이", "가", "을", "를", "도", "에",
                                                 "의", "과", "와", "들", "로", "만", "인", "같" };
        for (size_t i = 0; i < sizeof(particles) / sizeof(*particles); i++)
                if (strncmp(at, particles[i], strlen(particles[i])) == 0)
                        return true;
        return false;
}

/* English words end where letters end, or with a plural's s. */
static bool waste_words_ends_word(const char *after)
{
        if (after[0] == 'e' && after[1] == 's')
                return !is_word_byte(after[2]);
        return !is_word_byte(after[0]) || (after[0] == 's' && !is_word_byte(after[1]));
}

/* Korean runs words together, so only short ones, which turn up inside others by chance, must stand at a word's beginning, and those
 * of one syllable (3 bytes) also at its end. */
static bool stands_alone(const char *text, const char *at, const struct term *t)
{
        const char *after = at + t->size;
        char before = at > text ? at[-1] : ' ';
        if (!is_wide(t->text[0]) && is_word_byte(t->text[0]) && is_word_byte(before))
                return false;
        if (is_wide(t->text[0]) && t->size <= 6 && is_wide(before))
                return false;
        if (is_wide(t->text[0]) && t->size == 3 && is_wide(after[0]))
                return is_particle(after);
        return is_wide(t->text[t->size - 1]) || waste_words_ends_word(after);
}

/* Where a term stands in a text, or NULL. */
static char *waste_words_find(char *text, const struct term *t)
{
        for (char *at = strstr(text, t->text); at; at = strstr(at + 1, t->text))
                if (stands_alone(text, at, t))
                        return at;
        return NULL;
}

/* Lower case, with one space for every run of spaces and punctuation, none at the ends. */
static char *words_plain(const char *text)
{
        char *out = malloc(strlen(text) + 1), *to = out;
        for (; out && *text; text++) {
                bool space = !is_word_byte(*text) && !is_wide(*text);
                if (!space)
                        *to++ = (char)tolower((unsigned char)*text);
                else if (to > out && to[-1] != ' ')
                        *to++ = ' ';
        }
        if (out && to > out && to[-1] == ' ')
                to--;
        if (out)
                *to = '\0';
        return out;
}

/* ---- reading the lists ---- */

/* Where the lists go, and what is wrong with them. */
struct words_reading {
        const struct taxonomy *taxonomy;
        struct words *words;
        struct problem *why;
};

static void waste_words_add(const struct words_reading *r, struct terms *to, const char *text, struct term meaning)
{
        struct term *list = realloc(to->list, (to->count + 2) * sizeof(*list));
        if (list)
                to->list = list;
        meaning.text = list ? words_plain(text) : NULL;
        if (!meaning.text) {
                problem_set(r->why, "task", "bad_data", "out of memory");
                return;
        }
        meaning.size = strlen(meaning.text);
        meaning.order = to->count;
        if (meaning.size == 0)
                free(meaning.text);
        else
                list[to->count++] = meaning;
        list[to->count] = (struct term){ 0 };
}

static void waste_words_add_list(const struct words_reading *r, struct terms *to, const json_t *list,
                                 struct term meaning)
{
        size_t i;
        json_t *text;
        json_array_foreach((json_t *)list, i, text) {
                if (meaning.category)
                        meaning.item = json_string_value(text);
                waste_words_add(r, to, json_string_value(text), meaning);
        }
}

/* An item by its name; without what stands in brackets; and without a final "류" ("골판지류"). */
static void waste_words_add_item(const struct words_reading *r, const char *name, const struct category *c)
{
        char text[128];
        const struct term meaning = { .category = c, .item = name };
        waste_words_add(r, &r->words->category, name, meaning);
        snprintf(text, sizeof(text), "%.*s", (int)strcspn(name, "("), name);
        size_t size = strlen(text);
        while (size > 0 && text[size - 1] == ' ')
                text[--size] = '\0';
        if (size > 9 && strcmp(text + size - 3, "류") == 0)
                text[size -= 3] = '\0';
        if (size > 3 && strcmp(text, name) != 0)
                waste_words_add(r, &r->words->category, text, meaning);
}

/* What a rule sends elsewhere says what belongs there. */
static void add_not_accepted(const struct words_reading *r, const json_t *rule)
{
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(rule, "not_accepted"), i, entry) {
                const struct category *c = middle_find(r->taxonomy, json_text(entry, "goes_to", ""));
                const json_t *item = json_object_get(entry, "item");
                for (enum lang lang = LANG_KO; c && lang < LANG_COUNT; lang++) {
                        const char *name = json_text(item, lang_codes[lang], "");
                        waste_words_add(r, &r->words->category, name, (struct term){ .category = c, .item = name });
                }
        }
}

static void waste_words_add_category(const struct words_reading *r, const struct category *c)
{
        const json_t *targets = json_object_get(c->rule, "targets");
        size_t i;
        json_t *item;
        json_array_foreach((json_t *)c->items, i, item) {
                waste_words_add_item(r, json_string_value(item), c);
        }
        for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++) {
                waste_words_add(r, &r->words->category, c->label[lang], (struct term){ .category = c });
                waste_words_add_list(r, &r->words->category, json_object_get(targets, lang_codes[lang]),
                                     (struct term){ .category = c });
        }
}

static int longest_first(const void *a, const void *b)
{
        const struct term *x = a, *y = b;
        if (x->size != y->size)
                return x->size > y->size ? -1 : 1;
        return x->order < y->order ? -1 : 1;
}

static void words_sort(struct terms *terms)
{
        if (terms->count)
                qsort(terms->list, terms->count, sizeof(*terms->list), longest_first);
}

/* A tag as the taxonomy spells it, so that equal tags are one value. */
static json_t *known_tag(const struct taxonomy *t, const char *text)
{
        size_t i;
        json_t *tag;
        json_array_foreach((json_t *)t->tags, i, tag) {
                if (strcmp(json_string_value(tag), text) == 0)
                        return tag;
        }
        return NULL;
}

static void read_words(const struct words_reading *r, const json_t *file)
{
        const char *name;
        json_t *list;
        json_object_foreach(json_object_get(file, "category"), name, list) {
                const struct category *c = middle_find(r->taxonomy, name);
                if (!c)
                        problem_set(r->why, "task", "bad_data", "words.json: no category is called %s", name);
                else
                        waste_words_add_list(r, &r->words->category, list, (struct term){ .category = c });
        }
        json_object_foreach(json_object_get(file, "situation"), name, list) {
                json_t *tag = known_tag(r->taxonomy, name);
                if (!tag)
                        problem_set(r->why, "task", "bad_data", "words.json: no situation tag is called %s", name);
                else
                        waste_words_add_list(r, &r->words->situation, list, (struct term){ .tag = tag });
        }
        waste_words_add_list(r, &r->words->waste, json_object_get(file, "waste"), (struct term){ 0 });
        waste_words_add_list(r, &r->words->ignored, json_object_get(file, "ignored"), (struct term){ 0 });
}

static void words_read(const struct taxonomy *t, struct words *w, struct problem *why)
{
        const struct words_reading r = { t, w, why };
        for (size_t i = 0; i < t->category_count; i++)
                if (t->categories[i].is_middle)
                        waste_words_add_category(&r, &t->categories[i]);
        read_words(&r, t->words);
        for (size_t i = 0; i < t->category_count; i++)
                add_not_accepted(&r, t->categories[i].rule);
        words_sort(&w->category);
        words_sort(&w->situation);
        words_sort(&w->waste);
        words_sort(&w->ignored);
}
