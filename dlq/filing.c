/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/filing.h"

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "dlq/letter.h"
#include "observe/otlp/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILING_MOST_QUEUES = 256, PREFETCH = 500, MOST_BYTES = 128 << 20, BACK_MS = 5000, COMPLAIN_MS = 60000 };

struct filing {
        struct filing_config config;
        struct broker *broker;
        struct topology topology;
        struct arena arena;
        const char *queues[FILING_MOST_QUEUES]; /* "text.summary.dead"; in the arena */
        size_t queue_count;
        size_t letters; /* on their way into the store … */
        size_t bytes;   /* … and how much they hold */
        bool full;      /* too much: no more until most of it is filed */
        bool said;
        unsigned long filed;
        unsigned long refused;       /* times that a letter was refused in every form */
        struct refused_letter *back; /* such letters, unacked, until they go back to their queues */
        uint64_t complained_ms;
        bool consuming, stopping, ended;
        uv_timer_t back_timer; /* when refused letters go back */
};

/* One letter on its way into the store. */
struct letter_filing {
        struct filing *filing;
        struct delivery *delivery;
        struct arena arena;
        struct dead_letter letter;
        struct owed_result owed;
        bool reduced; /* the store refused it as it was */
        struct live_span span;
};

/* One that the store takes in no form. It goes back to its queue after a while: others come by, and it is tried again. */
struct refused_letter {
        struct refused_letter *next;
        struct delivery_tag tag;
};

static int filing_open_broker(struct filing *f, struct problem *why);

int filing_open(struct filing **out, const struct filing_config *config, struct problem *why)
{
        struct filing *f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->config = *config;
        uv_timer_init(config->loop, &f->back_timer);
        f->back_timer.data = f;
        const int code = filing_open_broker(f, why);
        if (code)
                filing_close(f);
        else
                *out = f;
        return code;
}

/* ---- the broker ---- */

static void filing_take(struct filing *f, struct delivery *takes);
static void filing_ended(struct filing *f);

static void on_deliveries(struct delivery *list_takes, void *arg)
{
        for (struct delivery *d = list_takes, *next; d; d = next) {
                next = d->next;
                filing_take((struct filing *)arg, d);
        }
}

static bool filing_lists(const struct filing *f, const char *queue)
{
        for (size_t i = 0; i < f->queue_count; i++)
                if (strcmp(f->queues[i], queue) == 0)
                        return true;
        return false;
}

