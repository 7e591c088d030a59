/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/pipeline.h"

#include <string.h>

#define PIPELINE(name) extern const struct pipeline name;
#include "pipelines/pipelines.list"
#undef PIPELINE

#define PIPELINE(name) &name,
const struct pipeline *const pipeline_registry[] = {
#include "pipelines/pipelines.list"
        NULL
};
#undef PIPELINE

const struct pipeline *pipeline_find(const char *name)
{
        for (const struct pipeline *const *p = pipeline_registry; *p; p++)
                if (strcmp((*p)->name, name) == 0)
                        return *p;
        return NULL;
}

static bool has_step(const struct pipeline *p, const char *task)
{
        for (size_t i = 0; p->steps[i]; i++)
                if (strcmp(p->steps[i], task) == 0)
                        return true;
        return false;
}

const struct pipeline *pipeline_of_task(const char *task)
{
        for (const struct pipeline *const *p = pipeline_registry; *p; p++)
                if (has_step(*p, task))
                        return *p;
        return NULL;
}
