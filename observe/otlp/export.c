/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/otlp/export.h"

#include "ai/http/multi.h"
#include "core/log.h"
#include "core/text/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
        OTLP_DELAY_MS = 1000,      /* for others to come along */
        OTLP_BATCH = 512,          /* so many do not wait */
        OTLP_MOST_BYTES = 4 << 20, /* that wait; as many again may be under way */
        OTLP_MOST_LIST = 64,       /* pairs of a list in a setting */
        OTLP_UPLOAD = 1 << 20,     /* so much goes out in a turn of a busy loop */
        OTLP_TIMEOUT_MS = 10000,
        OTLP_TRIES = 5,
        OTLP_MOST_WAIT_S = 60,
};

struct otlp {
        uv_loop_t *loop;
        const char *what;
        struct multi *multi;
        struct shard *shard;
        CURL *easy;
        struct curl_slist *headers;
        uv_timer_t timer; /* until the next batch, or the next try */
        struct buffer resource, waiting, request;
        size_t waiting_count, sending_count; /* spans */
        struct otlp_counts counts;
        uint64_t told; /* so many were dropped when it was told last */
        unsigned tries;
        bool under_way, again, closing;
        bool troubled; /* it was told that some are dropped */
};

/* ---- what is dropped ---- */

static void otlp_drop(struct otlp *o, size_t count, const char *reason)
{
        o->counts.dropped += count;
        if (o->troubled || count == 0)
                return;
        o->troubled = true;
        log_warn("otlp", "%s are dropped, and counted: %s", o->what, reason);
}

static void otlp_sent(struct otlp *o)
{
        o->counts.sent += o->sending_count;
        if (!o->troubled)
                return;
        o->troubled = false;
        log_info("otlp", "the collector takes %s again; %llu were dropped", o->what,
                 (unsigned long long)(o->counts.dropped - o->told));
        o->told = o->counts.dropped;
}

/* ---- a request ---- */

static void otlp_settle(struct otlp *o);
static void otlp_release(struct otlp *o);

static void otlp_post(struct otlp *o)
{
        curl_easy_setopt(o->easy, CURLOPT_POSTFIELDS, (char *)o->request.data);
        curl_easy_setopt(o->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->request.size);
        o->again = false;
        o->tries++;
        o->under_way = multi_add(o->multi, o->easy, 1, &o->shard) == 0;
        if (o->under_way)
                return;
        otlp_drop(o, o->sending_count, "out of memory");
        otlp_settle(o);
}

/* All that waits goes out. */
static void otlp_send(struct otlp *o)
{
        buffer_reset(&o->request);
        otlp_write_request(&o->request, buffer_view(&o->resource), buffer_view(&o->waiting));
        o->sending_count = o->waiting_count;
        o->tries = 0;
        o->waiting_count = 0;
        buffer_reset(&o->waiting);
        if (o->request.failed) {
                otlp_drop(o, o->sending_count, "out of memory");
                otlp_settle(o);
        } else {
                otlp_post(o);
        }
}

/* Closing has its time. */
static void otlp_give_up(struct otlp *o)
{
        if (o->under_way)
                multi_remove(o->shard, o->easy);
        o->under_way = false;
        otlp_drop(o, o->sending_count + o->waiting_count, "the collector has not answered in time");
        otlp_release(o);
}

static void otlp_on_timer(uv_timer_t *timer)
{
        struct otlp *o = timer->data;
        if (o->closing)
                otlp_give_up(o);
        else if (o->again)
                otlp_post(o);
        else if (!o->under_way && o->waiting_count)
                otlp_send(o);
}

/* A request is over, one way or the other. */
static void otlp_settle(struct otlp *o)
{
        o->sending_count = 0;
        o->again = false;
        if (o->closing && o->waiting_count)
                otlp_send(o);
        else if (o->closing)
                otlp_release(o);
        else if (o->waiting_count)
                uv_timer_start(&o->timer, otlp_on_timer, o->waiting_count < OTLP_BATCH ? OTLP_DELAY_MS : 0, 0);
}

/* ---- its answer ---- */

