/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/openai.h"

#include "ai/http/admission.h"
#include "ai/http/endpoint.h"
#include "ai/http/multi.h"
#include "ai/list.h"
#include "core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
        MOST_REPLY_BYTES = 8 << 20,
        SPARES_KEPT = 1024,         /* idle easy handles; each costs about 15 KB */
        SPARES_MS = 2000,           /* more are kept for so long: answers come in waves */
        MOST_KEPT_BYTES = 64 << 10, /* of a request's or a reply's memory, for the next one */
        RECEIVE_BYTES = 1024,       /* curl's least: every call in flight has it; a larger reply takes more reads */
        UPLOAD_BYTES = 16 << 10,    /* curl's least */
        DESCRIPTORS_FOR_OTHERS = 256,
        LATE_MS = 1000,         /* after a stall: for what has arrived to be read */
        LONG_ENOUGH_MS = 60000, /* for curl, when the deadline is ours to watch */
};

struct openai_exchange {
        struct listed link; /* in openai->under_way */
        struct openai *openai;
        CURL *easy;
        struct endpoint_headers headers; /* that `easy` has */
        struct shard *shard;
        struct buffer request, reply;
        openai_done *done;
        void *arg;
        struct openai_exchange *next_spare;
        bool begun;                       /* the request is going out: connection made or found */
        bool connecting;                  /* it makes a connection */
        bool too_big;                     /* the reply */
        bool again;                       /* curl wanted to send it a second time */
        uint64_t started_ms, deadline_ms; /* on the loop's clock */
        char error[CURL_ERROR_SIZE];
};

struct openai {
        uv_loop_t *loop;
        struct multi *multi;
        struct endpoint endpoint;
        openai_ready *ready;
        void *arg;
        struct openai_exchange *spares;
        unsigned spare_count, spare_low; /* the fewest since the timer looked */
        uv_timer_t timer;                /* runs while there are many spares */
        uv_timer_t late;                 /* runs after a stall */
        struct listed under_way;
        int open_handles;
        struct admission usage;
        unsigned connect_timeout_ms;
        bool delivering; /* a `done` is being called, which may close this */
        bool closing;
};

static void openai_release(struct openai *o);
static size_t allowed_connections(long wanted);
static struct openai_exchange *take_spare(struct openai *o);
static struct openai_exchange *new_exchange(struct openai *o);
static void free_exchange(struct openai_exchange *x);
static void openai_keep(struct openai_exchange *x);
static void on_spares(uv_timer_t *timer);
static void openai_on_done(CURL *easy, CURLcode code, void *arg);
static void on_rest(void *arg);
static void on_stalled(void *arg);
static void openai_deliver(struct openai_exchange *x, CURLcode code);

int openai_open(struct openai **out, const struct ai_config *config, openai_ready *ready, void *arg,
                struct problem *why)
{
        struct openai *o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        o->loop = config->loop;
        o->ready = ready;
        o->arg = arg;
        o->connect_timeout_ms = config->connect_timeout_ms;
        list_init(&o->under_way);
        const struct multi_calls calls = { openai_on_done, on_rest, on_stalled, o };
        int result = endpoint_open(&o->endpoint, config, why);
        if (result == 0)
                result = multi_new(&o->multi, config->loop, &calls);
        if (result != 0) {
                endpoint_close(&o->endpoint);
                free(o);
                return result;
        }
        o->usage.most_connections = allowed_connections(config->max_connections);
        o->usage.literal = o->endpoint.literal;
        o->usage.protocol = o->endpoint.tls ? PROTOCOL_UNKNOWN : config->http2_plain ? PROTOCOL_HTTP2 : PROTOCOL_HTTP1;
        uv_timer_init(o->loop, &o->timer);
        uv_timer_init(o->loop, &o->late);
        o->timer.data = o->late.data = o;
        o->open_handles = 2;
        *out = o;
        return 0;
}

bool openai_admits(const struct openai *o)
{
        return admission_open(&o->usage, multi_connections(o->multi), uv_now(o->loop));
}

