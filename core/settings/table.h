/* SPDX-License-Identifier: Apache-2.0 */
/* The one table that every setting comes from; read by core/settings/load.c alone. */
#ifndef CHARD_CORE_SETTINGS_TABLE_H
#define CHARD_CORE_SETTINGS_TABLE_H

#include "core/settings/settings.h"

#include <stddef.h>

enum setting_kind { TEXT, SECRET, CHOICE, NUMBER, SWITCH };

struct setting {
        const char *env;  /* CHARD_…, or the name that the whole field uses */
        const char *flag; /* "--broker-url" */
        char letter;
        enum setting_kind kind;
        size_t offset;
        const char *otherwise;  /* default, as one would type it */
        long least, most;       /* NUMBER */
        const char *choices[4]; /* CHOICE */
        const char *help;
};

enum { SETTING_COUNT = 76 };

extern const struct setting setting_table[SETTING_COUNT];

#endif
