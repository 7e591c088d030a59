/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a terminal. */
#ifndef CHARD_CORE_TEXT_PRINT_H
#define CHARD_CORE_TEXT_PRINT_H

#include <stdbool.h>
#include <stdio.h>

/* Print text that came from outside: what would steer the terminal becomes a space. */
void print_plain(FILE *out, const char *text);

/* May `out` be coloured? It is a terminal that shows colours, and nobody asked for none (NO_COLOR). */
bool print_colours(FILE *out);

#endif
