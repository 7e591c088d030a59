/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's door for tests in Python: reads one JSON object a line from stdin, makes that call, and prints what the
 * broker answers and tells, one JSON object a line.
 *
 *     broker_driver URLS [heartbeat=S] [timeout=MS] [ca=FILE] [name=TEXT] [queues=Q1,Q2,…]
 *
 * With queues, the topology for them is declared. First comes {"event": "open", …} or {"event": "failed", …} and exit 1.
 * Lines that arrive together are handled in one turn of the loop. */
#include "broker/broker.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/json.h"
#include "tests/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { READ_SIZE = 65536, QUEUES_MAX = 64, SHOWN = 200 };

struct driver {
        uv_loop_t loop;
        uv_poll_t input;
        struct broker *broker;
        struct topology topology;
        struct buffer line;
        json_t *texts;  /* queue names, kept because the broker borrows them */
        bool closing;   /* close the broker from inside the first callback that comes */
        bool automatic; /* ack every delivery at once … */
        bool quiet;     /* … without printing it */
        unsigned long deliveries, results[PUBLISH_CLOSED + 1];
        unsigned long flood_left;
        uint64_t flood_started_us;
};

static const char *const RESULTS[] = { "confirmed", "returned", "refused", "closed" };

static void print(json_t *takes)
{
        char *text = json_dumps(takes, JSON_COMPACT | JSON_ENSURE_ASCII);
        puts(text ? text : "{\"event\":\"unprintable\"}");
        fflush(stdout);
        free(text);
        json_decref(takes);
}

/* ---- what the broker tells ---- */

static void print_delivery(const struct delivery *d)
{
        const size_t shown = d->body.size < SHOWN ? d->body.size : SHOWN;
        uint64_t sum = 0;
        for (size_t i = 0; i < d->body.size; i++)
                sum += d->body.data[i];
        print(json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:b,s:I,s:I,s:o,s:s%}", "event", "delivery", "queue", d->queue,
                        "exchange", d->exchange, "key", d->routing_key, "tag", (json_int_t)d->tag.number, "epoch",
                        (json_int_t)d->tag.epoch, "redelivered", d->redelivered, "size", (json_int_t)d->body.size,
                        "sum", (json_int_t)sum, "properties", hex(d->properties), "body", (const char *)d->body.data,
                        shown));
}

static void do_close(struct driver *t, const json_t *line);

/* Is this the callback that a test wants the broker closed from? */
static void close_inside(struct driver *t)
{
        if (t->closing && t->broker)
                do_close(t, NULL);
}

static void on_deliveries(struct delivery *list, void *arg)
{
        struct driver *t = arg;
        close_inside(t);
        while (list) {
                struct delivery *next = list->next;
                t->deliveries++;
                if (!t->quiet)
                        print_delivery(list);
                if (t->automatic && t->broker)
                        broker_ack(t->broker, list->tag);
                delivery_free(list);
                list = next;
        }
}

static json_t *health_json(const char *event, const struct broker_health *h)
{
        static const char *const states[] = { "up", "down", "blocked" };
        return json_pack("{s:s,s:s,s:I,s:I,s:b,s:I,s:I,s:s}", "event", event, "state", states[h->state], "wanted",
                         (json_int_t)h->consumers_wanted, "registered", (json_int_t)h->consumers_registered,
                         "publisher_up", h->publisher_up, "last_frame_ms", (json_int_t)h->last_frame_ms, "unconfirmed",
                         (json_int_t)h->unconfirmed, "why", h->why);
}

static void on_changed(const struct broker_health *now, void *arg)
{
        print(health_json("changed", now));
        if (now->state == BROKER_UP)
                close_inside(arg);
}

/* ---- publishing ---- */

struct driver_sent {
        struct driver *driver;
        json_t *n;
};

static void on_done(enum publish_result result, void *arg)
{
        struct driver_sent *s = arg;
        struct driver *t = s->driver;
        t->results[result]++;
        print(json_pack("{s:s,s:o,s:s}", "event", "done", "n", s->n, "result", RESULTS[result]));
        free(s);
        close_inside(t);
}

