/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/offline.h"

#include <stdio.h>
#include <string.h>

void offline_reply(int (*hook)(const struct ai_request *, json_t **, void *, struct problem *), void *arg,
                   const struct ai_request *request, struct ai_reply *reply)
{
        memset(reply, 0, sizeof(*reply));
        reply->verdict = AI_PERMANENT;
        reply->asked = true;
        reply->provider = "offline";
        snprintf(reply->model, sizeof(reply->model), "offline");
        json_t *answer = NULL;
        int result = hook ? hook(request, &answer, arg, &reply->why)
                          : problem_set(&reply->why, "provider", "offline", "the offline provider cannot answer %.60s",
                                        request->task ? request->task : "this");
        if (result < 0)
                problem_set(&reply->why, "provider", "offline", "the offline provider failed: %s", strerror(-result));
        if (result == 0 && request->schema)
                result = ai_schema_check(request->schema, answer, &reply->why);
        if (result != 0) {
                json_decref(answer);
                return;
        }
        reply->verdict = AI_OK;
        reply->content = answer;
}