/* Queues that no task here has are somebody else's: consumed as they stand, never declared. "old.queue" and "old.queue.dead" are the same. */
static int filing_list_named(struct filing *f, struct problem *why)
{
        char *text = arena_string(&f->arena, f->config.queues ? f->config.queues : ""), *save;
        if (!text)
                return -ENOMEM;
        for (char *name = strtok_r(text, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
                const size_t size = strlen(name);
                const bool dead = size > 5 && strcmp(name + size - 5, ".dead") == 0;
                const char *queue = dead ? name : arena_printf(&f->arena, "%s.dead", name);
                if (!queue)
                        return -ENOMEM;
                if (f->queue_count == FILING_MOST_QUEUES)
                        return problem_set(why, "settings", "bad_setting",
                                           "CHARD_DLQ_QUEUES: a keeper takes at most %d queues; start another one",
                                           FILING_MOST_QUEUES);
                if (!filing_lists(f, queue))
                        f->queues[f->queue_count++] = queue;
        }
        return 0;
}

/* The queues of all tasks; the names of their dead letters live as long as the keeper. */
static int filing_list_queues(struct filing *f, struct problem *why)
{
        const char *queues[FILING_MOST_QUEUES];
        f->queue_count = catalog_queues(f->config.catalog, queues, FILING_MOST_QUEUES);
        for (size_t i = 0; i < f->queue_count; i++) {
                f->queues[i] = arena_printf(&f->arena, "%s.dead", queues[i]);
                if (!f->queues[i])
                        return -ENOMEM;
        }
        const int code = topology_build(&f->topology, queues, f->queue_count, f->config.native_delay);
        if (code == 0 && !f->config.declare_queues)
                topology_leave(&f->topology, queues, f->queue_count);
        return code ? code : filing_list_named(f, why);
}

static int filing_open_broker(struct filing *f, struct problem *why)
{
        const struct broker_listener listener = { .arg = f, .deliveries = on_deliveries };
        struct broker_config config = f->config.broker;
        const int code = filing_list_queues(f, why);
        if (code)
                return code;
        config.topology = &f->topology;
        return broker_open(&f->broker, &config, &listener, why);
}

/* Take letters exactly while the store can file them, and no more at once than fit. */
void filing_adjust(struct filing *f)
{
        const bool want = !f->stopping && !f->full && f->broker && f->config.store->backend->up(f->config.store);
        if (want == f->consuming || !f->broker)
                return;
        f->consuming = want;
        if (!want) {
                broker_cancel(f->broker);
                return;
        }
        for (size_t i = 0; i < f->queue_count; i++)
                if (broker_consume(f->broker, f->queues[i], PREFETCH) < 0)
                        log_error("dlq", "out of memory: not consuming %s", f->queues[i]);
        if (!f->said)
                log_info("dlq", "keeping dead letters of %zu queues", f->queue_count);
        f->said = true;
}

/* ---- its span ---- */

static void filing_begin_span(struct letter_filing *one)
{
        char traceparent[TRACE_PARENT_SIZE + 1] = "";
        const struct span_source *spans = one->filing->config.spans;
        if (spans)
                message_traceparent(one->delivery->properties, traceparent);
        live_span_begin(&one->span, spans, traceparent);
        live_span_name(&one->span, one->letter.root_id);
}

static void filing_end_span(struct letter_filing *one, bool failed)
{
        const struct dead_letter *l = &one->letter;
        const struct otlp_attribute attributes[] = {
                { .name = NAME_OPERATION, .text = "file" },
                { .name = NAME_OPERATION_TYPE, .text = "settle" },
                { .name = NAME_SYSTEM, .text = one->span.source ? one->span.source->system : "" },
                { .name = NAME_DESTINATION, .text = one->delivery->queue },
                { .name = NAME_MESSAGE_ID, .text = l->task_id ? l->task_id : "" },
                { .name = NAME_CONVERSATION, .text = l->root_id ? l->root_id : "" },
                { .name = NAME_REASON, .text = l->error_code ? l->error_code : "" },
                { .name = NAME_ERROR_TYPE, .text = "refused" }, /* the last: there only with an error */
        };
        const size_t count = sizeof(attributes) / sizeof(attributes[0]);
        char name[160];
        snprintf(name, sizeof(name), "file %s", one->delivery->queue);
        live_span_end(&one->span, (struct otlp_span){ .name = name,
                                                      .kind = OTLP_CONSUMER,
                                                      .failed = failed,
                                                      .attributes = attributes,
                                                      .attribute_count = count - !failed });
}

/* ---- filing ---- */

static size_t filing_bytes(const struct letter_filing *one)
{
        return one->delivery->properties.size + one->delivery->body.size;
}

static void filing_end(struct letter_filing *one)
{
        struct filing *f = one->filing;
        f->bytes -= filing_bytes(one);
        if (f->full && f->bytes < MOST_BYTES / 4) {
                f->full = false;
                filing_adjust(f);
        }
        delivery_free(one->delivery);
        arena_free(&one->arena);
        free(one);
        if (--f->letters == 0 && f->stopping)
                filing_ended(f);
}

static void on_back(uv_timer_t *timer)
{
        struct filing *f = (struct filing *)timer->data;
        for (struct refused_letter *r; (r = f->back);) {
                f->back = r->next;
                broker_hand_back(f->broker, r->tag);
                free(r);
        }
}

/* One line a minute, however many there are. */
static void filing_complain(struct filing *f, const struct letter_filing *one, const struct problem *why)
{
        const uint64_t now_ms = clock_mono_ms();
        f->refused++;
        if (f->complained_ms && now_ms - f->complained_ms < COMPLAIN_MS)
                return;
        f->complained_ms = now_ms;
        log_error(
                "dlq",
                "task=%s of %s could not be filed; it goes back to its queue and is tried again (%lu such so far): %s",
                one->letter.task_id, one->delivery->queue, f->refused, why->text);
}

static void on_filed(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

/* Rather with less of its texts than not at all; and rather back in its queue than in hand for ever. */
static bool filing_file_reduced(struct letter_filing *one)
{
        struct filing *f = one->filing;
        if (one->reduced || f->stopping || !letter_reduce(&one->arena, &one->letter))
                return false;
        one->reduced = true;
        f->config.store->dead->file(f->config.store, &one->letter, on_filed, one);
        return true;
}

static void filing_put_back_later(struct letter_filing *one, const struct problem *why)
{
        struct filing *f = one->filing;
        struct refused_letter *r = calloc(1, sizeof(*r));
        filing_end_span(one, true);
        filing_complain(f, one, why);
        if (!r || f->stopping) {
                free(r);
                broker_hand_back(f->broker, one->delivery->tag);
                return;
        }
        r->tag = one->delivery->tag;
        r->next = f->back;
        f->back = r;
        if (!uv_is_active((uv_handle_t *)&f->back_timer))
                uv_timer_start(&f->back_timer, on_back, BACK_MS, 0);
}

/* ---- a message that expired in its queue: its client is told, as if a worker had found it ---- */

static void on_owed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct letter_filing *one = (struct letter_filing *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("dlq", "task=%s its client can't be told that it expired: %s", one->letter.task_id,
                          why->text);
        if (result == STORE_STARVED)
                filing_put_back_later(one, why);
        else if (result != STORE_CLOSED)
                broker_ack(one->filing->broker, one->delivery->tag);
        filing_end(one);
}

/* The worker that tells it (worker/results/owe_result.c) counts it for its chord, too. Returns false where there is nothing to tell. */
static bool filing_owe_expired(struct letter_filing *one)
{
        static const char telling[] =
                "{\"step\":\"result\",\"first\":true,\"state\":\"FAILURE\",\"why\":{\"source\":\"task\","
                "\"code\":\"expired\",\"text\":\"it expired before a worker could run it\"}}";
        const struct dead_letter *l = &one->letter;
        if (strcmp(l->error_source, "broker") != 0 || strcmp(l->error_code, "expired") != 0 || !*l->task_id)
                return false;
        one->owed = (struct owed_result){ .task_id = l->task_id,
                                          .queue = l->queue,
                                          .properties = one->delivery->properties,
                                          .body = one->delivery->body,
                                          .telling = bytes_of_string(telling) };
        one->filing->config.store->run->owe(one->filing->config.store, &one->owed, on_owed, one);
        return true;
}

static void on_filed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct letter_filing *one = (struct letter_filing *)arg;
        struct filing *f = one->filing;
        (void)stored;
        if (result == STORE_DONE || result == STORE_ALREADY) {
                f->filed += result == STORE_DONE;
                filing_end_span(one, false);
                if (one->reduced)
                        log_warn("dlq", "task=%s of %s was filed with its texts cut down: the store refused them whole",
                                 one->letter.task_id, one->delivery->queue);
                if (filing_owe_expired(one))
                        return;
                broker_ack(f->broker, one->delivery->tag);
        } else if (result == STORE_REFUSED) {
                if (filing_file_reduced(one))
                        return;
                filing_put_back_later(one, why);
        } else if (result == STORE_STARVED) {
                filing_put_back_later(one, why);
        }
        filing_end(one);
}

static void filing_take(struct filing *f, struct delivery *takes)
{
        struct letter_filing *one = !f->consuming ? NULL : calloc(1, sizeof(*one));
        if (!one) {
                broker_hand_back(f->broker, takes->tag);
                delivery_free(takes);
                return;
        }
        one->filing = f;
        one->delivery = takes;
        f->letters++;
        f->bytes += filing_bytes(one);
        if (f->bytes > MOST_BYTES && !f->full) {
                f->full = true;
                filing_adjust(f);
        }
        if (!letter_read(&one->arena, takes->queue, takes->properties, takes->body, f->config.max_body, clock_wall_ms(),
                         &one->letter)) {
                log_error("dlq", "out of memory: a letter of %s was handed back", takes->queue);
                broker_hand_back(f->broker, takes->tag);
                filing_end(one);
                return;
        }
        filing_begin_span(one);
        f->config.store->dead->file(f->config.store, &one->letter, on_filed, one);
}

/* ---- ending ---- */

static void filing_ended(struct filing *f)
{
        if (f->ended)
                return;
        f->ended = true;
        log_info("dlq", "%lu dead letters were filed", f->filed);
        f->config.stopped(f->config.arg);
}

void filing_stop(struct filing *f)
{
        f->stopping = true;
        uv_timer_stop(&f->back_timer);
        filing_adjust(f);
        if (f->letters == 0)
                filing_ended(f);
}

static void filing_free(uv_handle_t *timer)
{
        struct filing *f = (struct filing *)timer->data;
        for (struct refused_letter *r; (r = f->back);) {
                f->back = r->next;
                free(r);
        }
        topology_free(&f->topology);
        arena_free(&f->arena);
        free(f);
}

void filing_close(struct filing *f)
{
        if (!f)
                return;
        f->stopping = true;
        if (f->broker)
                broker_close(f->broker);
        uv_close((uv_handle_t *)&f->back_timer, filing_free);
}

struct broker *filing_broker(const struct filing *f)
{
        return f->broker;
}

struct filing_counts filing_counts(const struct filing *f)
{
        return (struct filing_counts){ .queues = f->queue_count,
                                       .in_hand = f->letters,
                                       .filed = f->filed,
                                       .refused = f->refused,
                                       .full = f->full };
}
