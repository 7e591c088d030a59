/* SPDX-License-Identifier: Apache-2.0 */
/* Seals the days of the event store that are over, in their order: store/seal.h. */
#include "duties/duty.h"
#include "store/seal.h"

#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>

enum { SEAL_EVERY_MS = 3600 * 1000, SEAL_AGAIN_MS = 60000 };

struct sealing {
        struct duty_run *run;
        json_t *days; /* what is left of them */
        size_t next;
};

static void seal_next(struct sealing *s);

static int seal_open(struct duty_run *run, struct problem *why)
{
        struct sealing *s = calloc(1, sizeof(*s));
        (void)why;
        if (!s)
                return -ENOMEM;
        s->run = run;
        run->state = s;
        return 0;
}

static void seal_close(struct duty_run *run)
{
        struct sealing *s = (struct sealing *)run->state;
        if (!s)
                return;
        json_decref(s->days);
        free(s);
}

static void seal_end(struct sealing *s, const struct problem *why)
{
        if (why)
                log_warn("duties", "the events of a day could not be sealed, which is tried again: %s", why->text);
        json_decref(s->days);
        s->days = NULL;
        if (why)
                duty_done_for(s->run, SEAL_AGAIN_MS);
        else
                duty_done(s->run);
}

static void on_sealed(json_t *seal, const struct problem *why, void *arg)
{
        struct sealing *s = (struct sealing *)arg;
        if (json_is_object(seal))
                log_info("duties", "the %lld events of %s are sealed: %s", (long long)json_number(seal, "events", 0),
                         json_text(seal, "day", ""), json_text(seal, "chain", ""));
        if (why)
                seal_end(s, why);
        else
                seal_next(s);
}

static void seal_next(struct sealing *s)
{
        struct store *store = s->run->config->store;
        while (json_is_true(json_object_get(json_array_get(s->days, s->next), "sealed")))
                s->next++;
        if (s->next >= json_array_size(s->days) || !duty_leads(s->run) || duty_stopping(s->run))
                seal_end(s, NULL);
        else
                store->seal->make(store, json_text(json_array_get(s->days, s->next++), "day", ""), on_sealed, s);
}

static void on_days(json_t *days, const struct problem *why, void *arg)
{
        struct sealing *s = (struct sealing *)arg;
        s->days = json_incref(days);
        s->next = 0;
        if (why)
                seal_end(s, why);
        else
                seal_next(s);
}

static void seal_round(struct duty_run *run)
{
        run->config->store->seal->days(run->config->store, "next", on_days, run->state);
}

const struct duty duty_seal = {
        .name = "seal",
        .every_ms = SEAL_EVERY_MS,
        .round = seal_round,
        .open = seal_open,
        .close = seal_close,
};
