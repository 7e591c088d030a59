/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/offline.h"

int offline_answer(const struct task *task, const struct ai_request *request, json_t **answer, struct problem *why)
{
        struct arena arena = { 0 };
        const struct task_input in = { .document = request->facts, .arena = &arena, .task = task };
        if (!task || !task->def->offline)
                return problem_set(
                        why, "task", "no_offline_answer",
                        "task %s has no answer for the offline provider; set an endpoint (OPENAI_BASE_URL) or a key",
                        request->task);
        const int rc = task->def->offline(&in, answer, why);
        arena_free(&arena);
        return rc;
}
