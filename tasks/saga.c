/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/saga.h"

#include <string.h>

size_t saga_count(const struct saga_def *saga)
{
        size_t count = 0;
        while (count < SAGA_MOST_STEPS && saga->steps[count].name)
                count++;
        return count;
}

bool saga_is(const char *type, const char *other)
{
        return type && strcmp(type, other) == 0;
}

const char *saga_heard(const struct saga_def *saga, size_t n)
{
        if (n-- == 0)
                return saga->begins;
        for (size_t i = 0; i < saga_count(saga); i++) {
                const char *const answers[] = { saga->steps[i].done, saga->steps[i].failed, saga->steps[i].undone };
                for (size_t a = 0; a < sizeof(answers) / sizeof(answers[0]); a++)
                        if (answers[a] && n-- == 0)
                                return answers[a];
        }
        return NULL;
}

static unsigned saga_hears_often(const struct saga_def *saga, const char *type)
{
        const char *heard;
        unsigned count = 0;
        for (size_t n = 0; (heard = saga_heard(saga, n)); n++)
                count += saga_is(heard, type);
        return count;
}

bool saga_hears(const struct saga_def *saga, const char *type)
{
        return saga_hears_often(saga, type) > 0;
}

static int saga_refuse(const char *name, const char *what, struct problem *why)
{
        return problem_set(why, "consumer", "bad_data", "the saga %s %s", name, what);
}

static int saga_check_step(const char *name, const struct saga_def *saga, const struct saga_step *s,
                           struct problem *why)
{
        const char *const hears[] = { s->done, s->failed, s->undone };
        if (!s->asks.type || !s->asks.aggregate_type || !s->done)
                return saga_refuse(name, "has a step that asks for nothing, or waits for no answer", why);
        if ((s->undone && !s->undoes.type) || (s->undoes.type && !s->undoes.aggregate_type))
                return saga_refuse(name, "has a step whose undo is half a one", why);
        if (s->undone && !s->timeout_ms)
                return saga_refuse(name, "waits for an undo without a time-out", why);
        for (size_t i = 0; i < sizeof(hears) / sizeof(hears[0]); i++)
                if (hears[i] && saga_hears_often(saga, hears[i]) != 1)
                        return saga_refuse(name, "waits for one event in two places", why);
        return 0;
}

int saga_check(const char *name, const struct saga_def *saga, const char *sees, struct problem *why)
{
        const size_t count = saga_count(saga);
        int rc = 0;
        if (!sees || strcmp(sees, FACT_SAGA) != 0)
                rc = saga_refuse(name, "does not see, first, the facts \"" FACT_SAGA "\" of its id", why);
        else if (!saga->begins || count == 0)
                rc = saga_refuse(name, "never begins, or has no steps", why);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = saga_check_step(name, saga, &saga->steps[i], why);
        return rc;
}
