/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd on the loop. It calls back in this order: on_peer (a connection is there), on_line (a request's line), on_request (its headers; each part of its
 * body; its end, and again whenever a suspended request is woken), on_completed (answered, or given up), on_line for the next one …, on_peer (it is gone). */
#include "core/clock.h"
#include "core/log.h"
#include "core/http/listen.h"
#include "core/http/server_own.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_TLS "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

enum { SERVER_SWEEP_MS = 250, SERVER_LOOK_MS = 1000 };

/* ---- turning ---- */

static void server_run(struct server *s);

static void on_server_ready(uv_poll_t *poll, int status, int events)
{
        (void)status, (void)events;
        server_run((struct server *)poll->data);
}

static void on_server_wake(uv_timer_t *timer)
{
        server_run((struct server *)timer->data);
}

static void server_run(struct server *s)
{
        MHD_UNSIGNED_LONG_LONG wait_ms = 0;
        MHD_run(s->daemon);
        if (MHD_get_timeout(s->daemon, &wait_ms) == MHD_YES)
                uv_timer_start(&s->wake, on_server_wake, wait_ms, 0);
        else
                uv_timer_stop(&s->wake);
        if (s->stopping && !s->exchanges)
                uv_timer_start(&s->sweep, s->sweep.timer_cb, 0, SERVER_SWEEP_MS);
}

void server_turn(struct server *s)
{
        uv_timer_start(&s->wake, on_server_wake, 0, 0);
}

static void server_end_late(struct server *s, uint64_t now_ms)
{
        struct problem why;
        for (struct exchange *x = s->exchanges, *next; x; x = next) {
                next = x->next;
                if (!x->until_ms || x->until_ms > now_ms || x->streams)
                        continue;
                if (x->over) { /* it waits for news, and answers without them, for which it is given time */
                        x->until_ms = now_ms + SERVER_SWEEP_MS;
                        exchange_tell_over(x);
                        continue;
                }
                problem_set(
                        &why, "http", "no_answer",
                        "broker and store have not answered in time; what was asked for may or may not happen: look again");
                exchange_answer_problem(x, &why);
        }
}

