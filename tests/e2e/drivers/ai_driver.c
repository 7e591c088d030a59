/* SPDX-License-Identifier: Apache-2.0 */
/* Puts ai.h on a command line for the end-to-end tests. Settings come from the environment and flags, as chard takes them;
 * commands are lines of JSON on stdin, answers are lines of JSON on stdout:
 *
 *   {"do":"ask", "id":"a", "text":"…", "image":"…", "system":"…", "task":"…", "model":"…"|"vision", "schema":{…},
 *    "max_tokens":9, "deadline_ms":9}         -> {"id":"a", "verdict":"ok", "content":…, "code":…, "text":…, …}
 *   {"do":"batch", "count":5000, "window":5000, "patient":true, …as ask}
 *                                             -> {"id":…, "verdicts":{"ok":5000}, "codes":{}, "seconds":…, "cpu_us":…,
 *                                                 "longest_turn_ms":… (for which the loop did not come round), …}
 *   {"do":"cancel", "id":"a"}                 -> the answer of "a", then {"id":"a", "cancelled":true}
 *   {"do":"paused", "id":"p", "model":…}      -> {"id":"p", "paused_ms":…, "in_flight":…, "provider":…}
 *
 * A batch keeps up to `window` calls under way until `count` have ended; a patient one asks again after AI_WAIT, once the wait is
 * over. At the end of stdin everything is closed, with what is under way, and the exit code is 0. */
#include "ai/ai.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/settings/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct driver {
        uv_loop_t loop;
        uv_pipe_t in;
        struct ai *ai;
        struct buffer line;
        struct driver_ask *asks;
        uv_check_t check;
        uint64_t turn_us, longest_turn_us;
};

struct driver_ask {
        struct driver *driver;
        struct driver_ask *next; /* of single ones */
        json_t *command;         /* holds every text that the request borrows */
        struct ai_part system_part, parts[2];
        struct ai_turn turns[2];
        struct ai_request request;
        struct ai_call *call;
        struct ask_batch *batch;
};

struct ask_batch {
        struct driver_ask *ask;
        size_t count, window, begun, ended;
        bool patient, filling;
        json_t *verdicts, *codes;
        uint64_t start_us, cpu_us;
};

/* A patient batch's call that waits before it asks again. */
struct nap {
        uv_timer_t timer;
        struct ask_batch *batch;
};

static const char *const verdict_names[] = { "ok", "transient", "wait", "permanent", "cancelled" };