int openai_rekey(struct openai *o, const char *key, struct problem *why)
{
        return endpoint_rekey(&o->endpoint, key, why);
}

const char *openai_url(const struct openai *o)
{
        return o->endpoint.url;
}

static size_t openai_streams(const struct openai *o)
{
        return o->usage.protocol == PROTOCOL_HTTP1 ? 1 : ADMISSION_STREAMS;
}

/* A copy of exactly its size, because thousands of requests are kept at once; in the memory of an earlier one where it fits. */
static bool set_request(struct openai_exchange *x, struct bytes body)
{
        struct buffer *b = &x->request;
        if (b->capacity < body.size) {
                buffer_free(b);
                b->data = malloc(body.size);
                if (!b->data)
                        return false;
                b->capacity = body.size;
        }
        memcpy(b->data, body.data, body.size);
        b->size = body.size;
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDS, (char *)b->data);
        curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b->size);
        return true;
}

int openai_post(struct openai *o, struct bytes body, struct openai_limits limits, openai_done *done, void *arg,
                struct openai_exchange **out)
{
        struct openai_exchange *x = take_spare(o);
        if (!x)
                return -ENOMEM;
        curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)limits.deadline_ms);
        curl_easy_setopt(x->easy, CURLOPT_CONNECTTIMEOUT_MS,
                         (long)(limits.connect_ms ? limits.connect_ms : o->connect_timeout_ms));
        if (endpoint_apply_headers(&o->endpoint, x->easy, &x->headers, &limits.trace) != 0 || !set_request(x, body) ||
            multi_add(o->multi, x->easy, openai_streams(o), &x->shard) != 0) {
                openai_keep(x);
                return -ENOMEM;
        }
        x->done = done;
        x->arg = arg;
        x->begun = x->connecting = x->too_big = x->again = false;
        x->started_ms = uv_now(o->loop);
        x->deadline_ms = x->started_ms + limits.deadline_ms;
        list_add(&o->under_way, &x->link);
        x->error[0] = '\0';
        o->usage.used++;
        o->usage.starting++;
        *out = x;
        return 0;
}

/* It is not starting any more. */
static void openai_begin(struct openai_exchange *x)
{
        x->openai->usage.starting -= !x->begun;
        x->openai->usage.connecting -= x->connecting;
        x->begun = true;
        x->connecting = false;
}

static void openai_end(struct openai_exchange *x)
{
        multi_remove(x->shard, x->easy);
        list_remove(&x->link);
        openai_begin(x);
        x->openai->usage.used--;
}

void openai_cancel(struct openai_exchange *x)
{
        openai_end(x);
        openai_keep(x);
}

void openai_close(struct openai *o)
{
        multi_free(o->multi);
        o->closing = true;
        if (!o->delivering)
                openai_release(o);
}

static void openai_on_closed(uv_handle_t *handle)
{
        struct openai *o = handle->data;
        if (--o->open_handles == 0)
                free(o);
}

static void openai_release(struct openai *o)
{
        while (o->spares)
                free_exchange(take_spare(o));
        endpoint_close(&o->endpoint);
        uv_close((uv_handle_t *)&o->timer, openai_on_closed);
        uv_close((uv_handle_t *)&o->late, openai_on_closed);
}

/* Each connection is a descriptor, and broker, store and log need theirs too. */
static size_t allowed_connections(long wanted)
{
        struct rlimit limit = { 0 };
        const size_t most = wanted > 0 ? (size_t)wanted : 1;
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
                return most;
        const size_t free_ones = limit.rlim_cur > 2 * DESCRIPTORS_FOR_OTHERS ? limit.rlim_cur - DESCRIPTORS_FOR_OTHERS
                                                                             : limit.rlim_cur / 2;
        return most < free_ones ? most : free_ones;
}

/* ---- exchanges, used again and again ---- */

static struct openai_exchange *take_spare(struct openai *o)
{
        struct openai_exchange *x = o->spares;
        if (!x)
                return new_exchange(o);
        o->spares = x->next_spare;
        if (--o->spare_count < o->spare_low)
                o->spare_low = o->spare_count;
        return x;
}

