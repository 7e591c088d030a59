/* SPDX-License-Identifier: Apache-2.0 */
#include "core/absence.h"

#include "core/log.h"
#include "core/text/utf8.h"

#include <stdio.h>
#include <string.h>

enum { FLAPS_EVERY_MS = 60000 };

void absence_init(struct absence *o, const char *area, const char *what, const char *then)
{
        *o = (struct absence){ .area = area, .what = what, .then = then };
        pthread_mutex_init(&o->lock, NULL);
}

void absence_destroy(struct absence *o)
{
        pthread_mutex_destroy(&o->lock);
}

static void absence_tell(struct absence *o)
{
        o->told = true;
        log_warn(o->area, "%s away: %s%s", o->what, *o->why ? o->why : "no answer", o->then);
}

/* It came and went too soon to be told each time. */
static void absence_fold(struct absence *o, uint64_t now_ms)
{
        if (o->folded++ == 0)
                o->folded_ms = now_ms;
        if (now_ms - o->folded_ms < FLAPS_EVERY_MS)
                return;
        log_warn(o->area, "%s comes and goes: %u times in %llu s, now: %s", o->what, o->folded,
                 (unsigned long long)(now_ms - o->folded_ms) / 1000, *o->why ? o->why : "no answer");
        o->folded = 0;
}

static void absence_begin(struct absence *o, const char *why, uint64_t now_ms)
{
        o->lost_ms = now_ms;
        snprintf(o->why, sizeof(o->why), "%s", why ? why : "");
        utf8_repair(o->why, strlen(o->why) == sizeof(o->why) - 1);
        if (o->back_ms && now_ms - o->back_ms < ABSENCE_FOLD_MS)
                absence_fold(o, now_ms);
        else
                absence_tell(o);
}

static void absence_look_locked(struct absence *o, uint64_t now_ms)
{
        if (o->parts && !o->told && now_ms - o->lost_ms >= ABSENCE_FOLD_MS)
                absence_tell(o);
}

void absence_lost(struct absence *o, unsigned part, const char *why, uint64_t now_ms)
{
        pthread_mutex_lock(&o->lock);
        const bool begins = !o->parts;
        o->parts |= part;
        if (begins)
                absence_begin(o, why, now_ms);
        else
                absence_look_locked(o, now_ms);
        pthread_mutex_unlock(&o->lock);
}

void absence_back(struct absence *o, unsigned part, uint64_t now_ms)
{
        pthread_mutex_lock(&o->lock);
        const bool was_away = o->parts;
        o->parts &= ~part;
        if (was_away && !o->parts) {
                if (o->told)
                        log_info(o->area, "%s is back, after %.1f s", o->what, (double)(now_ms - o->lost_ms) / 1000);
                o->told = false;
                o->back_ms = now_ms;
        }
        pthread_mutex_unlock(&o->lock);
}

void absence_look(struct absence *o, uint64_t now_ms)
{
        pthread_mutex_lock(&o->lock);
        absence_look_locked(o, now_ms);
        pthread_mutex_unlock(&o->lock);
}
