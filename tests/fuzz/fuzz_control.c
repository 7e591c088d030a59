/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever comes into a worker's mailbox (`celery control`, Flower, anybody who may publish): two bytes with the length of the properties
 * (big-endian), the properties, the body. The same also stands as the only scheduled message. Every answer is JSON with the worker's name,
 * and afterwards the worker answers a ping. */
#include "core/json.h"
#include "core/log.h"
#include "tests/hex.h"
#include "worker/control.h"
#include "worker/control/control.h"

#include <stdlib.h>
#include <string.h>

static struct {
        const struct broker_bus *bus;
        struct bytes properties, body;
        size_t answers;
} fake;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* ---- what the worker stands on ---- */

static int join(struct broker *b, const struct broker_bus *bus)
{
        (void)b;
        fake.bus = bus;
        return 0;
}

static void publish_transient(struct broker *b, struct message *takes)
{
        struct properties p;
        JSON_OWNED json_t *body = NULL;
        (void)b;
        must(properties_read(takes->properties, &p, NULL) == 0);
        must(json_parse(takes->body, "answer", &body, NULL) == 0);
        must(json_is_array(body) || json_object_size(body) > 0);
        fake.answers++;
        message_free(takes);
}

static int redeclare(struct broker *b, const struct topology *topology)
{
        (void)b;
        return topology->count > 0 ? 0 : -1;
}

static int consume(struct broker *b, const char *queue, unsigned prefetch)
{
        (void)b;
        must(*queue && prefetch > 0);
        return 0;
}

static void cancel(struct broker *b)
{
        (void)b;
}

static void keep_revoked(struct store *s, const struct revocation *revocation, store_done *done, void *arg)
{
        (void)s;
        must(strlen(revocation->id) <= MESSAGE_MAX_NAME);
        done(STORE_DONE, bytes_of(NULL, 0), NULL, arg);
}

/* ---- results, which are told what was revoked ---- */

static bool sink_wants(const struct results_sink *s, const struct results_address *to)
{
        (void)s;
        return to->task_id != NULL;
}

static void sink_store(struct results_sink *s, const struct results_address *to, struct bytes meta, results_done *done,
                       void *arg)
{
        json_t *value = json_loadb((const char *)meta.data, meta.size, 0, NULL);
        (void)s, (void)to;
        must(json_is_object(value));
        json_decref(value);
        done(RESULTS_DONE, NULL, arg);
}

static void sink_close(struct results_sink *s)
{
        (void)s;
}

static const struct results_backend sink_backend = { .wants = sink_wants, .store = sink_store, .close = sink_close };

/* Once for all inputs. */
static struct results *the_results(void)
{
        static struct results_sink sink = { .backend = &sink_backend };
        static struct results *results;
        const struct results_config config = { .urls = "disabled://" };
        struct problem why = { 0 };
        if (!results) {
                must(results_open(&results, &config, &why) == 0);
                results_add(results, &sink);
        }
        return results;
}

static void upcoming(struct store *s, json_done *done, void *arg)
{
        JSON_OWNED json_t *rows =
                json_pack("[{s:I, s:s, s:s, s:o, s:o}]", "due_ms", (json_int_t)1800000000000, "exchange", "x",
                          "routing_key", "k", "properties", hex(fake.properties), "body", hex(fake.body));
        (void)s;
        done(rows, NULL, arg);
}

static const struct broker_backend broker_backend = { .join = join,
                                                      .publish_transient = publish_transient,
                                                      .redeclare = redeclare,
                                                      .consume = consume,
                                                      .cancel = cancel };
static bool store_is_up(const struct store *s)
{
        (void)s;
        return true;
}

static const struct store_backend store_backend = { .up = store_is_up };
static const struct store_run runs = { .revoke = keep_revoked };
static const struct store_schedule schedules = { .upcoming = upcoming };

/* ---- the mailbox ---- */

static void hear(struct bytes properties, struct bytes body)
{
        struct delivery *d = calloc(1, sizeof(*d) + properties.size + body.size + 1);
        unsigned char *at = d ? (unsigned char *)(d + 1) : NULL;
        must(d != NULL);
        if (properties.size)
                memcpy(at, properties.data, properties.size);
        if (body.size)
                memcpy(at + properties.size, body.data, body.size);
        d->queue = d->exchange = d->routing_key = "q";
        d->properties = bytes_of(at, properties.size);
        d->body = bytes_of(at + properties.size, body.size);
        fake.bus->heard(d, fake.bus->arg);
}

static void run(struct worker *w)
{
        struct control *c = NULL;
        must(control_open(&c, w) == 0 && c);
        w->control = c;
        hear(fake.properties, fake.body);
        fake.answers = 0;
        hear(bytes_of("\0\0", 2), bytes_of_string("{\"method\": \"ping\", \"arguments\": {}, \"ticket\": \"t\", "
                                                  "\"reply_to\": {\"exchange\": \"\", \"routing_key\": \"r\"}}"));
        must(fake.answers == 1);
        control_stop(c);
        uv_run(w->loop, UV_RUN_DEFAULT);
        control_free(c);
        intake_close(w);
}

/* Once for all inputs: it takes no part in what is tried. */
static struct ai *offline_ai(uv_loop_t *loop)
{
        static struct ai *ai;
        const struct ai_config config = { .loop = loop, .provider = "offline" };
        struct problem why = { 0 };
        if (!ai)
                must(ai_open(&ai, &config, &why) == 0);
        return ai;
}

static struct catalog *the_catalog(void)
{
        static struct catalog *catalog;
        const struct catalog_source source = { shipped_domains, shipped_pipelines, NULL };
        struct problem why = { 0 };
        if (!catalog)
                must(catalog_new(&catalog, &source, &why) == 0);
        return catalog;
}

static uv_loop_t *the_loop(void)
{
        static uv_loop_t loop;
        static bool ready;
        if (!ready)
                must(uv_loop_init(&loop) == 0);
        ready = true;
        return &loop;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const queues[] = { "chat.answer", NULL };
        const size_t rest = size >= 2 ? size - 2 : 0, wanted = size >= 2 ? (size_t)data[0] << 8 | data[1] : 0;
        const size_t head = wanted < rest ? wanted : rest;
        uv_loop_t *loop = the_loop();
        struct broker broker = { .backend = &broker_backend };
        struct store store = { .backend = &store_backend, .run = &runs, .schedule = &schedules };
        const struct worker_config config = { .loop = loop,
                                              .broker_urls = "amqp://u:p@h/",
                                              .store_url = "sqlite:f",
                                              .name = "chard@fuzz",
                                              .queues = queues,
                                              .queue_count = 1,
                                              .slots = 4,
                                              .max_body = 1 << 20,
                                              .remote_control = true };
        /* Shutting down needs more than a mailbox: this one has begun to. */
        struct worker w = { .config = &config,
                            .loop = loop,
                            .broker = &broker,
                            .store = &store,
                            .ai = offline_ai(loop),
                            .results = the_results(),
                            .catalog = the_catalog(),
                            .phase = WORKER_CLOSING,
                            .consuming = true };
        w.runs.next = w.runs.previous = &w.runs;
        fake.properties = bytes_of(size >= 2 ? data + 2 : data, head);
        fake.body = bytes_of(size >= 2 ? data + 2 + head : data, rest - head);
        log_setup(LOG_ERROR, false);
        must(map_new(&w.by_id) == 0 && intake_open(&w) == 0);
        run(&w);
        map_free(w.by_id);
        return 0;
}
