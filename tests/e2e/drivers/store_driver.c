/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for tests in Python: reads one JSON object a line from stdin, calls that verb, and prints one JSON
 * object for each answer, in the order in which they come, with the request's "n".
 *
 *     store_driver open URL [OWNER [release|keep [ANSWER_TIMEOUT_MS]]]     verbs from stdin until it ends
 *     store_driver migrate URL                                             store_migrate, one line a step
 *
 * At the end of the input it waits for all answers; "close" closes the store at once.
 * Lines that arrive together are called in one turn of the loop, and so make one group. */
#include "core/clock.h"
#include "core/log.h"
#include "core/json.h"
#include "pipelines/pipeline.h"
#include "store/access.h"
#include "store/dead_letter.h"
#include "store/fleet.h"
#include "store/inbox.h"
#include "store/read.h"
#include "store/run.h"
#include "tasks/task.h"
#include "tests/hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536

struct driver {
        uv_loop_t loop;
        struct store *store;
        uv_poll_t input;
        uv_check_t after; /* once the input has ended: closes when every call is answered */
        struct buffer line;
        unsigned serial;
        bool closed;
};

/* One line, and what its verb borrows. */
struct driver_request {
        struct driver *driver;
        json_t *line;
        struct arena arena;
        struct outcome outcome;
        struct message *message, *messages;
        struct problem why;
        struct scheduled scheduled;
        struct buffer result;
        struct fact_set sees[4];
        struct inbox_item *items;
        size_t item_count;
        union {
                struct claim claim;
                struct commit commit;
                struct failure failure;
                struct release_lease release;
                struct revocation revocation;
                struct dead_letter letter;
                struct dead_settle settle;
                struct dead_edit edit;
                struct stale_query stale;
        };
};

/* ---- printing ---- */

static void print(json_t *answer)
{
        char *text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);

        puts(text ? text : "{\"error\": \"no text\"}");
        fflush(stdout);
        free(text);
        json_decref(answer);
}

static json_t *problem_json(const struct problem *why)
{
        return why && why->code[0]
                       ? json_pack("{s:s,s:s,s:s}", "source", why->source, "code", why->code, "text", why->text)
                       : json_null();
}

static json_t *text_or_null(struct bytes text)
{
        return text.data ? json_stringn_nocheck((const char *)text.data, text.size) : json_null();
}

/* ---- reading a line ---- */

static const char *text_of(const struct driver_request *r, const char *key)
{
        return json_text(r->line, key, NULL);
}

static unsigned number_of(const struct driver_request *r, const char *key, unsigned otherwise)
{
        return (unsigned)json_number(r->line, key, (json_int_t)otherwise);
}

/* "result" is any JSON; "result_hex" the bytes themselves, however broken. */
static struct bytes result_of(struct driver_request *r)
{
        if (text_of(r, "result_hex"))
                unhex(text_of(r, "result_hex"), &r->result);
        else if (json_object_get(r->line, "result"))
                json_write(json_object_get(r->line, "result"), &r->result);
        else
                buffer_add_string(&r->result, "{}");
        return buffer_view(&r->result);
}

static void read_outcome_of(struct driver_request *r, const json_t *from, struct outcome *outcome)
{
        size_t i;
        json_t *item;

        outcome_open(outcome, &r->arena);
        json_array_foreach(json_object_get(from, "events"), i, item)
                outcome_event(outcome, json_text(item, "aggregate_type", "scan"), json_text(item, "aggregate_id", ""),
                              json_text(item, "type", "Tested"), json_incref(json_object_get(item, "payload")));
        json_array_foreach(json_object_get(from, "facts"), i, item)
                (json_is_true(json_object_get(item, "once")) ? outcome_fact_once : outcome_fact_merge)(
                        outcome, json_text(item, "kind", ""), json_text(item, "owner", ""), json_text(item, "key", ""),
                        json_incref(json_object_get(item, "value")));
}

static void read_outcome(struct driver_request *r)
{
        read_outcome_of(r, r->line, &r->outcome);
}

/* [[kind, owner or null], …] */
static unsigned read_sees(struct driver_request *r)
{
        size_t i;
        json_t *set;

        json_array_foreach(json_object_get(r->line, "sees"), i, set) {
                if (i < sizeof(r->sees) / sizeof(r->sees[0]))
                        r->sees[i] = (struct fact_set){ json_string_value(json_array_get(set, 0)),
                                                        json_string_value(json_array_get(set, 1)) };
        }
        return (unsigned)i;
}

static struct message *plain_message(const json_t *from)
{
        struct buffer properties = { 0 };
        struct message *m;

        unhex(json_text(from, "properties_hex", "0000"), &properties);
        m = message_new(json_text(from, "exchange", ""), json_text(from, "routing_key", "q"), buffer_view(&properties),
                        bytes_of_string(json_text(from, "body", "")));
        buffer_free(&properties);
        return m;
}

