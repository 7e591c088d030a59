/* SPDX-License-Identifier: Apache-2.0 */
/* Text, tables and JSON for people. Nothing that is printed steers the terminal. */
#ifndef CHARD_CLI_COMMON_VIEW_H
#define CHARD_CLI_COMMON_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "3 min", "2 h", "5 d": how long ago. */
const char *view_age(int64_t then_ms, int64_t now_ms, char out[32]);

/* Print a text's first `width` columns' worth of characters, what would steer a terminal as spaces, padded when `pad`. */
void view_text(const char *text, size_t width, bool pad);

/* How many characters wide a column must be that shows the text `key` of all these rows whole: at least as wide as its `title`. */
size_t view_column(const json_t *rows, const char *key, const char *title);

/* Print all of a text in the same way. */
void view_plain(const char *text);

/* Columns of the terminal on stdout, or `otherwise` where it is none. */
size_t view_width(size_t otherwise);

/* Print a JSON value on one line, or with this indentation; controls that JSON would leave in (DEL, C1) as escapes. */
void view_json(const json_t *value);
void view_indented(const json_t *value);

#endif
