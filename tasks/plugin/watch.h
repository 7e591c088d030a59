/* SPDX-License-Identifier: Apache-2.0 */
/* Ends a process in which a plug-in's function does not return: on the one loop thread nothing else would run ever again, while the broker's
 * threads keep the connections, and so the messages, alive. It costs two stores a call, and a thread that looks ten times a second. */
#ifndef CHARD_TASKS_PLUGIN_WATCH_H
#define CHARD_TASKS_PLUGIN_WATCH_H

/* Around each call. `task` must live as long as the process. When the end has not come within limit_ms (at least a second; counted while this
 * process runs, not while it is stopped), says so and aborts. The loop thread's. */
void plugin_watch_begin(const char *task, unsigned limit_ms);
void plugin_watch_end(void);

#endif
