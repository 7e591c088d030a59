/* SPDX-License-Identifier: Apache-2.0 */
/* The pictures that a request only names: the store has them, and the model gets them as data: URLs. They are there from just before the call until its answer, and no more of them than
 * PICTURES_MOST in one process: who finds no room waits, holding nothing. */
#include "worker/run/run.h"

#include "core/text/blob_url.h"
#include "core/text/file_kind.h"
#include "message/wire/base64.h"
#include "store/blob.h"
#include "worker/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        PICTURES_MOST = 256 << 20,
        PICTURES_ASKED = 1 << 20 /* counted of one that is asked for */,
        PICTURES_WAIT_MS = 500
};

struct data_url {
        struct data_url *next;
        struct buffer url;
};

void run_drop_pictures(struct run *run)
{
        for (struct data_url *one = run->pictures.first, *next; one; one = next) {
                next = one->next;
                run->worker->picture_bytes -= one->url.size;
                buffer_free(&one->url);
                free(one);
        }
        run->pictures = (struct pictures_part){ 0 };
}

/* Its parts become the run's own, to be written to. 0 or -ENOMEM. */
static int pictures_copy_turns(struct run *run)
{
        struct ai_request *request = run_request(run);
        struct ai_turn *turns = arena_alloc(&run->arena, (request->turn_count + 1) * sizeof(*turns));
        if (!turns)
                return -ENOMEM;
        for (size_t i = 0; i < request->turn_count; i++) {
                const struct ai_turn *t = &request->turns[i];
                struct ai_part *parts = arena_alloc(&run->arena, (t->part_count + 1) * sizeof(*parts));
                if (!parts)
                        return -ENOMEM;
                memcpy(parts, t->parts, t->part_count * sizeof(*parts));
                turns[i] = (struct ai_turn){ t->role, parts, t->part_count };
        }
        request->turns = turns;
        run->pictures.own = true;
        return 0;
}

/* The next part that only names a picture. */
static const struct ai_part *pictures_named(struct run *run)
{
        const struct ai_request *request = run_request(run);
        for (size_t i = 0; i < request->turn_count; i++) {
                const struct ai_turn *t = &request->turns[i];
                for (size_t k = 0; k < t->part_count; k++)
                        if (t->parts[k].kind == AI_IMAGE_URL && blob_url_is(t->parts[k].text))
                                return &t->parts[k];
        }
        return NULL;
}

/* ---- one that has come ---- */

static int pictures_put(struct run *run, struct bytes content)
{
        struct ai_part *part = (struct ai_part *)(uintptr_t)pictures_named(run); /* the run's own */
        struct data_url *one = calloc(1, sizeof(*one));
        const char *media = file_kind_of(content).media;
        if (!one || !buffer_reserve(&one->url, 64 + (content.size + 2) / 3 * 4)) {
                free(one);
                return -ENOMEM;
        }
        buffer_addf(&one->url, "data:%s;base64,", media ? media : "application/octet-stream");
        base64_encode(content, &one->url);
        buffer_add_byte(&one->url, '\0');
        one->next = run->pictures.first;
        run->pictures.first = one;
        run->worker->picture_bytes += one->url.size;
        part->text = (const char *)one->url.data;
        return one->url.failed ? -ENOMEM : 0;
}

/* It goes on later, without what it has. */
static enum step pictures_wait(struct run *run)
{
        run_drop_pictures(run);
        run_wait(run, PICTURES_WAIT_MS);
        return STEP_PAUSE;
}

static enum step pictures_missing(struct run *run)
{
        problem_set(
                run->why, "task", "no_blob",
                "the picture %.76s is not kept any more: it was not uploaded here, or nobody had used it for too long (CHARD_BLOB_KEEP_S); "
                "upload it again and submit a new job",
                pictures_named(run)->text);
        return STEP_DEAD;
}

/* It was read, and may be used: nobody has revoked the task meanwhile, and its lease lasts. */
static enum step pictures_come(struct run *run, struct bytes stored)
{
        const enum step may = control_before_call(run->worker->control, run);
        if (may != STEP_CALL) {
                run_drop_pictures(run);
                return may;
        }
        if (run_lease_spent(run)) {
                run_drop_pictures(run);
                return run_renew_lease(run);
        }
        return pictures_put(run, stored) ? run_out_of_memory(run) : run_with_pictures(run, run->pictures.then);
}

static enum step after_picture(struct run *run, enum store_result result, struct bytes stored)
{
        switch (result) {
        case STORE_CLOSED: return STEP_END;
        case STORE_STARVED: return run_out_of_memory(run);
        case STORE_DONE: break;
        default: return pictures_wait(run);
        }
        if (run->worker->phase >= WORKER_HANDING_BACK)
                return STEP_HAND_BACK;
        if (!stored.data)
                return pictures_missing(run);
        if (run->worker->picture_bytes >= PICTURES_MOST) /* others came first */
                return pictures_wait(run);
        return pictures_come(run, stored);
}

static void on_picture(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)why;
        run->worker->picture_bytes -= PICTURES_ASKED;
        run_go(run, after_picture(run, result, stored));
}

/* ---- asking for the next one ---- */

enum step run_with_pictures(struct run *run, run_then *then)
{
        struct store *store = run->worker->store;
        const struct ai_part *part = pictures_named(run);
        const char *digest = part ? blob_url_digest(part->text) : NULL;
        run->pictures.then = then;
        if (!part)
                return then(run);
        if (!digest)
                return pictures_missing(run);
        if (run->worker->picture_bytes >= PICTURES_MOST)
                return pictures_wait(run);
        if (!run->pictures.own && pictures_copy_turns(run))
                return run_out_of_memory(run);
        run->worker->picture_bytes += PICTURES_ASKED;
        store->blob->get(store, digest, on_picture, run);
        return STEP_WAIT;
}
