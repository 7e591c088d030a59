/* SPDX-License-Identifier: Apache-2.0 */
/* The raw ceiling of an AI step's remote call: curl's multi interface on libuv, with the request that chat.classify sends,
 * so many in flight. Nothing is parsed.
 *
 *     raw_calls --url BASE_URL --count N --in-flight F [--per-multi K]
 *     raw_calls --print-request
 *
 * curl looks for a free connection by walking through all connections of a multi handle (7.88: ConnectionExists), so one
 * handle alone would need milliseconds a call at 16,000; the calls are spread over handles of K connections.
 *
 * Prints {"count","seconds","cpu_us","steady_us","failed"}: CPU of the whole process, and CPU a call from the first answer until the
 * last call was made. */
#include "bench/common.h"
#include "core/bytes.h"
#include "catalog/catalog.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

struct call_shard {
        struct calls *calls;
        CURLM *multi;
        uv_timer_t timer;
};

struct calls {
        uv_loop_t loop;
        struct call_shard *shards;
        struct curl_slist *headers;
        const char *url;
        struct buffer body;
        long count, in_flight, per_multi, started, ended, failed;
        uint64_t steady_cpu_us; /* at the first answer; then until the last call was made */
        long steady_calls;
};

struct watch {
        uv_poll_t poll;
        struct call_shard *shard;
        curl_socket_t fd;
};

static void collect(struct call_shard *s);

static size_t ignore_reply(char *data, size_t size, size_t count, void *arg)
{
        (void)data, (void)arg;
        return size * count;
}

static void start(struct call_shard *s, CURL *easy)
{
        struct calls *c = s->calls;
        curl_multi_add_handle(s->multi, easy);
        if (++c->started == c->count && c->ended > 0) {
                c->steady_cpu_us = cpu_us() - c->steady_cpu_us;
                c->steady_calls = c->started - c->steady_calls;
        }
}

static CURL *new_easy(struct calls *c)
{
        CURL *easy = curl_easy_init();
        if (!easy)
                die("out of memory");
        curl_easy_setopt(easy, CURLOPT_URL, c->url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body.data);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)c->body.size);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore_reply);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        return easy;
}

/* ---- curl on libuv ---- */