static void openai_reuse(struct buffer *b)
{
        if (b->capacity > MOST_KEPT_BYTES)
                buffer_free(b);
        else
                buffer_reset(b);
}

static void openai_keep(struct openai_exchange *x)
{
        struct openai *o = x->openai;
        openai_reuse(&x->request);
        openai_reuse(&x->reply);
        endpoint_drop_headers(&x->headers);
        x->next_spare = o->spares;
        o->spares = x;
        if (++o->spare_count <= SPARES_KEPT || uv_is_active((uv_handle_t *)&o->timer) || o->closing)
                return;
        o->spare_low = o->spare_count;
        uv_timer_start(&o->timer, on_spares, SPARES_MS, SPARES_MS);
}

/* Those that nobody needed since the last look can go. */
static void on_spares(uv_timer_t *timer)
{
        struct openai *o = timer->data;
        unsigned surplus = o->spare_low > SPARES_KEPT ? o->spare_low - SPARES_KEPT : 0;
        for (; surplus > 0; surplus--)
                free_exchange(take_spare(o));
        o->spare_low = o->spare_count;
        if (o->spare_count <= SPARES_KEPT)
                uv_timer_stop(timer);
}

static void free_exchange(struct openai_exchange *x)
{
        curl_easy_cleanup(x->easy);
        buffer_free(&x->request);
        buffer_free(&x->reply);
        endpoint_drop_headers(&x->headers);
        free(x);
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
        struct openai_exchange *x = arg;
        if (x->reply.size + size * count > MOST_REPLY_BYTES) {
                x->too_big = true;
                return 0;
        }
        buffer_add(&x->reply, data, size * count);
        return x->reply.failed ? 0 : size * count;
}

/* curl calls this right before a request goes out, and again when it means to send it once more by itself: after a kept connection died, an HTTP/2
 * stream was refused, or the server wants it in another form. The first one may have been answered and paid for, so whether there is
 * another is for whoever counts attempts (I10). */
static int on_begin(void *arg, char *remote, char *local, int remote_port, int local_port)
{
        struct openai_exchange *x = arg;
        (void)remote, (void)local, (void)remote_port, (void)local_port;
        x->again = x->begun;
        openai_begin(x);
        return x->again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

/* An exchange may open several sockets, one for each address that it tries. */
static int on_open(void *arg, curl_socket_t fd, curlsocktype purpose)
{
        struct openai_exchange *x = arg;
        struct openai *o = x->openai;
        (void)purpose;
        x->again = x->begun; /* a connection for a second sending */
        if (x->again)
                return CURL_SOCKOPT_ERROR;
        multi_opened(x->shard, fd);
        admission_address_known(&o->usage, uv_now(o->loop));
        o->usage.connecting += !x->connecting;
        x->connecting = true;
        return CURL_SOCKOPT_OK;
}

static int openai_configure(struct openai_exchange *x)
{
        CURL *easy = x->easy;
        struct openai *o = x->openai;
        curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
        /* A call that ends while its name is still looked up leaves the look-up's thread to itself: joining it would
         * stop the loop for as long as a slow name server likes. */
        curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE,
                         1L); /* an answer may take long, and routers forget silent connections */
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
        curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BYTES);
        curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)MOST_REPLY_BYTES);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
        curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_begin);
        curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
        curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_open);
        curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, x);
        multi_prepare(o->multi, easy);
        return endpoint_apply(&o->endpoint, easy);
}

static struct openai_exchange *new_exchange(struct openai *o)
{
        struct openai_exchange *x = calloc(1, sizeof(*x));
        if (!x)
                return NULL;
        x->openai = o;
        x->easy = curl_easy_init();
        if (!x->easy || openai_configure(x) != 0) {
                free_exchange(x);
                return NULL;
        }
        return x;
}

/* ---- the end of an exchange ---- */

static const char *openai_header(CURL *easy, const char *name)
{
        struct curl_header *found;
        const bool there = curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) == CURLHE_OK;
        return there ? found->value : NULL;
}

