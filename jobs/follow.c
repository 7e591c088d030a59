/* SPDX-License-Identifier: Apache-2.0 */
/* Following jobs. The store numbers what happens to a job; here is who has been told up to which number. One question to the store is under way at a time,
 * for all jobs that anybody follows; its answer is shared out. Where the store can't tell that something has changed it is asked 15 ms after its last answer, or
 * later where so many jobs are followed that to look at them all takes it a while. How long the answer took says nothing of what it cost: on a busy
 * machine a question waits for its turn, and asking less often would only add to the delay. */
#include "core/json.h"
#include "core/map.h"
#include "jobs/own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLLOW_EVERY_MS = 15, FOLLOW_TOLD_MS = 500, FOLLOW_JOBS_A_MS = 20, FOLLOW_FULL = 500 };

/* A job, and who follows it. */
struct topic {
        struct job_watch *watch;
        struct topic *next;
        struct follower *followers;
        int64_t version; /* of the job, as its followers were told it; 0: none yet */
        bool anew;       /* somebody has come since the question */
        size_t told;     /* steps of the answer that is being shared out */
        char id[];
};

struct follower {
        struct topic *topic;
        struct follower *next;
        uint64_t position; /* told up to here */
        follow_tell *tell;
        void *arg;
        bool seen;      /* the step at its position has been seen: told, or come again for who begins after it */
        bool told_all;  /* that nothing follows */
        char state[16]; /* of the job, where that step is its end; or "" */
        bool gone;
};

struct job_watch {
        struct store *store;
        struct map *by_id;
        struct topic *topics;
        uv_timer_t timer;
        bool told;                /* the store says when something has changed */
        bool asking, again;       /* a question is under way; something has changed since */
        bool telling;             /* followers are being told: who goes is taken out afterwards */
        bool closed, gone;        /* closed; the timer is gone */
        struct job_follow *asked; /* memory of the question */
        size_t capacity;
};

static void watch_ask(struct job_watch *w);

static void watch_free(struct job_watch *w)
{
        if (!w->closed || !w->gone || w->asking || w->telling)
                return;
        map_free(w->by_id);
        free(w->asked);
        free(w);
}

static void on_timer_gone(uv_handle_t *handle)
{
        struct job_watch *w = (struct job_watch *)handle->data;
        w->gone = true;
        watch_free(w);
}

static void on_follow_timer(uv_timer_t *timer)
{
        watch_ask((struct job_watch *)timer->data);
}

static void on_touched(void *arg)
{
        struct job_watch *w = (struct job_watch *)arg;
        if (w->asking || w->telling)
                w->again = true;
        else
                watch_ask(w);
}

static struct job_watch *watch_new(struct jobs *j)
{
        struct job_watch *w = calloc(1, sizeof(*w));
        if (!w || map_new(&w->by_id)) {
                free(w);
                return NULL;
        }
        w->store = j->store;
        uv_timer_init(j->loop, &w->timer);
        w->timer.data = w;
        w->told = w->store->read->on_touched(w->store, on_touched, w);
        return w;
}

/* ---- asking ---- */

/* From where the one begins who has been told least. Who comes back after a step needs that one too: it may have been the end. */
static int64_t topic_after(const struct topic *t)
{
        uint64_t least = UINT64_MAX;
        for (const struct follower *f = t->followers; f; f = f->next) {
                const uint64_t after = f->seen || f->position == 0 ? f->position : f->position - 1;
                least = after < least ? after : least;
        }
        return least > INT64_MAX ? INT64_MAX : (int64_t)least;
}

static bool watch_grow(struct job_watch *w)
{
        if (map_count(w->by_id) <= w->capacity)
                return true;
        const size_t capacity = 2 * map_count(w->by_id);
        struct job_follow *asked = realloc(w->asked, capacity * sizeof(*asked));
        if (!asked)
                return false;
        w->asked = asked;
        w->capacity = capacity;
        return true;
}

static void watch_pause(struct job_watch *w)
{
        uint64_t wait_ms = w->told ? FOLLOW_TOLD_MS : FOLLOW_EVERY_MS;
        if (map_count(w->by_id) / FOLLOW_JOBS_A_MS > wait_ms)
                wait_ms = map_count(w->by_id) / FOLLOW_JOBS_A_MS;
        if (w->again)
                wait_ms = 0;
        w->again = false;
        if (w->topics)
                uv_timer_start(&w->timer, on_follow_timer, wait_ms, 0);
}

/* ---- telling ---- */

static void follower_see(struct follower *f, const struct job_news *news)
{
        f->position = news->position;
        f->seen = true;
        f->told_all = false;
        snprintf(f->state, sizeof(f->state), "%.15s", news->ended ? json_text(news->step, "state", "") : "");
}

static void topic_tell(struct topic *t, const json_t *step)
{
        const uint64_t position = (uint64_t)json_number(step, "position", 0);
        const struct job_news news = {
                .job = t->id,
                .position = position,
                .step = step,
                .ended = strcmp(json_text(step, "kind", ""), "job") == 0,
        };
        t->told++;
        for (struct follower *f = t->followers; f && !t->watch->closed; f = f->next) {
                /* who is taken out stays in the list while we tell */
                if (f->gone || f->position + 1 < position || (f->seen && f->position == position) ||
                    f->position > position)
                        continue;
                const bool fresh = f->position != position;
                follower_see(f, &news);
                if (fresh)
                        f->tell(&news, NULL, f->arg);
        }
}