/* {"exchange", "key", "body", "body_hex" or "size" (bytes of 'x'), "properties" (hex)} */
static struct message *read_message(const json_t *line)
{
        struct buffer properties = { 0 }, body = { 0 };
        const size_t size = (size_t)json_number(line, "size", 0);
        unhex(json_text(line, "properties", "100002"), &properties);
        buffer_add_string(&body, json_text(line, "body", ""));
        unhex(json_text(line, "body_hex", ""), &body);
        if (size && buffer_reserve(&body, size)) {
                memset(body.data, 'x', size);
                body.size = size;
        }
        struct message *m = message_new(json_text(line, "exchange", ""), json_text(line, "key", ""),
                                        buffer_view(&properties), buffer_view(&body));
        buffer_free(&properties);
        buffer_free(&body);
        return m;
}

static void do_publish(struct driver *t, const json_t *line)
{
        const json_int_t count = json_number(line, "count", 1);
        for (json_int_t i = 0; i < count; i++) {
                struct driver_sent *s = malloc(sizeof(*s));
                *s = (struct driver_sent){ t, json_integer(json_number(line, "n", 0) + i) };
                broker_publish(t->broker, read_message(line), on_done, s);
        }
}

static void on_flooded(enum publish_result result, void *arg)
{
        struct driver *t = arg;
        t->results[result]++;
        if (--t->flood_left > 0)
                return;
        print(json_pack("{s:s,s:I}", "event", "flooded", "us", (json_int_t)(clock_mono_us() - t->flood_started_us)));
}

/* {"count", and a message as above}: publish it that often, and say when all are answered. */
static void do_flood(struct driver *t, const json_t *line)
{
        struct message *one = read_message(line);
        t->flood_left = (unsigned long)json_number(line, "count", 1);
        t->flood_started_us = clock_mono_us();
        for (unsigned long i = t->flood_left; i > 0; i--)
                broker_publish(t->broker, message_new(one->exchange, one->routing_key, one->properties, one->body),
                               on_flooded, t);
        message_free(one);
}

/* ---- the other calls ---- */

static void do_consume(struct driver *t, const json_t *line)
{
        json_t *queue = json_object_get(line, "queue");
        json_array_append(t->texts, queue);
        const int result =
                broker_consume(t->broker, json_string_value(queue), (unsigned)json_number(line, "prefetch", 10));
        if (result)
                print(json_pack("{s:s,s:i}", "event", "consume_failed", "error", result));
}

static void do_cancel(struct driver *t, const json_t *line)
{
        (void)line;
        broker_cancel(t->broker);
}

static struct delivery_tag tag_of(const json_t *line)
{
        return (struct delivery_tag){ .number = (uint64_t)json_number(line, "tag", 0),
                                      .epoch = (uint32_t)json_number(line, "epoch", 1) };
}

static void do_ack(struct driver *t, const json_t *line)
{
        broker_ack(t->broker, tag_of(line));
}

static void do_hand_back(struct driver *t, const json_t *line)
{
        broker_hand_back(t->broker, tag_of(line));
}

static void do_health(struct driver *t, const json_t *line)
{
        struct broker_health h;
        (void)line;
        broker_health(t->broker, &h);
        print(health_json("health", &h));
}

static void do_mode(struct driver *t, const json_t *line)
{
        t->automatic = json_is_true(json_object_get(line, "automatic"));
        t->quiet = json_is_true(json_object_get(line, "quiet"));
        t->closing = json_is_true(json_object_get(line, "closing"));
}

static void do_counts(struct driver *t, const json_t *line)
{
        struct rusage used;
        (void)line;
        getrusage(RUSAGE_SELF, &used);
        print(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:I}", "event", "counts", "deliveries", (json_int_t)t->deliveries,
                        "confirmed", (json_int_t)t->results[PUBLISH_CONFIRMED], "returned",
                        (json_int_t)t->results[PUBLISH_RETURNED], "refused", (json_int_t)t->results[PUBLISH_REFUSED],
                        "closed", (json_int_t)t->results[PUBLISH_CLOSED], "cpu_s",
                        (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
                        "rss_kb", (json_int_t)used.ru_maxrss));
}

static void do_close(struct driver *t, const json_t *line)
{
        const uint64_t start = clock_mono_ms();
        struct broker *broker = t->broker;
        (void)line;
        t->broker = NULL;
        if (broker)
                broker_close(broker);
        uv_close((uv_handle_t *)&t->input, NULL);
        print(json_pack("{s:s,s:I}", "event", "closed", "ms", (json_int_t)(clock_mono_ms() - start)));
}