/* {"due_ms", "in_ms", "exchange", "routing_key", "properties_hex", "body", "reason", "task_id", "root_id"} */
static struct scheduled scheduled_of(const json_t *from, const struct message *m)
{
        return (struct scheduled){
                .message = m,
                .due_ms = json_number(from, "due_ms", clock_wall_ms() + json_number(from, "in_ms", 0)),
                .reason = json_text(from, "reason", "test"),
                .task_id = json_text(from, "task_id", NULL),
                .root_id = json_text(from, "root_id", NULL),
        };
}

static const struct scheduled *read_scheduled(struct driver_request *r, const json_t *from)
{
        if (!json_is_object(from))
                return NULL;
        r->message = plain_message(from);
        r->scheduled = scheduled_of(from, r->message);
        return &r->scheduled;
}

static void request_free(struct driver_request *r)
{
        for (size_t i = 0; i < r->item_count; i++)
                outcome_close((struct outcome *)(uintptr_t)r->items[i].outcome);
        outcome_close(&r->outcome);
        arena_free(&r->arena);
        message_free(r->message);
        message_free_list(r->messages);
        buffer_free(&r->result);
        json_decref(r->line);
        free(r);
}

static void answer(struct driver_request *r, json_t *fields)
{
        json_object_set(fields, "n", json_object_get(r->line, "n"));
        json_object_set(fields, "do", json_object_get(r->line, "do"));
        print(fields);
        request_free(r);
}

/* ---- answers ---- */

static void claimed(const struct claim_reply *reply, void *arg)
{
        static const char *const names[] = { "GRANTED", "DONE",    "DEAD",   "SUPERSEDED", "LEASED",
                                             "REVOKED", "REFUSED", "CLOSED", "STARVED" };
        json_t *fields = json_pack("{s:s,s:i,s:I,s:o,s:O?,s:O?,s:o}", "verdict", names[reply->verdict], "starts",
                                   (int)reply->starts, "wait_ms", (json_int_t)reply->wait_ms, "result",
                                   text_or_null(reply->result), "error", reply->error, "facts", reply->facts, "why",
                                   problem_json(&reply->why));

        answer(arg, fields);
}

static const char *const result_names[] = { "DONE", "ALREADY", "STALE", "REFUSED", "CLOSED", "STARVED" };

static void stored(enum store_result result, struct bytes before, const struct problem *why, void *arg)
{
        answer(arg, json_pack("{s:s,s:o,s:o}", "result", result_names[result], "stored", text_or_null(before), "why",
                              problem_json(why)));
}

static void read_back(json_t *value, const struct problem *why, void *arg)
{
        answer(arg, json_pack("{s:O?,s:o}", "value", value, "why", problem_json(why)));
}

static void released(struct due *due, size_t count, int64_t next_ms, void *arg)
{
        json_t *rows = json_array();

        for (size_t i = 0; i < count; i++) {
                struct message *m = due[i].message;

                due[i].message = NULL;
                json_array_append_new(rows,
                                      json_pack("{s:I,s:i,s:I,s:s,s:s,s:o,s:o}", "id", (json_int_t)due[i].id, "returns",
                                                (int)due[i].returns, "due_ms", (json_int_t)due[i].due_ms, "exchange",
                                                m->exchange, "routing_key", m->routing_key, "properties_hex",
                                                hex(m->properties), "body", text_or_null(m->body)));
                message_free(m);
        }
        answer(arg, json_pack("{s:o,s:I}", "due", rows, "next_ms", (json_int_t)next_ms));
}

static void changed(bool up, const char *why, void *arg)
{
        (void)arg;
        print(json_pack("{s:s,s:b,s:s?}", "heard", "changed", "up", (int)up, "why", why));
}

static void heard(int64_t due_ms, void *arg)
{
        (void)arg;
        print(json_pack("{s:s,s:I}", "heard", "scheduled", "due_ms", (json_int_t)due_ms));
}

/* ---- verbs ---- */

#include "store_verbs.h"

#include "store_dead.h"

static void do_up(struct driver_request *r, struct store *s)
{
        answer(r, json_pack("{s:b,s:i}", "up", (int)s->backend->up(s), "waiting", (int)s->backend->waiting(s)));
}

static void do_close(struct driver_request *r, struct store *s)
{
        r->driver->closed = true;
        s->backend->close(s);
        answer(r, json_object());
}

static const struct {
        const char *name;
        void (*call)(struct driver_request *r, struct store *s);
} verbs[] = {
        { "claim", do_claim },
        { "commit", do_commit },
        { "fail", do_fail },
        { "give_back", do_give_back },
        { "schedule", do_schedule },
        { "release", do_release },
        { "forget", do_forget },
        { "scheduled_list", do_scheduled_list },
        { "scheduled_drop", do_scheduled_drop },
        { "beat", do_beat },
        { "maintain", do_maintain },
        { "forget_workers", do_forget_workers },
        { "worker", do_worker },
        { "job", do_job },
        { "up", do_up },
        { "close", do_close },
        { "decode", do_decode },
        { "workers", do_workers },
        { "events", do_events },
        { "dead_file", do_dead_file },
        { "dead_read", do_dead_read },
        { "dead_groups", do_dead_groups },
        { "dead_count", do_dead_count },
        { "dead_settle", do_dead_settle },
        { "dead_edit", do_dead_edit },
        { "dead_history", do_dead_history },
        { "dead_stats", do_dead_stats },
        { "dead_alarms", do_dead_alarms },
        { "dead_alarms_told", do_dead_alarms_told },
        { "stale_find", do_stale_find },
        { "stale_settle", do_stale_settle },
        { "revoke", do_revoke },
        { "owed_take", do_owed_take },
        { "inbox", do_inbox },
        { "job_cancel", do_job_cancel },
        { "once_begin", do_once_begin },
        { "once_settle", do_once_settle },
};

