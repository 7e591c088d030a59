/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking call on a thread of its own. What may hang (looking up a name, connecting) belongs here and not in libuv's pool: its four
 * threads serve everybody, and four calls that hang hold up all others. */
#ifndef CHARD_CORE_THREAD_WORK_H
#define CHARD_CORE_THREAD_WORK_H

#include <pthread.h>
#include <uv.h>

/* Start a thread that gets no signals. Returns 0 or -errno. Any thread. */
int thread_start(pthread_t *out, void *(*main)(void *), void *arg);

struct work;

struct work_calls {
        void (*run)(void *arg);  /* on the thread; may block */
        void (*done)(void *arg); /* on the loop, when it has run; takes back `arg` */
        void (*forget)(
                void *arg); /* instead of `done` after work_abandon, on whichever thread is last; or NULL, where nobody abandons */
};

/* Begin. Returns 0, and *out (unless NULL) is valid until `done` or work_abandon; or -errno, and none of the calls is made. Loop thread. */
int work_start(struct work **out, uv_loop_t *loop, const struct work_calls *calls, void *arg);

/* Nobody waits for it any more: `done` is not called. The loop stays for it `grace_ms` at most, which a call that uses libraries with cleanups
 * at exit should get after it was told to end. Loop thread. */
void work_abandon(struct work *w, unsigned grace_ms);

#endif
