/* SPDX-License-Identifier: Apache-2.0 */
/* Works that failed, but not for their data, while the transaction around them went on. Each waits here for its own time, and is repeated
 * after a pause that grows, for as long as it takes.
 *
 *   - While one is parked, the file counts as one that takes nothing, which is told once and stops the intake, until works of the same
 *     verb are stored.
 *   - One that fails while others of its verb are stored is the only one that can't be: it is told, waits alone and holds nobody up.
 *   - When nobody else came, one that is the only one that waits lets others in again after a few tries: they will show.
 *
 * What only asks is refused after a few tries instead, and never counts as a loss of the file. */
#include "core/backoff.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/sqlite/engine.h"

enum {
        PAUSE_FLOOR_MS = 50,
        PAUSE_BASE_MS = 100,
        PAUSE_CAP_MS = 1000,
        ALONE_CAP_MS = 10000, /* each try has its neighbours done one by one */
        TRIES_BEFORE_TRIAL = 7,
        ASK_TRIES = 5,
};

bool sqlite_is_patient(const struct sqlite_work *w)
{
        return !w->verb->reads && !w->verb->asks;
}

static struct sqlite_work *sqlite_setback_after(const struct sqlite_work *w)
{
        return (struct sqlite_work *)w->mail.next;
}

/* Nothing else waits to be written. */
static bool sqlite_setback_is_only_one(const struct sqlite_engine *e)
{
        for (const struct sqlite_work *w = e->parked; w; w = sqlite_setback_after(w))
                if (sqlite_is_patient(w))
                        return false;
        return !e->first;
}

static const char *sqlite_setback_about(const struct sqlite_work *w)
{
        const char *what = w->verb->about ? w->verb->about(w) : NULL;
        return what ? what : "a piece of work";
}

static void sqlite_setback_tell_alone(const struct sqlite_engine *e, struct sqlite_work *w)
{
        w->setback.alone = true;
        log_warn("sqlite", "file=%s %s: %s can't be stored, and waits alone: %s", e->path,
                 w->verb->name ? w->verb->name : "work", sqlite_setback_about(w), w->why.text);
}

static void sqlite_setback_judge(const struct sqlite_engine *e, struct sqlite_work *w)
{
        if (w->setback.alone || !sqlite_is_patient(w))
                return;
        if (w->setback.overtaken || (w->setback.tries >= TRIES_BEFORE_TRIAL && sqlite_setback_is_only_one(e)))
                sqlite_setback_tell_alone(e, w);
}

void sqlite_park(struct sqlite_engine *e, struct sqlite_work *w)
{
        w->setback.tries++;
        if (!sqlite_is_patient(w) && w->setback.tries >= ASK_TRIES) {
                sqlite_end(w, SQLITE_END_REFUSED);
                return;
        }
        sqlite_setback_judge(e, w);
        w->setback.overtaken = false;
        w->setback.due_ms = clock_mono_ms() + PAUSE_FLOOR_MS +
                            backoff_ms(PAUSE_BASE_MS, w->setback.alone ? ALONE_CAP_MS : PAUSE_CAP_MS, w->setback.tries,
                                       sqlite_random(e));
        w->mail.next = e->parked ? &e->parked->mail : NULL;
        e->parked = w;
}

void sqlite_overtake(struct sqlite_engine *e, const struct sqlite_verb *verb)
{
        for (struct sqlite_work *w = e->parked; w; w = sqlite_setback_after(w)) {
                if (w->verb != verb)
                        continue;
                w->setback.overtaken = true;
                if (!w->setback.alone)
                        w->setback.due_ms = 0;
        }
}

void sqlite_unpark(struct sqlite_engine *e, uint64_t now_ms)
{
        struct sqlite_work *w = e->parked;
        e->parked = NULL;
        while (w) {
                struct sqlite_work *next = sqlite_setback_after(w);
                w->mail.next = NULL;
                if (w->setback.due_ms <= now_ms) {
                        sqlite_append(e, w);
                } else {
                        w->mail.next = e->parked ? &e->parked->mail : NULL;
                        e->parked = w;
                }
                w = next;
        }
}

int sqlite_parked_wait(const struct sqlite_engine *e, uint64_t now_ms, int most)
{
        for (const struct sqlite_work *w = e->parked; w; w = sqlite_setback_after(w)) {
                const uint64_t left = w->setback.due_ms > now_ms ? w->setback.due_ms - now_ms : 0;
                if (most < 0 || left < (uint64_t)most)
                        most = (int)left;
        }
        return most;
}

void sqlite_parked_close(struct sqlite_engine *e, const struct sqlite_file *file)
{
        struct sqlite_work *w = e->parked;
        e->parked = NULL;
        while (w) {
                struct sqlite_work *next = sqlite_setback_after(w);
                if (w->file == file) {
                        sqlite_end(w, SQLITE_END_CLOSED);
                } else {
                        w->mail.next = e->parked ? &e->parked->mail : NULL;
                        e->parked = w;
                }
                w = next;
        }
}

const char *sqlite_stuck(const struct sqlite_engine *e)
{
        for (const struct sqlite_work *w = e->parked; w; w = sqlite_setback_after(w))
                if (!w->setback.alone && sqlite_is_patient(w))
                        return w->why.text;
        return NULL;
}
