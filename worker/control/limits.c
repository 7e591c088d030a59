/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/control/limits.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_MS \
        31622400e3 /* a year of 366 days: who waits longer has no limit in mind, and stores keep years to 9999 */

struct limit {
        struct limit *next;
        double every_ms;  /* between two starts; 0 = no limit */
        double next_ms;   /* when the next may start */
        double behind_ms; /* where the line of those ends that wait elsewhere */
        unsigned soft_ms, hard_ms;
        bool timed; /* those two were set */
        char shown[32];
        char task[];
};

void limits_close(struct limits *l)
{
        while (l->first) {
                struct limit *next = l->first->next;
                free(l->first);
                l->first = next;
        }
}

int limits_read_rate(const char *text, double *per_hour)
{
        static const struct {
                const char *unit;
                double in_an_hour;
        } units[] = { { "", 3600 }, { "/s", 3600 }, { "/m", 60 }, { "/h", 1 } };
        char *end;
        if (!*text) {
                *per_hour = 0;
                return 0;
        }
        const double number = strtod(text, &end);
        if (end == text || !(number >= 0 && number <= 1e9))
                return 1;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (strcmp(end, units[i].unit) == 0) {
                        *per_hour = number * units[i].in_an_hour;
                        return 0;
                }
        }
        return 1;
}

static struct limit *control_limits_find(const struct limits *l, const char *task)
{
        for (struct limit *limit = l->first; limit; limit = limit->next)
                if (strcmp(limit->task, task) == 0)
                        return limit;
        return NULL;
}

static struct limit *find_or_make(struct limits *l, const char *task)
{
        const size_t size = strlen(task) + 1;
        struct limit *limit = control_limits_find(l, task);
        if (limit)
                return limit;
        limit = calloc(1, sizeof(*limit) + size);
        if (!limit)
                return NULL;
        memcpy(limit->task, task, size);
        limit->next = l->first;
        l->first = limit;
        return limit;
}

int limits_set_rate(struct limits *l, const char *task, double per_hour, const char *shown)
{
        struct limit *limit = find_or_make(l, task);
        if (!limit)
                return -ENOMEM;
        limit->every_ms = per_hour > 0 ? fmin(3600e3 / per_hour, LONGEST_MS) : 0;
        limit->next_ms = limit->behind_ms = 0;
        snprintf(limit->shown, sizeof(limit->shown), "%s", shown);
        return 0;
}

int limits_set_time(struct limits *l, const char *task, unsigned soft_ms, unsigned hard_ms)
{
        struct limit *limit = find_or_make(l, task);
        if (!limit)
                return -ENOMEM;
        limit->soft_ms = soft_ms;
        limit->hard_ms = hard_ms;
        limit->timed = true;
        return 0;
}

uint64_t limits_take(struct limits *l, const char *task, uint64_t now_ms, uint64_t hold_ms)
{
        struct limit *limit = control_limits_find(l, task);
        const double now = (double)now_ms;
        if (!limit || limit->every_ms <= 0)
                return 0;
        if (limit->next_ms < now)
                limit->next_ms = now;
        const double wait = limit->next_ms - now;
        if (wait <= (double)hold_ms) {
                limit->next_ms += limit->every_ms;
                return (uint64_t)ceil(wait);
        }
        if (limit->behind_ms < limit->next_ms)
                limit->behind_ms = limit->next_ms;
        const double line = fmin(limit->behind_ms - now, LONGEST_MS);
        limit->behind_ms += limit->every_ms;
        return (uint64_t)ceil(line);
}

void limits_time(const struct limits *l, const char *task, unsigned *soft_ms, unsigned *hard_ms)
{
        const struct limit *limit = l->first ? control_limits_find(l, task) : NULL;
        if (!limit || !limit->timed)
                return;
        *soft_ms = limit->soft_ms;
        *hard_ms = limit->hard_ms;
}

const char *limits_rate(const struct limits *l, const char *task)
{
        const struct limit *limit = l->first ? control_limits_find(l, task) : NULL;
        return limit && limit->every_ms > 0 ? limit->shown : NULL;
}
