/* SPDX-License-Identifier: Apache-2.0 */
#include "results/results.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct results {
        struct results_sink *sinks;
        struct results_sink *counter; /* the one that counts chords, or NULL */
};

/* ---- opening ---- */

static bool has_scheme(const char *const *scheme, const char *url, size_t length)
{
        for (; *scheme; scheme++)
                if (strlen(*scheme) == length && strncasecmp(*scheme, url, length) == 0)
                        return true;
        return false;
}

void results_add(struct results *r, struct results_sink *takes)
{
        takes->next = r->sinks;
        r->sinks = takes;
        if (takes->backend->chord_part && !r->counter)
                r->counter = takes;
}

static int open_one(struct results *r, const struct results_config *config, const char *url, struct problem *why)
{
        const size_t length = strcspn(url, ":");
        struct results_sink *sink = NULL;
        if (length == strlen("disabled") && strncasecmp(url, "disabled", length) == 0)
                return 0;
        for (const struct results_backend *const *b = results_backends; *b; b++) {
                if (!has_scheme((*b)->schemes, url, length))
                        continue;
                const int rc = (*b)->open(&sink, config, url, why);
                if (rc)
                        return rc;
                sink->backend = *b;
                results_add(r, sink);
                return 0;
        }
        /* The URL may hold a password, and without its scheme nobody can say where. */
        return problem_set(
                why, "results", "bad_url",
                "a result URL must start with rpc://, redis://, rediss://, redis+socket://, sentinel:// or disabled://");
}

int results_open(struct results **out, const struct results_config *config, struct problem *why)
{
        struct results *r = calloc(1, sizeof(*r));
        char *urls = strdup(config->urls && *config->urls ? config->urls : "rpc://");
        int rc = r && urls ? 0 : -ENOMEM;
        if (rc == 0) {
                char *save;
                for (char *url = strtok_r(urls, ", ", &save); url && rc == 0; url = strtok_r(NULL, ", ", &save))
                        rc = open_one(r, config, url, why);
        }
        free(urls);
        if (rc)
                results_close(r);
        else
                *out = r;
        return rc;
}

void results_close(struct results *r)
{
        if (!r)
                return;
        for (struct results_sink *s = r->sinks, *next; s; s = next) {
                next = s->next;
                s->backend->close(s);
        }
        free(r);
}

bool results_may_be_away(const struct results *r)
{
        for (const struct results_sink *s = r->sinks; s; s = s->next)
                if (s->backend->away)
                        return true;
        return false;
}

bool results_away(const struct results *r)
{
        for (const struct results_sink *s = r->sinks; s; s = s->next)
                if (s->backend->away && s->backend->away(s))
                        return true;
        return false;
}

/* ---- storing with all that want it ---- */

bool results_wanted(const struct results *r, const struct results_address *to)
{
        for (const struct results_sink *s = r->sinks; s; s = s->next)
                if (s->backend->wants(s, to))
                        return true;
        return false;
}

struct spread {
        unsigned open;
        enum results_answer worst;
        struct problem why;
        results_done *done;
        void *arg;
};

static void on_stored(enum results_answer answer, const struct problem *why, void *arg)
{
        struct spread *s = (struct spread *)arg;
        if (answer > s->worst) {
                s->worst = answer;
                if (why)
                        s->why = *why;
        }
        if (--s->open > 0)
                return;
        s->done(s->worst, &s->why, s->arg);
        free(s);
}

void results_store(struct results *r, const struct results_address *to, struct bytes meta, results_done *done,
                   void *arg)
{
        struct spread *spread = malloc(sizeof(*spread));
        if (!spread) {
                done(RESULTS_STARVED, NULL, arg);
                return;
        }
        *spread = (struct spread){ .open = 1, .done = done, .arg = arg }; /* not done before all are asked */
        for (struct results_sink *s = r->sinks, *next; s; s = next) {
                next = s->next;
                if (!s->backend->wants(s, to))
                        continue;
                spread->open++;
                s->backend->store(s, to, meta, on_stored, spread);
        }
        on_stored(RESULTS_DONE, NULL, spread);
}

/* ---- chords ---- */

bool results_chords(const struct results *r)
{
        return r->counter != NULL;
}

void results_chord_begin(struct results *r, const char *group_id, size_t size, struct bytes saved, results_done *done,
                         void *arg)
{
        r->counter->backend->chord_begin(r->counter, group_id, size, saved, done, arg);
}

void results_chord_more(struct results *r, const char *group_id, const char *who, size_t size, results_done *done,
                        void *arg)
{
        r->counter->backend->chord_more(r->counter, group_id, who, size, done, arg);
}

void results_chord_part(struct results *r, const struct chord_part *part, chord_done *done, void *arg)
{
        r->counter->backend->chord_part(r->counter, part, done, arg);
}

void results_chord_restore(struct results *r, const char *group_id, size_t size, struct bytes parts, results_done *done,
                           void *arg)
{
        r->counter->backend->chord_restore(r->counter, group_id, size, parts, done, arg);
}

void results_chord_end(struct results *r, const char *group_id, const char *task_id, bool failed, results_done *done,
                       void *arg)
{
        r->counter->backend->chord_end(r->counter, group_id, task_id, failed, done, arg);
}