static bool server_has_left(const struct exchange *x)
{
        char next;
        const ssize_t size = recv(x->peer->fd, &next, 1, MSG_PEEK | MSG_DONTWAIT);
        return size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* libmicrohttpd does not watch the connections of suspended requests. */
static void server_look_who_left(struct server *s, uint64_t now_ms)
{
        if (now_ms < s->looked_ms + SERVER_LOOK_MS)
                return;
        s->looked_ms = now_ms;
        for (struct exchange *x = s->exchanges; x; x = x->next)
                if (x->suspended && !x->streams && server_has_left(x))
                        exchange_leave_unanswered(x);
}

static void on_server_sweep(uv_timer_t *timer)
{
        struct server *s = (struct server *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        if (now_ms > SERVER_REQUEST_MS)
                peers_close_since(&s->peers, now_ms - SERVER_REQUEST_MS);
        server_end_late(s, now_ms);
        server_look_who_left(s, now_ms);
        renewal_look(s, now_ms);
        if (s->stopping && !s->exchanges && !s->told_idle) {
                s->told_idle = true;
                if (s->config.idle)
                        s->config.idle(s->config.arg);
        }
}

/* ---- connections ---- */

static void on_peer(void *arg, struct MHD_Connection *connection, void **context,
                    enum MHD_ConnectionNotificationCode what)
{
        struct server *s = (struct server *)arg;
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
                renewal_use(s, connection);
                *context = peers_add(&s->peers, connection, clock_mono_ms());
                peers_close_beyond(&s->peers, s->config.connections);
        } else if (*context) {
                peers_remove(&s->peers, (struct peer *)*context);
                *context = NULL;
        }
}

/* ---- requests ---- */

static void *on_line(void *arg, const char *target, struct MHD_Connection *connection)
{
        return exchange_new((struct server *)arg, connection, target);
}

/* What its head says. 0, or 1 with `why`. */
static int server_read_head(struct exchange *x, char allowed[ROUTE_METHODS_SIZE], struct problem *why)
{
        const int code = target_read(x->raw, &x->target, why);
        if (code)
                return code < 0 ? problem_set(why, "http", "out_of_memory", "out of memory") : 1;
        x->route = route_find(x->server->config.routes, x->method, &x->target, allowed, why);
        return x->route ? route_check(x->route, &x->target, why) : 1;
}

static bool server_has_body(const struct exchange *x)
{
        const char *length = exchange_header(x, "Content-Length");
        return exchange_header(x, "Transfer-Encoding") || (length && strcmp(length, "0") != 0);
}

/* Before its body is read: what is not let in costs no more than its head. */
static bool server_refuses(struct exchange *x, struct problem *why)
{
        const struct server_config *config = &x->server->config;
        return config->admit && config->admit(config->owner, x, why);
}

static void server_head(struct exchange *x, const char *method)
{
        struct problem why = { 0 };
        char allowed[ROUTE_METHODS_SIZE] = "";
        snprintf(x->method, sizeof(x->method), "%s", method);
        x->headed = true;
        const int refused = server_read_head(x, allowed, &why);
        struct problem *first = refused ? NULL : &why;
        /* the framing counts also where the target is wrong: it says whether a next request can follow on this connection */
        const int broken = framing_check(x, first);
        const bool listed = !broken && cors_tell(x);
        if (!refused && !broken && !server_refuses(x, &why))
                return;
        if (listed && refused && cors_preflight(x, allowed))
                return;
        x->closes = broken || server_has_body(x);
        if (allowed[0])
                exchange_add_header(x, "Allow", allowed);
        exchange_answer_problem(x, &why);
}

size_t server_body_most(const struct exchange *x)
{
        const struct server_config *config = &x->server->config;
        const size_t own = x->route && config->route_most ? config->route_most(config->owner, x->route) : 0;
        const char *type = exchange_header(x, "Content-Type");
        const bool json = type && strncasecmp(type, "application/json", sizeof("application/json") - 1) == 0;
        return !json && own > config->body_most ? own : config->body_most;
}

static enum MHD_Result server_take(struct exchange *x, const char *data, size_t *size)
{
        struct server *s = x->server;
        const size_t most = server_body_most(x), free_space = x->crowded ? 0 : most - x->body.size;
        size_t taken = *size < free_space ? *size : free_space;
        if (taken && x->body.size + taken > SERVER_BODY_SMALL && s->bodies + taken > SERVER_BODIES) {
                exchange_drop_body(x);
                x->crowded = true;
                taken = 0;
        }
        buffer_add(&x->body, data, taken);
        s->bodies += taken;
        x->counted += taken;
        x->surplus += *size - taken;
        *size = 0;
        /* an answer can be queued at the body's end only: a little more is passed over, then the connection ends */
        return x->body.failed || x->surplus > most ? MHD_NO : MHD_YES;
}

static void server_serve(struct exchange *x)
{
        struct problem why;
        x->served = true;
        if (x->surplus == 0) {
                x->route->serve(x->server->config.owner, x);
                return;
        }
        x->closes = true;
        if (x->crowded)
                problem_set(
                        &why, "http", "crowded",
                        "so many large bodies are being sent that there is no room for this one; nothing was done: ask again");
        else
                problem_set(&why, "request", "too_large", "the body may have %zu bytes at most", server_body_most(x));
        exchange_answer_problem(x, &why);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
        struct exchange *x = (struct exchange *)*context;
        (void)arg, (void)url, (void)version;
        if (!x || x->left || (x->server->ending && !x->status))
                return MHD_NO;
        if (!x->headed) {
                server_head(x, method);
                return x->closes ? exchange_queue(x)
                                 : MHD_YES; /* an answer before the request's end ends the connection */
        }
        if (*size)
                return server_take(x, data, size);
        peers_serve(&x->server->peers, x->peer);
        if (!x->served && !x->status)
                server_serve(x);
        if (x->status)
                return exchange_queue(x);
        x->suspended = true;
        MHD_suspend_connection(connection);
        return MHD_YES;
}

static void server_log(const struct server *s, struct exchange *x)
{
        const struct access_line line = {
                .peer = x->peer->address,
                .method = x->method,
                .target = x->raw,
                .code = x->code[0] ? x->code : NULL,
                .who = x->who[0] ? x->who : NULL,
                .status = x->status,
                .bytes = x->sent,
                .took_us = clock_mono_us() - x->begun_us,
        };
        const struct server_answer answer = { .method = x->method,
                                              .route = x->route,
                                              .status = x->status,
                                              .code = x->code,
                                              .took_us = line.took_us,
                                              .exchange = x };
        if (s->log)
                access_log_write(s->log, &line);
        if (s->config.answered)
                s->config.answered(s->config.owner, &answer);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
        struct server *s = (struct server *)arg;
        struct exchange *x = (struct exchange *)*context;
        (void)connection, (void)how;
        *context = NULL;
        if (!x)
                return;
        server_log(s, x);
        peers_wait(&s->peers, x->peer, clock_mono_ms());
        exchange_leave(x);
}

/* ---- opening and closing ---- */

static void on_daemon_said(void *arg, const char *format, va_list args)
{
        char text[256];
        (void)arg;
        vsnprintf(text, sizeof(text), format, args);
        text[strcspn(text, "\n")] = '\0';
        log_debug("http", "%s", text);
}

static size_t on_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
        (void)arg, (void)connection;
        return strlen(text); /* target.c reads the target as it came */
}