static void print(json_t *takes)
{
        char *text = json_dumps(takes, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        fflush(stdout);
        free(text);
        json_decref(takes);
}

static uint64_t cpu_us(void)
{
        struct rusage use;
        getrusage(RUSAGE_SELF, &use);
        return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
               (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static json_int_t peak_rss_kb(void)
{
        struct rusage use;
        getrusage(RUSAGE_SELF, &use);
        return use.ru_maxrss;
}

static json_t *describe(const struct ai_reply *reply)
{
        return json_pack("{ss ss ss ss sI sO? ss ss si si sI si sI}", "verdict", verdict_names[reply->verdict],
                         "source", reply->why.source, "code", reply->why.code, "text", reply->why.text, "wait_ms",
                         (json_int_t)reply->wait_ms, "content", reply->content, "provider",
                         reply->provider ? reply->provider : "", "model", reply->model, "tokens_in",
                         (int)reply->tokens_in, "tokens_out", (int)reply->tokens_out, "cost_nano",
                         (json_int_t)reply->cost_nano, "elapsed_ms", (int)reply->elapsed_ms, "at_ms",
                         (json_int_t)clock_mono_ms());
}

/* ---- requests ---- */

static const char *model_of(const json_t *command)
{
        const char *model = json_text(command, "model", AI_MODEL_TEXT);
        return strcmp(model, "vision") == 0 ? AI_MODEL_VISION : model;
}

static void fill_request(struct driver_ask *a)
{
        const char *text = json_text(a->command, "text", "hello"), *image = json_text(a->command, "image", NULL);
        const char *system = json_text(a->command, "system", NULL);
        size_t turns = 0;
        a->system_part = (struct ai_part){ AI_TEXT, system };
        a->parts[0] = (struct ai_part){ AI_TEXT, text };
        a->parts[1] = (struct ai_part){ AI_IMAGE_URL, image };
        if (system)
                a->turns[turns++] = (struct ai_turn){ "system", &a->system_part, 1 };
        a->turns[turns++] = (struct ai_turn){ "user", a->parts, image ? 2 : 1 };
        a->request = (struct ai_request){
                .task = json_text(a->command, "task", "driver"),
                .model = model_of(a->command),
                .turns = a->turns,
                .turn_count = turns,
                .schema_name = "answer",
                .schema = json_object_get(a->command, "schema"),
                .max_tokens = (unsigned)json_number(a->command, "max_tokens", 0),
                .deadline_ms = (unsigned)json_number(a->command, "deadline_ms", 30000),
                .facts = json_object_get(a->command, "facts"),
                .lang = "en",
        };
}

static struct driver_ask *new_ask(struct driver *d, json_t *command)
{
        struct driver_ask *a = calloc(1, sizeof(*a));
        if (!a)
                abort();
        a->driver = d;
        a->command = json_incref(command);
        fill_request(a);
        return a;
}

static void free_ask(struct driver_ask *a)
{
        json_decref(a->command);
        free(a);
}

/* ---- single calls ---- */

static void forget(struct driver *d, struct driver_ask *a)
{
        struct driver_ask **at = &d->asks;
        while (*at != a)
                at = &(*at)->next;
        *at = a->next;
}

static void on_answer(const struct ai_reply *reply, void *arg)
{
        struct driver_ask *a = arg;
        json_t *out = describe(reply);
        json_object_set(out, "id", json_object_get(a->command, "id"));
        forget(a->driver, a);
        free_ask(a);
        print(out);
}

static void do_ask(struct driver *d, json_t *command)
{
        struct driver_ask *a = new_ask(d, command);
        a->next = d->asks;
        d->asks = a;
        const int result = ai_ask(d->ai, &a->request, on_answer, a, &a->call);
        if (result == 0)
                return;
        forget(d, a);
        free_ask(a);
        print(json_pack("{sO? ss}", "id", json_object_get(command, "id"), "verdict", strerror(-result)));
}

static void do_cancel(struct driver *d, json_t *command)
{
        const json_t *id = json_object_get(command, "id");
        for (struct driver_ask *a = d->asks; a; a = a->next)
                if (json_equal(json_object_get(a->command, "id"), id)) {
                        ai_cancel(d->ai, a->call);
                        break;
                }
        print(json_pack("{sO? sb}", "id", id, "cancelled", 1));
}

static void do_paused(struct driver *d, json_t *command)
{
        const uint64_t paused = ai_paused_ms(d->ai, model_of(command), clock_mono_ms());
        print(json_pack("{sO? sI sI ss}", "id", json_object_get(command, "id"), "paused_ms", (json_int_t)paused,
                        "in_flight", (json_int_t)ai_in_flight(d->ai), "provider", ai_provider_name(d->ai)));
}

/* ---- batches ---- */

static void count_in(json_t *counts, const char *name)
{
        json_object_set_new(counts, name, json_integer(json_number(counts, name, 0) + 1));
}

static void fill(struct ask_batch *b);

static void end_batch(struct ask_batch *b)
{
        const struct driver *d = b->ask->driver;
        print(json_pack("{sO? so so sf sI sI sI sI}", "id", json_object_get(b->ask->command, "id"), "verdicts",
                        b->verdicts, "codes", b->codes, "seconds", (double)(clock_mono_us() - b->start_us) / 1e6,
                        "cpu_us", (json_int_t)(cpu_us() - b->cpu_us), "peak_rss_kb", peak_rss_kb(), "in_flight",
                        (json_int_t)ai_in_flight(d->ai), "longest_turn_ms", (json_int_t)(d->longest_turn_us / 1000)));
        free_ask(b->ask);
        free(b);
}

static void on_woken(uv_handle_t *handle)
{
        free(handle);
}

static void on_nap(uv_timer_t *timer)
{
        struct nap *nap = (struct nap *)timer;
        struct ask_batch *b = nap->batch;
        uv_close((uv_handle_t *)timer, on_woken);
        b->begun--;
        fill(b);
}

static void sleep_then_ask(struct ask_batch *b, uint64_t wait_ms)
{
        struct nap *nap = calloc(1, sizeof(*nap));
        if (!nap)
                abort();
        nap->batch = b;
        uv_timer_init(&b->ask->driver->loop, &nap->timer);
        uv_timer_start(&nap->timer, on_nap, wait_ms, 0);
}

static void on_batch_answer(const struct ai_reply *reply, void *arg)
{
        struct ask_batch *b = arg;
        count_in(b->verdicts, verdict_names[reply->verdict]);
        if (reply->verdict != AI_OK)
                count_in(b->codes, reply->why.code);
        if (reply->verdict == AI_WAIT && b->patient) {
                sleep_then_ask(b, reply->wait_ms);
                return;
        }
        if (++b->ended == b->count)
                end_batch(b);
        else
                fill(b);
}

static void fill(struct ask_batch *b)
{
        while (b->begun < b->count && b->begun - b->ended < b->window) {
                b->begun++;
                if (ai_ask(b->ask->driver->ai, &b->ask->request, on_batch_answer, b, NULL) != 0)
                        abort();
        }
}

static void do_batch(struct driver *d, json_t *command)
{
        struct ask_batch *b = calloc(1, sizeof(*b));
        if (!b)
                abort();
        b->ask = new_ask(d, command);
        b->count = (size_t)json_number(command, "count", 1);
        b->window = (size_t)json_number(command, "window", (json_int_t)b->count);
        b->patient = json_is_true(json_object_get(command, "patient"));
        b->verdicts = json_object();
        b->codes = json_object();
        d->longest_turn_us = 0;
        b->start_us = clock_mono_us();
        b->cpu_us = cpu_us();
        fill(b);
}

/* ---- the process ---- */

static void obey(struct driver *d, struct bytes line)
{
        struct problem why;
        json_t *command = NULL;
        if (json_parse(line, "driver", &command, &why) != 0) {
                print(json_pack("{ss}", "verdict", why.text));
                return;
        }
        const char *verb = json_text(command, "do", "");
        if (strcmp(verb, "ask") == 0)
                do_ask(d, command);
        else if (strcmp(verb, "batch") == 0)
                do_batch(d, command);
        else if (strcmp(verb, "cancel") == 0)
                do_cancel(d, command);
        else if (strcmp(verb, "paused") == 0)
                do_paused(d, command);
        json_decref(command);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
        (void)handle;
        *out = uv_buf_init(malloc(wanted), (unsigned)wanted);
}

static void close_all(struct driver *d)
{
        uv_close((uv_handle_t *)&d->in, NULL);
        uv_close((uv_handle_t *)&d->check, NULL);
        ai_close(d->ai);
}

static void on_input(uv_stream_t *in, ssize_t size, const uv_buf_t *data)
{
        struct driver *d = in->data;
        for (ssize_t i = 0; i < size; i++) {
                if (data->base[i] != '\n') {
                        buffer_add_byte(&d->line, (unsigned char)data->base[i]);
                        continue;
                }
                obey(d, buffer_view(&d->line));
                buffer_reset(&d->line);
        }
        free(data->base);
        if (size < 0)
                close_all(d);
}

/* Right after the loop has waited for events: from there to the next time it waits is a turn. */
static void on_check(uv_check_t *check)
{
        struct driver *d = check->data;
        const uint64_t now_us = clock_mono_us(), idle_us = uv_metrics_idle_time(&d->loop) / 1000;
        const uint64_t busy_us = now_us - idle_us;
        if (d->turn_us && busy_us - d->turn_us > d->longest_turn_us)
                d->longest_turn_us = busy_us - d->turn_us;
        d->turn_us = busy_us;
}

static int offline(const struct ai_request *request, json_t **answer, void *arg, struct problem *why)
{
        (void)arg;
        json_t *given = json_object_get(request->facts, "answer");
        if (!given)
                return problem_set(why, "provider", "no_facts", "there are no facts to answer from");
        *answer = json_incref(given);
        return 0;
}

static int open_ai(struct driver *d, const struct settings *s)
{
        struct problem why;
        const struct ai_config config = {
                .loop = &d->loop,
                .provider = s->ai_provider,
                .base_url = s->openai_base_url,
                .api_key = s->openai_api_key,
                .api_key_file = getenv("OPENAI_API_KEY_FILE"),
                .model = s->openai_model,
                .vision_model = s->openai_vision_model,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .max_connections = s->ai_connections,
                .http2_plain = s->ai_http2_plain,
                .baggage = s->ai_baggage,
                .offline = offline,
        };
        const int result = ai_open(&d->ai, &config, &why);
        if (result == 0)
                return 0;
        print(json_pack("{ss ss ss}", "source", result > 0 ? why.source : "", "code",
                        result > 0 ? why.code : strerror(-result), "text", result > 0 ? why.text : ""));
        return 2;
}

int main(int argc, char **argv)
{
        struct driver d = { 0 };
        struct settings settings;
        struct problem why;
        int operands = 0;
        log_setup(LOG_INFO, false);
        if (settings_load(&settings, NULL, argv + 1, argc - 1, &operands, &why) != 0) {
                fprintf(stderr, "%s\n", why.text);
                return 2;
        }
        uv_loop_init(&d.loop);
        uv_loop_configure(&d.loop, UV_METRICS_IDLE_TIME);
        int result = open_ai(&d, &settings);
        settings_free(&settings);
        if (result == 0) {
                uv_check_init(&d.loop, &d.check);
                uv_check_start(&d.check, on_check);
                d.check.data = &d;
                uv_pipe_init(&d.loop, &d.in, 0);
                uv_pipe_open(&d.in, STDIN_FILENO);
                d.in.data = &d;
                uv_read_start((uv_stream_t *)&d.in, on_alloc, on_input);
        }
        uv_run(&d.loop, UV_RUN_DEFAULT);
        buffer_free(&d.line);
        if (uv_loop_close(&d.loop) != 0)
                return 3; /* something was left open */
        return result;
}
