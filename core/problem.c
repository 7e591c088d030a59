/* SPDX-License-Identifier: Apache-2.0 */
#include "core/problem.h"

#include "core/log.h"
#include "core/text/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static void problem_write(char *out, size_t capacity, const char *format, va_list args)
        __attribute__((format(printf, 3, 0)));
static void set_name(char *out, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));

int problem_set(struct problem *p, const char *source, const char *code, const char *format, ...)
{
        if (!p)
                return 1;
        set_name(p->source, sizeof(p->source), "%s", source);
        set_name(p->code, sizeof(p->code), "%s", code); /* a provider's code comes from outside */
        p->raised = NULL;
        va_list args;
        va_start(args, format);
        problem_write(p->text, sizeof(p->text), format, args);
        va_end(args);
        return 1;
}

static void set_name(char *out, size_t capacity, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        problem_write(out, capacity, format, args);
        va_end(args);
}

/* A "%.40s" may have cut a value inside a character, too: the database would refuse the whole row. */
static void problem_write(char *out, size_t capacity, const char *format, va_list args)
{
        const int size = vsnprintf(out, capacity, format, args);
        utf8_repair(out, size < 0 || (size_t)size >= capacity);
}

const char *problem_told(const struct problem *p)
{
        static const char *const own[] = {
                "store", "sqlite", "broker", "results", "settings", "worker", "job", "fleet"
        };
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                if (strcmp(p->source, own[i]) == 0)
                        return p->text;
        return log_enabled(LOG_DEBUG) ? p->text : "what it said: chard job, chard dlq show";
}