static bool otlp_may_try_again(long status)
{
        return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

static uint64_t otlp_wait_ms(const struct otlp *o)
{
        curl_off_t seconds = 0;
        curl_easy_getinfo(o->easy, CURLINFO_RETRY_AFTER, &seconds);
        if (seconds <= 0)
                seconds = 1 << (o->tries - 1);
        return 1000 * (uint64_t)(seconds < OTLP_MOST_WAIT_S ? seconds : OTLP_MOST_WAIT_S);
}

static void otlp_judge(struct otlp *o, CURLcode code)
{
        char reason[128];
        long status = 0;
        curl_easy_getinfo(o->easy, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK && status >= 200 && status < 300) {
                otlp_sent(o);
        } else if (!o->closing && o->tries < OTLP_TRIES && otlp_may_try_again(code ? 0 : status)) {
                o->again = true;
                uv_timer_start(&o->timer, otlp_on_timer, otlp_wait_ms(o), 0);
                return;
        } else {
                if (code)
                        snprintf(reason, sizeof(reason), "%s", curl_easy_strerror(code));
                else
                        snprintf(reason, sizeof(reason), "the collector answers %ld", status);
                otlp_drop(o, o->sending_count, reason);
        }
        otlp_settle(o);
}

static void otlp_on_done(CURL *easy, CURLcode code, void *arg)
{
        struct otlp *o = arg;
        multi_remove(o->shard, easy);
        o->under_way = false;
        otlp_judge(o, code);
}

static void otlp_on_rest(void *arg)
{
        (void)arg;
}

/* What it says is of no use. */
static size_t otlp_on_body(char *data, size_t size, size_t count, void *arg)
{
        (void)data, (void)arg;
        return size * count;
}

static int otlp_on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
        struct otlp *o = arg;
        (void)purpose;
        multi_opened(o->shard, fd);
        return CURL_SOCKOPT_OK;
}

/* ---- what is added ---- */

static const char *const otlp_no_room = "they come faster than the collector takes them";

static bool otlp_has_room(const struct otlp *o)
{
        return o->waiting.size < OTLP_MOST_BYTES;
}

/* They were appended; `before` is how much there was without them. */
static void otlp_added(struct otlp *o, size_t before, size_t count)
{
        if (o->waiting.failed) {
                o->waiting.failed = false;
                o->waiting.size = before;
                otlp_drop(o, count, "out of memory");
                return;
        }
        const bool full = o->waiting_count < OTLP_BATCH && o->waiting_count + count >= OTLP_BATCH;
        const bool first = o->waiting_count == 0;
        o->waiting_count += count;
        if (!o->under_way && !o->again && (first || full))
                uv_timer_start(&o->timer, otlp_on_timer, full ? 0 : OTLP_DELAY_MS, 0);
}

void otlp_add(struct otlp *o, const struct otlp_span *span)
{
        const size_t before = o->waiting.size;
        if (otlp_has_room(o)) {
                otlp_add_span(&o->waiting, span);
                otlp_added(o, before, 1);
        } else {
                otlp_drop(o, 1, otlp_no_room);
        }
}

void otlp_add_encoded(struct otlp *o, struct bytes list, size_t count)
{
        const size_t before = o->waiting.size;
        if (otlp_has_room(o)) {
                buffer_add(&o->waiting, list.data, list.size);
                otlp_added(o, before, count);
        } else {
                otlp_drop(o, count, otlp_no_room);
        }
}

void otlp_lose(struct otlp *o, size_t count, bool no_memory)
{
        otlp_drop(o, count, no_memory ? "out of memory" : otlp_no_room);
}

struct otlp_counts otlp_counts(const struct otlp *o)
{
        struct otlp_counts counts = o->counts;
        counts.waiting = o->waiting_count + o->sending_count;
        return counts;
}

/* ---- opening and closing ---- */

static char *otlp_trimmed(char *text)
{
        text += strspn(text, " \t");
        for (char *end = text + strlen(text); end > text && (end[-1] == ' ' || end[-1] == '\t'); *--end = '\0')
                ;
        return text;
}

/* Calls `take` for each pair of "NAME=VALUE,…", both without blanks around them, each %XX of a value as the byte that it stands for; `list` is changed. One with a NUL
 * in it is passed over. False: memory ran out. Source: OpenTelemetry, "Specifying headers via environment variables", and its "Resource SDK". */
static bool otlp_pairs(char *list, bool (*take)(struct otlp *o, char *name, char *value), struct otlp *o)
{
        char *save, *equals, *value;
        unsigned count = 0;
        for (char *pair = strtok_r(list, ",", &save); pair && count < OTLP_MOST_LIST;
             pair = strtok_r(NULL, ",", &save)) {
                bool zero = false;
                equals = strchr(pair, '=');
                if (equals)
                        *equals = '\0';
                pair = otlp_trimmed(pair);
                if (!equals || !*pair)
                        continue;
                count++;
                equals = otlp_trimmed(equals + 1);
                value = url_decode(equals, strlen(equals), NULL, &zero);
                const bool taken = value ? take(o, pair, value) : zero;
                free(value);
                if (!taken)
                        return false;
        }
        return true;
}

static bool otlp_take_header(struct otlp *o, char *name, char *value)
{
        char *line = NULL;
        if (strpbrk(name, "\r\n:") || strpbrk(value, "\r\n"))
                return true;
        log_hide(value);
        struct curl_slist *more =
                asprintf(&line, "%s: %s", name, value) < 0 ? NULL : curl_slist_append(o->headers, line);
        free(line);
        if (more)
                o->headers = more;
        return more;
}

