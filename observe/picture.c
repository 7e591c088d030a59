/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/picture.h"

#include "core/json.h"

#include <string.h>

/* ---- rows ---- */

const char *picture_role(const json_t *row)
{
        const char *role = json_text(json_object_get(row, "state"), "role", "");
        return strcmp(role, "keeper") == 0 ? "keeper" : "worker";
}

const char *picture_state(const json_t *row)
{
        const json_t *state = json_object_get(row, "state");
        if (json_number(row, "age_ms", 0) > PICTURE_SILENT_MS)
                return strcmp(json_text(state, "why", ""), "stopping") == 0 ? "stopped" : "dead";
        return json_is_true(json_object_get(state, "consuming")) ? "consuming" : "not_consuming";
}

static bool picture_is_live_worker(const json_t *row)
{
        return strcmp(picture_role(row), "worker") == 0 && json_number(row, "age_ms", 0) <= PICTURE_SILENT_MS &&
               json_object_size(json_object_get(row, "state")) > 0;
}

/* Add what one worker has of the queue. */
static void picture_add(struct picture *p, const char *queue, const json_t *row, int64_t *taken_ms)
{
        const json_t *queues = json_object_get(json_object_get(row, "state"), "queues");
        const json_t *own = json_object_get(queues, queue);
        if (!queues) { /* of another version, that does not say it */
                p->in_flight = p->slots_free = -1;
                return;
        }
        if (p->in_flight < 0 || !own)
                return;
        p->in_flight += json_number(own, "in_hand", 0);
        p->slots_free += json_number(own, "slots_free", 0);
        if (json_number(own, "taken_ms", 0) > *taken_ms)
                *taken_ms = json_number(own, "taken_ms", 0);
}

/* ---- the picture ---- */

/* Whatever is still there came after what was taken last: queues are first in, first out. */
static int64_t picture_age_ms(const struct picture *p, const struct queue_depth *depth, int64_t taken_ms,
                              int64_t now_ms)
{
        const int64_t since_ms = depth && depth->oldest_ms ? depth->oldest_ms : taken_ms;
        if (p->ready == 0)
                return 0;
        if (p->ready < 0 || since_ms == 0)
                return -1;
        return now_ms > since_ms ? now_ms - since_ms : 0;
}

struct picture picture_of(const char *queue, const struct queue_depth *depth, const json_t *rows, int64_t now_ms,
                          int64_t *taken_ms)
{
        struct picture p = { .missing = depth && depth->missing, .ready = depth ? depth->ready : -1 };
        size_t i;
        const json_t *row;
        if (!rows)
                p.in_flight = p.slots_free = -1;
        json_array_foreach(rows, i, row)
                if (picture_is_live_worker(row))
                        picture_add(&p, queue, row, taken_ms);
        p.oldest_age_ms = picture_age_ms(&p, depth, *taken_ms, now_ms);
        return p;
}

const char *picture_lacks(const struct picture *p)
{
        return p->ready < 0        ? "how many messages are ready"
               : p->in_flight < 0  ? "how many messages workers have in hand"
               : p->slots_free < 0 ? "how many slots are free"
                                   : NULL;
}

json_t *picture_json(const struct picture *p)
{
        return json_pack("{s:I, s:I, s:o, s:I}", "ready", (json_int_t)p->ready, "in_flight", (json_int_t)p->in_flight,
                         "oldest_age_s",
                         p->oldest_age_ms < 0 ? json_null() : json_real((double)p->oldest_age_ms / 1000), "slots_free",
                         (json_int_t)p->slots_free);
}
