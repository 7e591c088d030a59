/* SPDX-License-Identifier: Apache-2.0 */
/* Places where a test may kill the worker. In every other build they are nothing.
 * CHARD_FAULT=commit/publish:3 kills the process, as SIGKILL does, the third time it goes from commit to publish;
 * CHARD_FAULT_ONCE=FILE makes only the first process that gets there die: it creates FILE first. */
#ifndef CHARD_WORKER_RUN_FAULT_H
#define CHARD_WORKER_RUN_FAULT_H

#ifdef CHARD_FAULT_POINTS
void fault_point(const char *from, const char *to);
#else
#define fault_point(from, to) ((void)0)
#endif

#endif
