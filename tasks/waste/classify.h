/* SPDX-License-Identifier: Apache-2.0 */
/* What scan.vision and chat.classify share: turning a model's classification into a section. Pure. */
#ifndef CHARD_WASTE_CLASSIFY_H
#define CHARD_WASTE_CLASSIFY_H

#include "core/problem.h"
#include "tasks/waste/taxonomy.h"

#include <jansson.h>

/* The section "classification" from a model's {"major", "middle", "item", "situation"}:
 * {"major", "middle", "label", "item", "situation"}, new reference in *out.
 * The middle category decides: a major that it doesn't belong to is corrected, and "major_said" keeps what the model said.
 * Tags that are unknown or named twice are dropped, an item is trimmed to 100 characters.
 * Returns 0; 1 with `why` (source "task", code "bad_answer") when the middle is none of the taxonomy; or -ENOMEM. */
int classify_section(const struct taxonomy *t, const json_t *answer, const char *lang, json_t **out,
                     struct problem *why);

#endif