/* The answer held all that there is: where that ends with the job's end, nothing follows. */
static void topic_tell_all(struct topic *t)
{
        for (struct follower *f = t->followers; f && !t->watch->closed; f = f->next) {
                if (f->gone || f->told_all || !f->state[0])
                        continue;
                f->told_all = true;
                const struct job_news news = {
                        .job = t->id, .position = f->position, .ended = true, .state = f->state
                };
                f->tell(&news, NULL, f->arg);
        }
}

/* All of this version has been told, to those who were there when it was asked for. */
static void topic_told(struct topic *t, const json_t *row)
{
        if (!t->anew)
                t->version = json_number(row, "version", 0);
}

static void watch_tell_why(const struct job_watch *w, const struct problem *why)
{
        for (struct topic *t = w->topics; t && !w->closed; t = t->next)
                for (struct follower *f = t->followers; f && !w->closed; f = f->next)
                        if (!f->gone)
                                f->tell(NULL, why, f->arg);
}

/* Take out who has gone, or everybody. */
static void topic_sweep(struct topic *topic, bool all)
{
        for (struct follower **f = &topic->followers; *f;) {
                struct follower *follower = *f;
                if (!follower->gone && !all) {
                        f = &follower->next;
                        continue;
                }
                *f = follower->next;
                free(follower);
        }
}

/* Take out who has gone, and jobs that nobody follows any more. */
static void watch_sweep(struct job_watch *w)
{
        for (struct topic **t = &w->topics; *t;) {
                struct topic *topic = *t;
                topic_sweep(topic, w->closed);
                if (topic->followers) {
                        t = &topic->next;
                        continue;
                }
                *t = topic->next;
                map_take(w->by_id, topic->id);
                free(topic);
        }
}

static void watch_share(struct job_watch *w, const json_t *steps)
{
        size_t i;
        json_t *step;
        json_array_foreach(steps, i, step) {
                struct topic *t = w->closed ? NULL : map_get(w->by_id, json_text(step, "job", ""));
                const bool all = json_is_integer(json_object_get(step, "version"));
                json_object_del(step, all ? "" : "version");
                if (t && all)
                        topic_told(t, step);
                else if (t)
                        topic_tell(t, step);
                /* a full page: more of it is there */
                w->again = w->again || (t && t->told >= FOLLOW_FULL);
        }
        for (struct topic *t = w->topics; t && !w->closed; t = t->next)
                if (t->told < FOLLOW_FULL)
                        topic_tell_all(t);
}

static void on_steps(json_t *steps, const struct problem *why, void *arg)
{
        struct job_watch *w = (struct job_watch *)arg;
        w->asking = false;
        w->telling = true;
        for (struct topic *t = w->topics; t; t = t->next)
                t->told = 0;
        if (!w->closed && why)
                watch_tell_why(w, why);
        else if (!w->closed)
                watch_share(w, steps);
        w->telling = false;
        watch_sweep(w);
        if (w->closed)
                watch_free(w);
        else
                watch_pause(w);
}

static void watch_ask(struct job_watch *w)
{
        size_t count = 0;
        if (w->closed || w->asking)
                return;
        watch_sweep(w);
        if (!w->topics)
                return;
        if (!watch_grow(w)) {
                watch_pause(w);
                return;
        }
        for (struct topic *t = w->topics; t; t = t->next) {
                w->asked[count++] = (struct job_follow){ .id = t->id, .after = topic_after(t), .version = t->version };
                t->anew = false;
        }
        w->asking = true;
        w->again = false;
        w->store->read->job_follow(w->store, w->asked, count, on_steps, w);
}

void watch_close(struct job_watch *w)
{
        w->closed = true;
        w->store->read->on_touched(w->store, NULL, NULL);
        uv_close((uv_handle_t *)&w->timer, on_timer_gone);
        if (!w->telling)
                watch_sweep(w);
}

/* ---- followers ---- */

static struct topic *topic_of(struct job_watch *w, const char *id)
{
        struct topic *t = map_get(w->by_id, id);
        if (t)
                return t;
        const size_t size = strlen(id) + 1;
        t = calloc(1, sizeof(*t) + size);
        if (!t)
                return NULL;
        t->watch = w;
        memcpy(t->id, id, size);
        if (map_put(w->by_id, t->id, t)) {
                free(t);
                return NULL;
        }
        t->next = w->topics;
        w->topics = t;
        return t;
}

int jobs_follow(struct jobs *j, const char *id, uint64_t after, follow_tell *tell, void *arg, struct follower **out,
                struct problem *why)
{
        if (!j->store || j->closing)
                return jobs_without(why, "store");
        if (!j->watch && !(j->watch = watch_new(j)))
                return -ENOMEM;
        struct follower *f = calloc(1, sizeof(*f));
        struct topic *t = f ? topic_of(j->watch, id) : NULL;
        if (!t) {
                free(f);
                return -ENOMEM;
        }
        *f = (struct follower){ .topic = t, .next = t->followers, .position = after, .tell = tell, .arg = arg };
        t->followers = f;
        t->version = 0;
        t->anew = true;
        *out = f;
        if (j->watch->asking || j->watch->telling)
                j->watch->again = true;
        else
                uv_timer_start(&j->watch->timer, on_follow_timer, 0, 0);
        return 0;
}

void jobs_unfollow(struct follower *f)
{
        f->gone = true; /* taken out before the store is asked the next time */
}
