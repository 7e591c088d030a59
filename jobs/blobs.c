/* SPDX-License-Identifier: Apache-2.0 */
/* A job whose input names pictures that the store keeps: they count as used from its submit on, before its message is published, so that they are there when a worker asks for them. */
#include "core/json.h"
#include "core/text/blob_url.h"
#include "jobs/own.h"
#include "pipelines/pipeline.h"
#include "store/blob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct blob_wait {
        struct blob_wait *next;
        struct jobs *jobs; /* NULL once they were closed, and `done` was called */
        struct message *message;
        jobs_submitted *done;
        void *arg;
        struct blob_touch touch;
        char digests[BLOB_TOUCHES][BLOB_DIGEST_SIZE];
        char id[JOBS_ID_SIZE];
};

/* Those that the input names. 0, or 1 with `why`: it names what is none. */
static int blobs_named(const struct pipeline *p, const json_t *input, struct blob_wait *out, struct problem *why)
{
        for (const struct input_key *key = p->input; key && key->name; key++) {
                const char *url = key->kind == INPUT_URL ? json_text(input, key->name, "") : "";
                const char *digest = blob_url_digest(url);
                if (blob_url_is(url) && !digest)
                        return problem_set(why, "pipeline", "bad_input",
                                           "\"%s\" must be a URL as an upload gives it, blob:sha256: and 64 digits",
                                           key->name);
                if (!digest || out->touch.count == BLOB_TOUCHES)
                        continue;
                char *to = out->digests[out->touch.count];
                out->touch.digests[out->touch.count++] = memcpy(to, digest, BLOB_DIGEST_SIZE);
        }
        return 0;
}

static void blob_wait_end(struct blob_wait *w)
{
        for (struct blob_wait **at = w->jobs ? &w->jobs->blob_waits : NULL; at && *at; at = &(*at)->next) {
                if (*at == w) {
                        *at = w->next;
                        break;
                }
        }
        message_free(w->message);
        free(w);
}

static void blob_wait_go(struct blob_wait *w)
{
        struct problem why;
        struct message *message = w->message;
        w->message = NULL;
        const int code = hand_over(w->jobs, message, w->id, w->done, w->arg, &why);
        if (code < 0)
                problem_set(&why, "jobs", "out_of_memory", "out of memory");
        if (code)
                w->done(w->id, &why, w->arg);
}

/* A store that can't say goes on forgetting nothing meanwhile: the job is sent. */
static void on_blobs_touched(json_t *answer, const struct problem *failed, void *arg)
{
        struct blob_wait *w = (struct blob_wait *)arg;
        struct problem why;
        const char *missing = json_text(json_array_get(answer, 0), "digest", NULL);
        (void)failed;
        if (w->jobs && missing) {
                problem_set(&why, "pipeline", "no_blob",
                            "no picture is kept as blob:sha256:%.64s: it was not uploaded, or nobody has used it for "
                            "too long; upload it again",
                            missing);
                w->done(w->id, &why, w->arg);
        } else if (w->jobs) {
                blob_wait_go(w);
        }
        blob_wait_end(w);
}

int blobs_hand_over(struct jobs *j, const struct job_request *request, struct message *takes, const char *id,
                    jobs_submitted *done, void *arg, struct problem *why)
{
        const struct pipeline *p = catalog_pipeline(j->catalog, request->pipeline);
        struct blob_wait *w = NULL, found = { 0 };
        const int code = blobs_named(p, request->input, &found, why);
        const bool asks = code == 0 && found.touch.count > 0 && j->store && j->store->backend->up(j->store);
        if (code == 0 && !asks)
                return hand_over(j, takes, id, done, arg, why);
        w = code ? NULL : calloc(1, sizeof(*w));
        if (!w) {
                message_free(takes);
                return code ? code : -ENOMEM;
        }
        w->jobs = j;
        w->next = j->blob_waits;
        j->blob_waits = w;
        w->message = takes;
        w->done = done;
        w->arg = arg;
        snprintf(w->id, sizeof(w->id), "%s", id);
        (void)blobs_named(p, request->input, w, why);
        j->store->blob->touch(j->store, &w->touch, on_blobs_touched, w);
        return 0;
}

void blobs_leave(struct jobs *j)
{
        struct problem why;
        while (j->blob_waits) {
                struct blob_wait *w = j->blob_waits;
                j->blob_waits = w->next;
                w->jobs = NULL;
                problem_set(&why, "jobs", "closed", "this was closed before it was sent: it was not submitted");
                w->done(w->id, &why, w->arg);
        }
}
