/* SPDX-License-Identifier: Apache-2.0 */
/* What Celery's keys in Redis begin with: of one task's result, which is also the channel that it is published on, and of a group or chord. */
#ifndef CHARD_RESULTS_REDIS_KEYS_H
#define CHARD_RESULTS_REDIS_KEYS_H

#define REDIS_TASK_KEY  "celery-task-meta-"
#define REDIS_GROUP_KEY "celery-taskset-meta-"

#endif
