/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHARD_TASKS_BUILTIN_BUILTIN_H
#define CHARD_TASKS_BUILTIN_BUILTIN_H

#include "tasks/domain.h"

/* What every worker knows: Celery's own tasks, and those that try a fleet out. */
extern const struct domain builtin;

#endif
