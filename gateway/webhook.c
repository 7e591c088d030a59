/* SPDX-License-Identifier: Apache-2.0 */
/* Who submits a job may have its end told to a URL: the store knows of it before the job's message is published, so that it can't end untold. */
#include "core/id.h"
#include "duties/delivery.h"
#include "gateway/own.h"
#include "store/webhook.h"

#include <string.h>

int webhook_read(const struct gateway *g, const json_t *body, json_t **out, struct problem *why)
{
        json_t *webhook = json_object_get(body, "webhook"), *result_url = json_object_get(body, "result_url");
        *out = webhook ? webhook : result_url;
        if (!*out)
                return 0;
        if ((webhook && result_url) || !json_is_string(*out))
                return problem_set(why, "request", "bad_webhook",
                                   "webhook (or result_url, its other name) must be one URL, as a text");
        if (!g->config.webhooks)
                return problem_set(
                        why, "request", "bad_webhook",
                        "no job's end is told here: that needs CHARD_WEBHOOK_SECRET, at the gateway and at the keeper");
        const int code = delivery_check_url(json_string_value(*out), g->config.webhook_private, why);
        return code < 0 ? problem_set(why, "gateway", "out_of_memory", "out of memory") : code;
}

int webhook_register(const struct exchange *x, struct gateway *g, const json_t *url, const char *job, store_done *done,
                     void *arg, struct problem *why)
{
        struct store *store = jobs_store(g->jobs);
        char id[ID_TEXT_SIZE];
        if (!store->backend->up(store))
                return problem_set(why, "store", "away",
                                   "the store, which keeps whom to tell, is away; nothing was done: ask again");
        id_new(id);
        const struct webhook_wish wish = {
                .id = id, .job_id = job, .url = json_string_value(url), .trace = exchange_trace(x).parent
        };
        store->webhook->add(store, &wish, done, arg);
        return 0;
}

void webhook_problem(const struct problem *why, struct problem *out)
{
        if (why)
                *out = *why;
        else
                problem_set(out, "store", "closed",
                            "the store was closed before it knew whom to tell; nothing was submitted");
}