static void openai_read_headers(CURL *easy, struct ai_response *response)
{
        response->retry_after = openai_header(easy, "retry-after");
        response->retry_after_ms = openai_header(easy, "retry-after-ms");
        response->reset_requests = openai_header(easy, "x-ratelimit-reset-requests");
        response->reset_tokens = openai_header(easy, "x-ratelimit-reset-tokens");
        response->remaining_requests = openai_header(easy, "x-ratelimit-remaining-requests");
        response->remaining_tokens = openai_header(easy, "x-ratelimit-remaining-tokens");
}

static bool is_too_big(const struct openai_exchange *x, CURLcode code)
{
        return !x->again && (x->too_big || code == CURLE_FILESIZE_EXCEEDED);
}

static const char *transport_error(const struct openai_exchange *x, CURLcode code)
{
        if (code == CURLE_OK)
                return NULL;
        if (x->again)
                return "the connection was lost after the request had been sent";
        if (is_too_big(x, code))
                return "the reply is larger than 8 MiB";
        return x->error[0] ? x->error : curl_easy_strerror(code);
}

static void fill_response(struct openai_exchange *x, CURLcode code, struct ai_response *response)
{
        long version = 0;
        *response = (struct ai_response){
                .timed_out = code == CURLE_OPERATION_TIMEDOUT && !x->again,
                .transport_error = transport_error(x, code),
                .too_big = is_too_big(x, code),
                .body = buffer_view(&x->reply),
                .now_ms = clock_wall_ms(),
                .secret = x->headers.key->secret,
        };
        curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &response->status);
        if (response->status >= 300)
                openai_read_headers(x->easy, response);
        curl_easy_getinfo(x->easy, CURLINFO_HTTP_VERSION, &version);
        if (version != 0)
                x->openai->usage.protocol = version == CURL_HTTP_VERSION_2_0 ? PROTOCOL_HTTP2 : PROTOCOL_HTTP1;
}

static void openai_on_done(CURL *easy, CURLcode code, void *arg)
{
        struct openai_exchange *x = NULL;
        (void)arg;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&x);
        openai_deliver(x, code);
}

static void openai_deliver(struct openai_exchange *x, CURLcode code)
{
        struct openai *o = x->openai;
        struct ai_response response;
        fill_response(x, code, &response);
        openai_end(x);
        o->delivering = true;
        x->done(&response, x->arg);
        o->delivering = false;
        openai_keep(x);
        if (o->closing)
                openai_release(o);
}

static void on_rest(void *arg)
{
        struct openai *o = arg;
        o->ready(o->arg);
}

/* ---- after a stall ---- */

static void openai_on_late(uv_timer_t *timer);

/* Those whose deadline went by meanwhile are not called late before what has arrived for them was read. curl sets its alarm for a deadline only once,
 * so the end of this reprieve is ours. */
static void on_stalled(void *arg)
{
        struct openai *o = arg;
        const uint64_t now_ms = uv_now(o->loop);
        struct listed *next = list_first(&o->under_way);
        for (; next; next = list_next(&o->under_way, next)) {
                struct openai_exchange *x = (struct openai_exchange *)next;
                if (x->deadline_ms <= now_ms)
                        curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS, (long)(now_ms - x->started_ms) + LONG_ENOUGH_MS);
        }
        if (!uv_is_active((uv_handle_t *)&o->late))
                uv_timer_start(&o->late, openai_on_late, LATE_MS, 0);
}

static struct openai_exchange *find_late(struct openai *o, uint64_t now_ms)
{
        struct listed *one = list_first(&o->under_way);
        while (one && ((struct openai_exchange *)one)->deadline_ms > now_ms)
                one = list_next(&o->under_way, one);
        return (struct openai_exchange *)one;
}

/* Whoever is told may start others, which are not late, or close everything. */
static void openai_on_late(uv_timer_t *timer)
{
        struct openai *o = timer->data;
        struct openai_exchange *x;
        const uint64_t now_ms = uv_now(o->loop);
        while (!o->closing && (x = find_late(o, now_ms)) != NULL)
                openai_deliver(x, CURLE_OPERATION_TIMEDOUT);
        if (!o->closing)
                on_rest(o);
}
