/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHARD_WASTE_H
#define CHARD_WASTE_H

#include "core/text/packed.h"
#include "tasks/domain.h"
#include "tasks/input.h"

extern const struct domain waste;

/* The facts of its tasks and consumers, by their kinds; their owner is a user. What a user has is the character domain's: `character`, by its code, true or
 * false, and `grant`, each grant and revocation of it, "CODE/1", "CODE/2" …, written once, so that of two at a time one sees the other. `owned` is the
 * scans' copy of `character`, behind by moments. A profile's fields are merged, by their names. */
#define FACT_CHARACTER "character"
#define FACT_GRANT     "grant"
#define FACT_OWNED     "owned"
#define FACT_PROFILE   "profile"

/* The taxonomy and other tables, tasks/waste/data/ *.json; the rules, tasks/waste/rules/ *.json. */
extern const struct packed_file embedded_data[], embedded_rules[];
extern const size_t embedded_data_count, embedded_rules_count;

/* "ko" and "en", NULL-terminated: what the prompts are written in; the first is what counts where nothing is said. */
extern const char *const waste_languages[];

/* What the pipelines scan, chat and my take. */
extern const struct input_key scan_input[], chat_input[], my_input[];

#endif