static void free_watch(uv_handle_t *handle)
{
        free(handle->data);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
        const struct watch *w = poll->data;
        const int flags = (status < 0 ? CURL_CSELECT_ERR : 0) | (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                          (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
        int running;
        struct call_shard *s = w->shard;
        curl_multi_socket_action(s->multi, w->fd, flags, &running);
        collect(s);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
        struct call_shard *s = arg;
        struct watch *w = known;
        (void)easy;
        if (what == CURL_POLL_REMOVE) {
                curl_multi_assign(s->multi, fd, NULL);
                uv_poll_stop(&w->poll);
                uv_close((uv_handle_t *)&w->poll, free_watch);
                return 0;
        }
        if (!w) {
                w = calloc(1, sizeof(*w));
                if (!w)
                        die("out of memory");
                *w = (struct watch){ .shard = s, .fd = fd };
                w->poll.data = w;
                uv_poll_init_socket(&s->calls->loop, &w->poll, fd);
                curl_multi_assign(s->multi, fd, w);
        }
        uv_poll_start(&w->poll, (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0),
                      on_socket);
        return 0;
}

static void on_timeout(uv_timer_t *timer)
{
        struct call_shard *s = timer->data;
        int running;
        curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        collect(s);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
        struct call_shard *s = arg;
        (void)multi;
        if (ms < 0)
                uv_timer_stop(&s->timer);
        else
                uv_timer_start(&s->timer, on_timeout, (uint64_t)ms, 0);
        return 0;
}

static void collect(struct call_shard *s)
{
        struct calls *c = s->calls;
        int left;
        for (CURLMsg *m; (m = curl_multi_info_read(s->multi, &left));) {
                CURL *easy = m->easy_handle;
                long status = 0;
                curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
                c->failed += m->data.result != CURLE_OK || status != 200;
                if (c->ended++ == 0) {
                        c->steady_cpu_us = cpu_us();
                        c->steady_calls = c->started;
                }
                curl_multi_remove_handle(s->multi, easy);
                if (c->started < c->count)
                        start(s, easy);
                else
                        curl_easy_cleanup(easy);
        }
        if (c->ended == c->count)
                uv_stop(&c->loop);
}

/* ---- the request ---- */

static void make_body(struct calls *c)
{
        struct arena arena = { 0 };
        struct problem why = { 0 };
        struct ai_request request = { 0 };
        const struct catalog_source source = { shipped_domains, shipped_pipelines, NULL };
        struct catalog *catalog = NULL;
        if (catalog_new(&catalog, &source, &why) != 0)
                die("%s", why.text);
        json_t *document =
                json_pack("{s:{s:s, s:s}, s:{s:s, s:s, s:s}}", "job", "user_id", "bench", "lang", "en", "input", "text",
                          "Where does an empty, rinsed aluminium can go?", "user_id", "bench", "lang", "en");
        const struct task_input in = { .document = document,
                                       .arena = &arena,
                                       .task = catalog_task(catalog, "chat.classify") };
        if (in.task->def->ask(&in, &request, &why) != 0 || ai_request_write(&request, "bench-1", &c->body) != 0)
                die("%s", why.text);
        arena_free(&arena);
        json_decref(document);
        catalog_unref(catalog);
}

static void read_plan(struct calls *c, int argc, char **argv)
{
        static const struct option options[] = { { "url", 1, NULL, 'u' },           { "count", 1, NULL, 'n' },
                                                 { "in-flight", 1, NULL, 'f' },     { "per-multi", 1, NULL, 'p' },
                                                 { "print-request", 0, NULL, 'r' }, { NULL, 0, NULL, 0 } };
        static char url[256];
        bool print = false;
        for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (o) {
                case 'u': snprintf(url, sizeof(url), "%s/chat/completions", optarg); break;
                case 'n': c->count = number_of(optarg, 1); break;
                case 'f': c->in_flight = number_of(optarg, 1); break;
                case 'p': c->per_multi = number_of(optarg, 1); break;
                case 'r': print = true; break;
                default: exit(2);
                }
        }
        make_body(c);
        if (print) {
                printf("%.*s\n", (int)c->body.size, (const char *)c->body.data);
                exit(0);
        }
        c->url = url;
        if (!*url || !c->count || !c->in_flight)
                die("--url, --count and --in-flight are needed");
}

static void open_shards(struct calls *c)
{
        const long count = (c->in_flight + c->per_multi - 1) / c->per_multi;
        c->shards = calloc((size_t)count, sizeof(*c->shards));
        if (!c->shards)
                die("out of memory");
        for (long i = 0; i < count; i++) {
                struct call_shard *s = &c->shards[i];
                s->calls = c;
                s->multi = curl_multi_init();
                uv_timer_init(&c->loop, &s->timer);
                s->timer.data = s;
                curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
                curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
                curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, set_timer);
                curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
                curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, c->per_multi);
        }
}

int main(int argc, char **argv)
{
        struct calls c = { .per_multi = 64 };
        struct rlimit limit;
        read_plan(&c, argc, argv);
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        uv_loop_init(&c.loop);
        curl_global_init(CURL_GLOBAL_DEFAULT);
        c.headers = curl_slist_append(NULL, "Content-Type: application/json");
        c.headers = curl_slist_append(c.headers, "Authorization: Bearer sk-bench");
        c.headers = curl_slist_append(c.headers, "Expect:");
        open_shards(&c);

        const uint64_t start_ns = now_ns();
        for (long i = 0; i < c.in_flight && i < c.count; i++)
                start(&c.shards[i / c.per_multi], new_easy(&c));
        uv_run(&c.loop, UV_RUN_DEFAULT);
        const bool steady = c.count > c.in_flight; /* else the last call was made before the first answer */
        printf("{\"count\":%ld,\"seconds\":%.6f,\"cpu_us\":%llu,\"steady_us\":%.2f,\"failed\":%ld}\n", c.count,
               (double)(now_ns() - start_ns) / 1e9, (unsigned long long)cpu_us(),
               steady ? (double)c.steady_cpu_us / (double)c.steady_calls : 0.0, c.failed);
        return c.failed ? 1 : 0;
}
