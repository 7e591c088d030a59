/* SPDX-License-Identifier: Apache-2.0 */
/* What a wave shows in read models is written before its step: ended in between, it is written again, under the same versions, which changes nothing. */
#include "consumers/consuming.h"

#include "core/backoff.h"
#include "core/log.h"

#include <stdlib.h>
#include <string.h>

enum { PROJECT_BASE_MS = 200, PROJECT_DOUBLINGS = 5 };

void consuming_forget_models(struct consuming *c)
{
        json_decref(c->history);
        free(c->writes);
        free(c->writers);
        c->history = NULL;
        c->writes = NULL;
        c->writers = NULL;
        c->write_count = 0;
}

/* ---- what is to be written ---- */

static size_t project_count(const struct batch *b)
{
        size_t count = 0;
        for (size_t i = 0; i < b->count; i++)
                for (const struct document *d = b->list[i].state == HEARD_NOW ? b->list[i].outcome.documents : NULL; d;
                     d = d->next)
                        count++;
        return count;
}

/* A document says which trace its last event was of. */
static void project_trace(const struct heard *h, const struct document *d)
{
        enum { AT = 3, SIZE = 32 };
        if (d->value && h->trace.parent && strlen(h->trace.parent) > AT + SIZE)
                json_object_set_new(d->value, "trace_id", json_stringn(h->trace.parent + AT, SIZE));
}

static void project_add(struct consuming *c, struct heard *h)
{
        for (const struct document *d = h->outcome.documents; d; d = d->next) {
                project_trace(h, d);
                c->writers[c->write_count] = h;
                c->writes[c->write_count++] =
                        (struct model_write){ .model = consumer_model(c->what->def, d->model), .document = d };
        }
}

static bool project_gather(struct consuming *c, size_t count)
{
        free(c->writes);
        free(c->writers);
        c->write_count = 0;
        c->writes = calloc(count, sizeof(*c->writes));
        c->writers = calloc(count, sizeof(struct heard *));
        if (!c->writes || !c->writers)
                return false;
        for (size_t i = 0; i < c->batch.count; i++)
                if (c->batch.list[i].state == HEARD_NOW && c->batch.list[i].verdict == HEARD_ACTS)
                        project_add(c, &c->batch.list[i]);
        return true;
}

/* ---- what came of it ---- */

static void project_fail(struct consuming *c, const struct problem *why)
{
        batch_unmark(&c->batch, HEARD_OPEN);
        consuming_complain(c, "its read model can't be written", why);
        consuming_wait(c, (uint64_t)PROJECT_BASE_MS << c->model_setbacks);
        if (c->model_setbacks < PROJECT_DOUBLINGS)
                c->model_setbacks++;
}

/* Of several documents of one event the first that went wrong says what becomes of it. */
static int project_judge(struct consuming *c, struct heard *h, const struct model_write *w)
{
        const struct thinking t = consuming_thinking(c, NULL);
        if (h->verdict != HEARD_ACTS || w->end == MODEL_WRITTEN || w->end == MODEL_NEWER)
                return 0;
        return w->end == MODEL_REFUSED ? think_refused(h, &t, &w->why) : think_later(h, &w->why);
}

static void project_on_written(const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        int rc = 0;
        c->busy = false;
        if (why) {
                project_fail(c, why);
                return;
        }
        c->model_setbacks = 0;
        for (size_t i = 0; rc == 0 && i < c->write_count; i++)
                rc = project_judge(c, c->writers[i], &c->writes[i]);
        if (rc == 0)
                consuming_step(c);
        else
                project_fail(c, NULL);
}

void consuming_project(struct consuming *c)
{
        const size_t count = project_count(&c->batch);
        if (count == 0) {
                consuming_step(c);
                return;
        }
        if (!project_gather(c, count)) {
                project_fail(c, NULL);
                return;
        }
        if (c->write_count == 0) {
                consuming_step(c);
                return;
        }
        c->busy = true;
        if (models_write(c->models, consuming_name(c), c->writes, c->write_count, project_on_written, c) == 0)
                return;
        c->busy = false;
        project_fail(c, NULL);
}
