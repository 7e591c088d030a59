/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/offline.h"

#include "tasks/task.h"

int offline_answer(const struct ai_request *request, json_t **answer, struct problem *why)
{
        const struct task_def *def = task_find(request->task);
        if (!def || !def->offline)
                return problem_set(
                        why, "task", "no_offline_answer",
                        "task %s has no answer for the offline provider; set an endpoint (OPENAI_BASE_URL) or a key",
                        request->task);
        return def->offline(request, answer, why);
}