static const struct {
        const char *name;
        void (*call)(struct driver *t, const json_t *line);
} VERBS[] = {
        { "publish", do_publish }, { "flood", do_flood },   { "consume", do_consume },     { "cancel", do_cancel },
        { "ack", do_ack },         { "nothing", NULL },     { "hand_back", do_hand_back }, { "health", do_health },
        { "mode", do_mode },       { "counts", do_counts }, { "close", do_close },
};

/* ---- reading ---- */

static void obey(struct driver *t, struct bytes text)
{
        JSON_OWNED json_t *line = NULL;
        struct problem why = { .code = "" };
        if (text.size == 0 || !t->broker)
                return;
        if (json_parse(text, "driver", &line, &why)) {
                print(json_pack("{s:s,s:s}", "event", "bad_line", "why", why.text));
                return;
        }
        for (size_t i = 0; i < sizeof(VERBS) / sizeof(*VERBS); i++)
                if (strcmp(VERBS[i].name, json_text(line, "do", "nothing")) == 0 && VERBS[i].call)
                        VERBS[i].call(t, line);
}

static void on_input(uv_poll_t *handle, int status, int events)
{
        struct driver *t = handle->data;
        (void)status;
        (void)events;
        unsigned char *space = buffer_reserve(&t->line, READ_SIZE);
        const ssize_t count = space ? read(STDIN_FILENO, space, READ_SIZE) : 0;
        if (count <= 0) {
                do_close(t, NULL);
                return;
        }
        size_t from = 0, looked = t->line.size;
        t->line.size += (size_t)count;
        for (const unsigned char *end; (end = memchr(t->line.data + looked, '\n', t->line.size - looked));) {
                looked = (size_t)(end - t->line.data) + 1;
                obey(t, bytes_of(t->line.data + from, looked - 1 - from));
                from = looked;
        }
        if (from == 0)
                return; /* a long line goes on */
        memmove(t->line.data, t->line.data + from, t->line.size - from);
        t->line.size -= from;
}

static void read_option(const char *word, struct broker_config *config, struct driver *t)
{
        static char names[4096];
        const char *queues[QUEUES_MAX];
        const char *value = strchr(word, '=') + 1;
        size_t count = 0;
        switch (word[0]) {
        case 'h': config->heartbeat_s = (unsigned)atoi(value); break;
        case 't': config->connect_timeout_ms = (unsigned)atoi(value); break;
        case 'c': config->ca_file = value; break;
        case 'n': config->name = value; break;
        case 'q':
                snprintf(names, sizeof(names), "%s", value);
                for (char *save, *q = strtok_r(names, ",", &save); q && count < QUEUES_MAX;
                     q = strtok_r(NULL, ",", &save))
                        queues[count++] = q;
                topology_build(&t->topology, queues, count, true);
                config->topology = &t->topology;
                break;
        default: break;
        }
}

static void finish(struct driver *t)
{
        uv_run(&t->loop, UV_RUN_DEFAULT);
        uv_loop_close(&t->loop);
        topology_free(&t->topology);
        buffer_free(&t->line);
        json_decref(t->texts);
}

int main(int argc, char **argv)
{
        struct driver t = { .texts = json_array() };
        struct broker_config config = {
                .loop = &t.loop, .urls = argc > 1 ? argv[1] : "", .heartbeat_s = 10, .connect_timeout_ms = 5000
        };
        const struct broker_listener listener = { &t, on_deliveries, on_changed };
        struct problem why = { .code = "" };
        log_setup(LOG_INFO, false);
        for (int i = 2; i < argc; i++)
                if (strchr(argv[i], '='))
                        read_option(argv[i], &config, &t);
        uv_loop_init(&t.loop);
        const uint64_t start = clock_mono_ms();
        const int result = broker_open(&t.broker, &config, &listener, &why);
        const json_int_t took = (json_int_t)(clock_mono_ms() - start);
        if (result) {
                print(json_pack("{s:s,s:i,s:s,s:s,s:I}", "event", "failed", "result", result, "code", why.code, "text",
                                why.text, "ms", took));
                finish(&t);
                return 1;
        }
        print(json_pack("{s:s,s:I}", "event", "open", "ms", took));
        uv_poll_init(&t.loop, &t.input, STDIN_FILENO);
        t.input.data = &t;
        uv_poll_start(&t.input, UV_READABLE, on_input);
        finish(&t);
        return 0;
}
