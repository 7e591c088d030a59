/* SPDX-License-Identifier: Apache-2.0 */
/* Which tasks and pipelines this program has: whoever adds some names them here. */
#include "pipelines/pipeline.h"
#include "tasks/builtin/builtin.h"
#include "tasks/waste/waste.h"

extern const struct pipeline pipeline_scan, pipeline_chat, pipeline_my;

const struct domain *const shipped_domains[] = { &waste, &builtin, NULL };

const struct pipeline *const shipped_pipelines[] = { &pipeline_scan, &pipeline_chat, &pipeline_my, NULL };

void shipped_views(const struct fact_view *lists[], size_t most)
{
        size_t count = 0;
        for (const struct domain *const *d = shipped_domains; *d && count + 1 < most; d++)
                if ((*d)->views)
                        lists[count++] = (*d)->views;
        lists[count] = NULL;
}
