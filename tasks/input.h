/* SPDX-License-Identifier: Apache-2.0 */
/* What a pipeline takes as its input: which keys, of which type, how long. Pure; the same table checks a submission, a
 * Celery client's keyword arguments and a document. */
#ifndef CHARD_INPUT_H
#define CHARD_INPUT_H

#include "core/problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum input_kind {
        INPUT_TEXT, /* at most `most` characters; a required one must not be blank */
        INPUT_URL,  /* a text whose form its task checks; no limit beside the message's own */
        INPUT_LANG, /* one of the languages that `among` names */
        INPUT_LIST, /* an array of at most `most` elements, whose form its task checks */
};

struct input_key {
        const char *name;
        enum input_kind kind;
        bool required;
        size_t most;
        const char *const *among; /* INPUT_LANG: BCP 47 tags, NULL-terminated */
};

#define INPUT_MOST_KEYS 16 /* of one table */

/* Check an object against a table, one a pipeline, ended by a NULL name; a key that is null counts as absent. Returns 0; or 1 with `why` under the given source and
 * code: which key is missing, unknown (and which one was meant), of a wrong type or too long. */
int input_check(const struct input_key keys[], const json_t *input, const char *source, const char *code,
                struct problem *why);

/* What a JSON value is, for a complaint: "a text", "a number", "null", …; "absent" for NULL. Constant. */
const char *json_kind(const json_t *value);

#endif
