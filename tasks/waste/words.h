/* SPDX-License-Identifier: Apache-2.0 */
/* Finds categories and situation tags by the words of a text, for answers without a model: the taxonomy's own labels and items, the
 * rules' targets, and the everyday words of tasks/waste/data/words.json, in Korean and English. Plain matching, no grammar:
 * the longest word that is found wins. Constant once read; any thread. */
#ifndef CHARD_WASTE_WORDS_H
#define CHARD_WASTE_WORDS_H

#include "core/problem.h"
#include "tasks/waste/taxonomy.h"

#include <jansson.h>
#include <stdbool.h>

struct word_match {
        const struct category *category; /* a middle */
        const char *item; /* the item's name in the taxonomy, or the word as it is in the list; constant */
};

/* What a text is about. Returns whether anything was found. */
bool words_category(const struct taxonomy *t, const char *text, struct word_match *out);

/* The situation tags that a text speaks of; a new array, NULL when memory ran out. */
json_t *words_situation(const struct taxonomy *t, const char *text);

/* Whether a text that names no category still asks about putting something out. */
bool words_about_waste(const struct taxonomy *t, const char *text);

/* Make and give back t->terms, once the categories are there; called by read.c. Returns 0; 1 with `why` (source "task", code
 * "bad_data"); or -ENOMEM. */
int words_new(struct taxonomy *t, struct problem *why);
void words_free(struct taxonomy *t);

#endif