static struct MHD_Daemon *server_daemon(struct server *s, int fd)
{
        struct MHD_OptionItem tls[] = {
                { MHD_OPTION_HTTPS_MEM_CERT, 0, s->certificate.chain },
                { MHD_OPTION_HTTPS_MEM_KEY, 0, s->certificate.key },
                { MHD_OPTION_HTTPS_PRIORITIES, 0, SERVER_TLS },
                { MHD_OPTION_END, 0, NULL },
        };
        const unsigned flags = s->certificate.key ? MHD_USE_TLS : 0;
        return MHD_start_daemon(flags | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO | MHD_USE_ERROR_LOG, 0,
                                NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_daemon_said, s,
                                MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, s->config.connections + 64,
                                MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_SILENT_S,
                                MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_HEAD_BYTES + SERVER_ANSWER_BYTES,
                                MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                                MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, s, MHD_OPTION_URI_LOG_CALLBACK, on_line, s,
                                MHD_OPTION_NOTIFY_CONNECTION, on_peer, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                                MHD_OPTION_ARRAY, flags ? tls : &tls[3], MHD_OPTION_END);
}

static void server_watch(struct server *s)
{
        uv_loop_t *loop = s->config.loop;
        const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
        uv_poll_init(loop, &s->poll, info->epoll_fd);
        uv_timer_init(loop, &s->wake);
        uv_timer_init(loop, &s->sweep);
        s->handles = 3;
        s->poll.data = s->wake.data = s->sweep.data = s;
        uv_poll_start(&s->poll, UV_READABLE, on_server_ready);
        uv_timer_start(&s->sweep, on_server_sweep, SERVER_SWEEP_MS, SERVER_SWEEP_MS);
}

static int server_open_tls(struct server *s, struct problem *why)
{
        renewal_open(s);
        const int code = certificate_read(&s->certificate, s->config.tls_certificate_file, s->config.tls_key_file, why);
        if (code == 0 && s->certificate.key &&
            (MHD_is_feature_supported(MHD_FEATURE_SSL) != MHD_YES || !server_begin_gnutls()))
                return problem_set(why, "http", "bad_certificate",
                                   "libmicrohttpd or GnuTLS of this machine can't serve TLS");
        return code;
}

static int server_open_log(struct server *s, struct problem *why)
{
        return s->config.log_file ? access_log_open(&s->log, s->config.loop, s->config.log_file, why) : 0;
}

int server_open(struct server **out, const struct server_config *config, struct problem *why)
{
        int fd = -1;
        struct server *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->config = *config;
        int code = listen_open(config->listen, &fd, why);
        if (code == 0)
                code = server_open_tls(s, why);
        if (code == 0)
                code = server_open_log(s, why);
        if (code == 0) {
                s->port = listen_port(fd);
                s->daemon = server_daemon(s, fd);
                code = s->daemon ? 0 : -ENOMEM;
        }
        if (code) {
                if (fd >= 0)
                        close(fd);
                access_log_close(s->log);
                certificate_free(&s->certificate);
                free(s);
                return code;
        }
        server_watch(s);
        *out = s;
        return 0;
}

unsigned server_port(const struct server *s)
{
        return s->port;
}

unsigned server_connections(const struct server *s)
{
        return s->peers.count;
}

void server_end_waiting(struct server *s, bool (*stays)(const struct exchange *x, void *arg),
                        void (*refuse)(struct exchange *x), void *arg)
{
        for (struct exchange *x = s->exchanges, *next; x; x = next) {
                next = x->next;
                if (x->ended || !x->over || stays(x, arg))
                        continue;
                if (!x->streams)
                        refuse(x);
                exchange_tell_over(x);
                if (x->streams)
                        exchange_end(x);
        }
}

void server_stop(struct server *s)
{
        if (s->stopping)
                return;
        s->stopping = true;
        const MHD_socket fd = MHD_quiesce_daemon(s->daemon);
        if (fd >= 0)
                close(fd);
        for (struct exchange *x = s->exchanges, *next; x; x = next) {
                next = x->next;
                exchange_tell_over(x);
                if (x->streams)
                        exchange_end(x);
        }
        uv_timer_start(&s->sweep, on_server_sweep, 0, SERVER_SWEEP_MS);
}

static void on_server_handle_closed(uv_handle_t *handle)
{
        struct server *s = (struct server *)handle->data;
        if (--s->handles == 0)
                free(s);
}

/* libmicrohttpd wants no connection to be suspended when it ends. */
static void server_end_all(struct server *s)
{
        struct problem why;
        for (struct exchange *x = s->exchanges; x; x = x->next) {
                exchange_tell_over(x);
                problem_set(&why, "http", "stopping", "this server stops; what was asked for may or may not happen");
                if (x->streams)
                        exchange_end(x);
                else
                        exchange_answer_problem(x, &why);
        }
        s->ending = true; /* a request that comes just now must not be suspended */
        MHD_run(s->daemon);
}

void server_close(struct server *s)
{
        if (!s)
                return;
        uv_poll_stop(&s->poll);
        server_stop(s);
        server_end_all(s);
        MHD_stop_daemon(s->daemon);
        s->daemon = NULL;
        renewal_close(s);
        certificate_free(&s->certificate);
        access_log_close(s->log);
        uv_close((uv_handle_t *)&s->poll, on_server_handle_closed);
        uv_close((uv_handle_t *)&s->wake, on_server_handle_closed);
        uv_close((uv_handle_t *)&s->sweep, on_server_handle_closed);
}
