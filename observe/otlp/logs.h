/* SPDX-License-Identifier: Apache-2.0 */
/* Has the lines of the log sent to a collector, besides where they go anyway: as they are written, by whichever thread, with level, message, fields, and the ids of trace,
 * span, task and job that are known. Nothing that logs ever waits; what comes faster than it can go is dropped and counted. */
#ifndef CHARD_OBSERVE_OTLP_LOGS_H
#define CHARD_OBSERVE_OTLP_LOGS_H

#include "observe/otlp/export.h"

struct otlp_logs;

/* From now on; one of them a process. `otlp` is borrowed until otlp_logs_close. 0 or -errno. Loop thread. */
int otlp_logs_open(struct otlp_logs **out, uv_loop_t *loop, struct otlp *otlp);

/* No more; what was written is handed to the exporter. The loop must turn until it is idle. NULL: nothing. Loop thread. */
void otlp_logs_close(struct otlp_logs *l);

#endif