static void handle(struct driver *d, struct bytes text)
{
        struct driver_request *r = calloc(1, sizeof(*r));
        struct problem why;

        if (!r || json_parse(text, "driver", &r->line, &why) != 0) {
                fprintf(stderr, "store_driver: bad line\n");
                exit(2);
        }
        r->driver = d;
        if (!json_object_get(r->line, "n"))
                json_object_set_new(r->line, "n", json_integer(++d->serial));
        for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                if (strcmp(verbs[i].name, json_text(r->line, "do", "")) == 0) {
                        verbs[i].call(r, d->store);
                        return;
                }
        }
        fprintf(stderr, "store_driver: unknown verb\n");
        exit(2);
}

/* ---- the loop ---- */

static void when_answered(uv_check_t *check)
{
        struct driver *d = check->data;

        if (!d->closed && d->store->backend->waiting(d->store) > 0)
                return;
        if (!d->closed)
                d->store->backend->close(d->store);
        d->closed = true;
        uv_close((uv_handle_t *)check, NULL);
}

static void input_ended(struct driver *d)
{
        uv_close((uv_handle_t *)&d->input, NULL);
        uv_check_start(&d->after, when_answered);
}

static void handle_lines(struct driver *d, size_t fresh)
{
        size_t start = 0;

        for (size_t i = d->line.size - fresh; i < d->line.size; i++) {
                if (d->line.data[i] != '\n')
                        continue;
                handle(d, bytes_of(d->line.data + start, i - start));
                start = i + 1;
        }
        if (start == 0)
                return; /* a long line goes on */
        memmove(d->line.data, d->line.data + start, d->line.size - start);
        d->line.size -= start;
}

static void on_input(uv_poll_t *poll, int status, int events)
{
        struct driver *d = poll->data;
        unsigned char *space = buffer_reserve(&d->line, READ_SIZE);
        ssize_t got = space ? read(STDIN_FILENO, space, READ_SIZE) : -1;

        (void)status;
        (void)events;
        if (got <= 0) {
                input_ended(d);
                return;
        }
        d->line.size += (size_t)got;
        handle_lines(d, (size_t)got);
}

static int drive(int argc, char **argv)
{
        static struct driver d;
        struct store_config config = {
                .loop = &d.loop,
                .url = argv[2],
                .owner = argc > 3 ? argv[3] : "driver",
                .release_leases = argc > 4 && strcmp(argv[4], "release") == 0,
                .answer_timeout_ms = argc > 5 ? (unsigned)atoi(argv[5]) : 0,
                .connect_timeout_ms = 3000,
                .changed = changed,
        };
        struct problem why = { 0 };
        int rc;

        uv_loop_init(&d.loop);
        rc = store_open(&d.store, &config, &why);
        if (rc != 0) {
                print(json_pack("{s:s,s:i,s:o}", "heard", "refused", "rc", rc, "why", problem_json(&why)));
                return 3;
        }
        d.store->schedule->on_scheduled(d.store, heard, &d);
        uv_poll_init(&d.loop, &d.input, STDIN_FILENO);
        d.input.data = &d;
        uv_check_init(&d.loop, &d.after);
        d.after.data = &d;
        uv_poll_start(&d.input, UV_READABLE, on_input);
        print(json_pack("{s:s}", "heard", "open"));
        uv_run(&d.loop, UV_RUN_DEFAULT);
        buffer_free(&d.line);
        return uv_loop_close(&d.loop) == 0 ? 0 : 4;
}

static void said(const char *line, void *arg)
{
        (void)arg;
        print(json_pack("{s:s}", "said", line));
}

static int migrate(const char *url)
{
        struct problem why = { 0 };
        const struct fact_view *views[8];
        int rc;

        shipped_views(views, 8);
        rc = store_migrate(
                &(struct store_migration){ .url = url, .connect_timeout_ms = 3000, .views = views, .said = said },
                &why);
        print(json_pack("{s:i,s:o}", "rc", rc, "why", problem_json(&why)));
        return rc == 0 ? 0 : 3;
}

int main(int argc, char **argv)
{
        log_setup(LOG_INFO, false);
        if (argc > 2 && strcmp(argv[1], "open") == 0)
                return drive(argc, argv);
        if (argc > 2 && strcmp(argv[1], "migrate") == 0)
                return migrate(argv[2]);
        fprintf(stderr, "usage: store_driver open URL [OWNER [release|keep [ANSWER_TIMEOUT_MS]]] | migrate URL\n");
        return 2;
}
