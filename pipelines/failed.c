/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/failed.h"

#include "core/json.h"

#include <ctype.h>
#include <stdio.h>

void failed_event_type(const char *pipeline, char out[FAILED_TYPE_SIZE])
{
        snprintf(out, FAILED_TYPE_SIZE, "%.256sFailed", pipeline && *pipeline ? pipeline : "job");
        out[0] = (char)toupper((unsigned char)out[0]);
}

json_t *failed_event_payload(const char *job_id, const char *user_id, const struct problem *why)
{
        return json_pack("{s:s, s:s*, s:{s:s, s:s, s:s}}", "job_id", job_id, "user_id", user_id, "error", "source",
                         why->source, "code", why->code, "text", why->text);
}
