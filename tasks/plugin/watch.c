/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plugin/watch.h"

#include "core/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { TICK_MS = 100, LEAST_MS = 1000 };

/* One a process, as the loop thread is. */
static struct {
        atomic_uint_fast64_t call; /* its number, 0 = none is under way; the others are written before it */
        _Atomic(const char *) task;
        atomic_uint limit_ms;
        uint64_t calls; /* the loop thread's */
        bool started;   /* the loop thread's */
} watch;

static void plugin_watch_give_up(void)
{
        log_error(
                "plugin",
                "a function of the task %s has not returned for %u ms, so nothing else can run: this process ends. Its messages go back to the "
                "broker; the task dies as poison when it was started too often",
                atomic_load(&watch.task), atomic_load(&watch.limit_ms));
        abort(); /* the core shows where it hung */
}

static void *plugin_watch_look(void *arg)
{
        const struct timespec tick = { 0, TICK_MS * 1000000L };
        uint64_t seen = 0, waited_ms = 0;
        (void)arg;
        for (;;) {
                nanosleep(&tick, NULL);
                const uint64_t call = atomic_load(&watch.call);
                waited_ms = call && call == seen ? waited_ms + TICK_MS : 0;
                seen = call;
                if (waited_ms > atomic_load(&watch.limit_ms) && atomic_load(&watch.call) == call)
                        plugin_watch_give_up();
        }
        return NULL;
}

/* Without the thread there is no watch: not worth refusing work for. */
static void plugin_watch_start(void)
{
        pthread_t thread;
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, plugin_watch_look, NULL) == 0)
                pthread_detach(thread);
        else
                log_warn("plugin", "no thread could be started to watch the plug-ins' functions");
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void plugin_watch_begin(const char *task, unsigned limit_ms)
{
        if (!watch.started) {
                watch.started = true;
                plugin_watch_start();
        }
        atomic_store(&watch.task, task);
        atomic_store(&watch.limit_ms, limit_ms > LEAST_MS ? limit_ms : LEAST_MS);
        atomic_store(&watch.call, ++watch.calls);
}

void plugin_watch_end(void)
{
        atomic_store(&watch.call, 0);
}
