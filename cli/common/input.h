/* SPDX-License-Identifier: Apache-2.0 */
/* A job's input from the words of a command line or from a file. */
#ifndef CHARD_CLI_COMMON_INPUT_H
#define CHARD_CLI_COMMON_INPUT_H

#include "core/problem.h"

#include <jansson.h>

/* Put one word into `input`: key=text, key:=JSON, key=@FILE (an image becomes a data: URL, anything else its text).
 * Returns 0, or 1 with `why` (code "bad_input"). */
int input_word(json_t *input, const char *word, struct problem *why);

/* Read FILE ("-" = standard input): an input object, or {"pipeline": …, "input": {…}}. *pipeline is borrowed from *whole, NULL when not named there;
 * *input is a new reference. Returns 0, or 1 with `why`. */
int input_file(const char *path, json_t **whole, const char **pipeline, json_t **input, struct problem *why);

#endif
