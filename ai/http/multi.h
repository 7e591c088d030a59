/* SPDX-License-Identifier: Apache-2.0 */
/* Runs curl's multi interface on a libuv loop: thousands of transfers on one thread. curl's sockets live in an epoll set of their
 * own and the loop watches that set alone, so a transfer costs the loop no handle and a kept connection no system call when
 * it is taken into use again.
 *
 * There are several multi handles, called shards, with few connections each: to find a free connection curl walks through all that its
 * multi handle has, and with 5,000 of them that walk costs ten times as much as the whole rest of a transfer.
 *
 * Owned by the loop thread. Source: libcurl manual, curl_multi_socket_action(3), CURLMOPT_SOCKETFUNCTION(3),
 * CURLMOPT_TIMERFUNCTION(3). */
#ifndef CHARD_AI_HTTP_MULTI_H
#define CHARD_AI_HTTP_MULTI_H

#include <curl/curl.h>
#include <uv.h>

struct multi;
struct shard; /* where a transfer and its connection are */

/* A transfer has ended; it must be removed before this returns. */
typedef void multi_done(CURL *easy, CURLcode code, void *arg);

/* A round of events is over, and every `done` that came of it was called. */
typedef void multi_rest(void *arg);

/* The loop stood still (SIGSTOP, a paused machine): timers are overdue, and what arrived meanwhile has not been read. Called before curl looks at its
 * clock; give those more time that would be called late for it. */
typedef void multi_stalled(void *arg);

struct multi_calls {
        multi_done *done;
        multi_rest *rest;
        multi_stalled *stalled;
        void *arg;
};

/* Open. `calls` is copied. Returns 0 or -errno. */
int multi_new(struct multi **out, uv_loop_t *loop, const struct multi_calls *calls);

/* From now on transfers go on while the loop turns, and do not keep it turning. Before the first transfer. */
void multi_unref(struct multi *m);

/* Make a handle ready to be added: all share addresses and TLS sessions. The caller's CURLOPT_SOCKOPTFUNCTION must call multi_opened.
 * The handle must be cleaned up before the loop has closed the handles. */
void multi_prepare(struct multi *m, CURL *easy);

/* Start a transfer, from the loop's next turn on, where a connection is free that takes it, or else where connections are few.
 * `streams` is how many transfers a connection carries at once. Returns 0 or -ENOMEM. */
int multi_add(struct multi *m, CURL *easy, size_t streams, struct shard **out);

/* Take a transfer out, ended or not. Not from inside curl's callbacks. */
void multi_remove(struct shard *shard, CURL *easy);

/* A transfer opened this socket for its connection. */
void multi_opened(struct shard *shard, curl_socket_t fd);

/* Connections that are open or being made. */
size_t multi_connections(const struct multi *m);

/* Close the connections and, once the loop has closed the handles, give all back. No transfer may be left, and neither `done` nor
 * `rest` is called any more. */
void multi_free(struct multi *m);

#endif