static bool otlp_take_resource(struct otlp *o, char *name, char *value)
{
        if (strcmp(name, otlp_names[NAME_SERVICE]) != 0)
                otlp_add_named(&o->resource, name, value);
        return !o->resource.failed;
}

static bool otlp_take_list(struct otlp *o, const char *list, bool (*take)(struct otlp *o, char *name, char *value))
{
        char *copy = strdup(list ? list : "");
        const bool fine = copy && otlp_pairs(copy, take, o);
        free(copy);
        return fine;
}

static bool otlp_describe(struct otlp *o, const struct otlp_config *config)
{
        const struct otlp_attribute own[] = {
                { .name = NAME_SERVICE, .text = config->service },
                { .name = NAME_SERVICE_VERSION, .text = CHARD_VERSION },
                { .name = NAME_SERVICE_INSTANCE, .text = config->instance },
                { .name = NAME_SDK, .text = "chard" },
                { .name = NAME_SDK_LANGUAGE, .text = "c" },
                { .name = NAME_SDK_VERSION, .text = CHARD_VERSION },
        };
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                otlp_add_resource(&o->resource, &own[i]);
        o->headers = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
        return o->headers && otlp_take_list(o, config->resource, otlp_take_resource) &&
               otlp_take_list(o, config->headers, otlp_take_header) && !o->resource.failed;
}

static bool otlp_configure(struct otlp *o, const char *url)
{
        o->easy = curl_easy_init();
        if (!o->easy)
                return false;
        curl_easy_setopt(o->easy, CURLOPT_PRIVATE, o);
        curl_easy_setopt(o->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(o->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(o->easy, CURLOPT_TIMEOUT_MS, (long)OTLP_TIMEOUT_MS);
        curl_easy_setopt(o->easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)OTLP_UPLOAD);
#if LIBCURL_VERSION_NUM >= 0x075700
        curl_easy_setopt(o->easy, CURLOPT_QUICK_EXIT, 1L); /* not to wait for a slow name server */
#endif
        curl_easy_setopt(o->easy, CURLOPT_WRITEFUNCTION, otlp_on_body);
        curl_easy_setopt(o->easy, CURLOPT_SOCKOPTFUNCTION, otlp_on_socket);
        curl_easy_setopt(o->easy, CURLOPT_SOCKOPTDATA, o);
        curl_easy_setopt(o->easy, CURLOPT_HTTPHEADER, o->headers);
        curl_easy_setopt(o->easy, CURLOPT_USERAGENT, "chard/" CHARD_VERSION);
        multi_prepare(o->multi, o->easy);
        return curl_easy_setopt(o->easy, CURLOPT_URL, url) == CURLE_OK;
}

static void otlp_free(struct otlp *o)
{
        if (o->easy)
                curl_easy_cleanup(o->easy);
        if (o->multi)
                multi_free(o->multi);
        curl_slist_free_all(o->headers);
        buffer_free(&o->resource);
        buffer_free(&o->waiting);
        buffer_free(&o->request);
        free(o);
}

int otlp_open(struct otlp **out, const struct otlp_config *config, struct problem *why)
{
        if (strncmp(config->url, "http://", 7) != 0 && strncmp(config->url, "https://", 8) != 0)
                return problem_set(why, "settings", "bad_setting",
                                   "the collector's address is no http:// or https:// URL");
        struct otlp *o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        const struct multi_calls calls = { otlp_on_done, otlp_on_rest, otlp_on_rest, o };
        int code = multi_new(&o->multi, config->loop, &calls);
        if (code == 0 && (!otlp_describe(o, config) || !otlp_configure(o, config->url)))
                code = -ENOMEM;
        if (code) {
                otlp_free(o);
                return code;
        }
        o->loop = config->loop;
        o->what = config->what;
        uv_timer_init(o->loop, &o->timer);
        o->timer.data = o;
        uv_unref((uv_handle_t *)&o->timer); /* nobody waits for spans, but when all else has ended */
        multi_unref(o->multi);
        *out = o;
        return 0;
}

static void otlp_on_closed(uv_handle_t *handle)
{
        otlp_free(handle->data);
}

static void otlp_release(struct otlp *o)
{
        if (o->counts.dropped > o->told)
                log_warn("otlp", "%llu %s were dropped", (unsigned long long)(o->counts.dropped - o->told), o->what);
        uv_close((uv_handle_t *)&o->timer, otlp_on_closed);
}

void otlp_close(struct otlp *o)
{
        if (!o)
                return;
        o->closing = true;
        uv_ref((uv_handle_t *)&o->timer);
        uv_timer_start(&o->timer, otlp_on_timer, OTLP_LAST_MS, 0);
        if (o->again)
                otlp_post(o);
        else if (o->waiting_count && !o->under_way)
                otlp_send(o);
        else if (!o->under_way)
                otlp_release(o);
}
