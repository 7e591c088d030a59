/* SPDX-License-Identifier: Apache-2.0 */
/* How long a job may stand still. */
#ifndef CHARD_DUTIES_SWEEP_H
#define CHARD_DUTIES_SWEEP_H

#include "catalog/catalog.h"
#include "pipelines/pipeline.h"

/* What a pipeline's tasks may take all together: deadlines of all attempts and the longest back-offs. `deadline_ms` in place of each task's own, or 0. */
int64_t sweep_pipeline_ms(const struct catalog *catalog, const struct pipeline *p, unsigned deadline_ms);

#endif
