/* SPDX-License-Identifier: Apache-2.0 */
/* What the tasks know: the waste categories, the tags for an item's state, the characters and the sorting rules, read once
 * from the files embedded in the program (tasks/waste/data, tasks/waste/rules).
 * All of it is constant once it has been read and may be used from any thread. */
#ifndef CHARD_WASTE_TAXONOMY_H
#define CHARD_WASTE_TAXONOMY_H

#include "core/problem.h"
#include "tasks/task.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum lang { LANG_KO, LANG_EN, LANG_COUNT };

extern const char *const lang_codes[LANG_COUNT]; /* "ko", "en" */

/* The language of a code; LANG_KO for any other text and for NULL. */
enum lang lang_of(const char *code);

struct character {
        const char *code, *ko; /* "char-petty", "페티" */
        const char *match;     /* the middle category that it is for, or "default" */
};

/* A node of the taxonomy. A major without middles is its own middle. */
struct category {
        const char *slug;
        const char *label[LANG_COUNT];
        const struct category *major; /* itself for a major */
        bool is_middle;               /* an item can belong to it */
        const json_t *items;          /* array of Korean item names */
        json_t *rule;                 /* of the rule file what is no brief's ("targets", "not_accepted"), or NULL */
        const struct character *character; /* whom it awards; never NULL */
};

struct brief;
struct words;

struct taxonomy {
        json_t *files;               /* what was read: everything below points into it */
        struct category *categories; /* each major followed by its middles */
        size_t category_count;
        struct character *characters;
        size_t character_count;
        const json_t *tags;          /* array of situation tags */
        const json_t *words;         /* tasks/waste/data/words.json as it is */
        char *catalogue[LANG_COUNT]; /* the whole taxonomy as lines of text, for prompts */
        char *tag_list;              /* the situation tags, comma-separated, for prompts */
        struct brief *briefs;        /* rule.c's: what rules say of every item, LANG_COUNT a category */
        struct words *terms;         /* words.c's */
};

/* Read everything from the embedded files. Returns 0; 1 with `why` (source "task", code "bad_data"); or -ENOMEM. */
int taxonomy_new(struct taxonomy **out, struct problem *why);

/* Give it back; NULL: nothing. */
void taxonomy_free(struct taxonomy *t);

/* The taxonomy that a task of this domain is given. */
const struct taxonomy *taxonomy_of(const struct task_input *in);

/* A category by its slug, or NULL: any / only what an item can belong to / only majors. */
const struct category *category_find(const struct taxonomy *t, const char *slug);
const struct category *middle_find(const struct taxonomy *t, const char *slug);
const struct category *major_find(const struct taxonomy *t, const char *slug);

/* Whether it is one of the situation tags. */
bool is_situation_tag(const struct taxonomy *t, const char *tag);

/* The rule of a category as it applies to one item: {"slug", "label", "steps": [...], "item_steps": [...], "insufficiencies": [...]}
 * in one language, the insufficiencies being the steps that the situation tags call for. `item` may be NULL, `situation` an
 * array or NULL. New reference to an object whose members are shared by all callers: add it to a document, but never change
 * what is inside. NULL when the category has no rule (ask category->rule first) or memory ran out. */
json_t *rule_for(const struct taxonomy *t, const struct category *category, const char *item, const json_t *situation,
                 enum lang lang);

/* What a category does not take and where that goes instead, for prompts: JSON text {"not_accepted": [{"item", "goes_to", "label",
 * "why"}…]}; NULL when it has no rule. Constant. */
const char *rule_exceptions(const struct taxonomy *t, const struct category *category, enum lang lang);

/* Make and give back t->briefs, once the categories are there; called by read.c. 0 or -ENOMEM. */
int rule_briefs_new(struct taxonomy *t);
void rule_briefs_free(struct taxonomy *t);

#endif
