/* SPDX-License-Identifier: Apache-2.0 */
/* What scan.answer and chat.answer share: the rule that an answer stands on, and answers made from it alone. Pure. */
#ifndef CHARD_WASTE_ANSWER_H
#define CHARD_WASTE_ANSWER_H

#include "tasks/task.h"
#include "tasks/waste/taxonomy.h"

struct answer_basis {
        const struct taxonomy *taxonomy;
        enum lang lang;
        const struct category *category;
        const json_t *classification; /* the document's section, borrowed */
        json_t *rule;                 /* as rule_for gives it, or NULL; owned */
};

/* Look up what the document's section "classification" calls for. Returns 0; 1 with `why` (source "task", code
 * "missing_section", "bad_section"); or -ENOMEM. Cleared with answer_basis_clear after 0 only. */
int answer_basis(const struct task_input *in, struct answer_basis *out, struct problem *why);
void answer_basis_clear(struct answer_basis *b);

/* Say the material for the model, a user part each: {"classification", "rule"}, and what the rule does not take. 0 or -ENOMEM. */
int answer_say(const struct task_input *in, const struct answer_basis *b, struct ai_request *request);

/* A model's list of sentences without blank ones; new reference. */
json_t *answer_lines(const json_t *said);

/* The rule's steps, those for the item after them; new reference. */
json_t *answer_steps(const struct answer_basis *b);

/* What the offline provider tells the user: the category, what is still missing, the steps; or, without a rule, that it
 * could not tell. New reference to a text. */
json_t *answer_text(const struct answer_basis *b);

#endif
