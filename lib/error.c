/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/lib.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *chard_version(void)
{
        return CHARD_VERSION;
}

void chard_free(char *text)
{
        free(text);
}

int lib_fail(struct chard_error *e, int code, const char *name, const char *format, ...)
{
        struct problem p = { 0 };
        char text[sizeof(p.text)];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        problem_set(&p, "lib", name, "%s", text); /* cuts at a character */
        return lib_fail_problem(e, code, &p);
}

int lib_fail_problem(struct chard_error *e, int code, const struct problem *why)
{
        if (e) {
                e->code = code;
                snprintf(e->name, sizeof(e->name), "%s", why->code);
                snprintf(e->text, sizeof(e->text), "%s", why->text);
        }
        return code;
}

int lib_no_memory(struct chard_error *e)
{
        return lib_fail(e, CHARD_NO_MEMORY, "out_of_memory", "memory ran out");
}
