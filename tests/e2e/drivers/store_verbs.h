/* SPDX-License-Identifier: Apache-2.0 */
/* store_driver's verbs of tasks, jobs, workers, events and scheduled messages; a part of store_driver.c. */

static void do_claim(struct driver_request *r, struct store *s)
{
        const char *id = text_of(r, "id"), *root = text_of(r, "root_id");

        r->claim = (struct claim){
                .id = id,
                .root_id = root ? root : id,
                .parent_id = text_of(r, "parent_id"),
                .name = json_text(r->line, "name", "test.task"),
                .pipeline = text_of(r, "pipeline"),
                .sees = r->sees,
                .see_count = read_sees(r),
                .retries = number_of(r, "retries", 0),
                .nesting = number_of(r, "nesting", 0),
                .lease_ms = number_of(r, "lease_ms", 60000),
        };
        s->run->claim(s, &r->claim, claimed, r);
}

static void do_commit(struct driver_request *r, struct store *s)
{
        const char *id = text_of(r, "id"), *root = text_of(r, "root_id");

        read_outcome(r);
        r->commit = (struct commit){
                .id = id,
                .root_id = root ? root : id,
                .result = result_of(r),
                .outcome = &r->outcome,
                .branches = number_of(r, "branches", json_is_true(json_object_get(r->line, "last")) ? 0 : 1),
                .has_job = json_is_true(json_object_get(r->line, "has_job")),
                .provider = text_of(r, "provider"),
                .model = text_of(r, "model"),
                .tokens_in = number_of(r, "tokens_in", 0),
                .tokens_out = number_of(r, "tokens_out", 0),
                .cost_nano = json_number(r->line, "cost_nano", 0),
                .elapsed_ms = number_of(r, "elapsed_ms", 0),
                .name = text_of(r, "name"),
                .pipeline = text_of(r, "pipeline"),
                .span_context = text_of(r, "span_context"),
                .chain = json_object_get(r->line, "chain"),
                .sends = json_object_get(r->line, "sends"),
        };
        s->run->commit(s, &r->commit, stored, r);
}

static void do_fail(struct driver_request *r, struct store *s)
{
        const char *id = text_of(r, "id"), *root = text_of(r, "root_id");

        problem_set(&r->why, "provider", json_text(r->line, "code", "broken"), "%s",
                    json_text(r->line, "text", "it broke"));
        r->failure = (struct failure){
                .id = id,
                .root_id = root ? root : id,
                .parent_id = text_of(r, "parent_id"),
                .name = json_text(r->line, "name", "test.task"),
                .pipeline = text_of(r, "pipeline"),
                .attempts = number_of(r, "attempts", 1),
                .why = &r->why,
                .again = read_scheduled(r, json_object_get(r->line, "again")),
                .tokens_in = number_of(r, "tokens_in", 0),
                .tokens_out = number_of(r, "tokens_out", 0),
                .cost_nano = json_number(r->line, "cost_nano", 0),
                .aggregate_type = "scan",
                .event_type = text_of(r, "event"),
                .payload = json_object_get(r->line, "payload"),
        };
        s->run->fail(s, &r->failure, stored, r);
}

static void do_give_back(struct driver_request *r, struct store *s)
{
        r->release = (struct release_lease){ text_of(r, "id"), read_scheduled(r, json_object_get(r->line, "again")) };
        s->run->give_back(s, &r->release, stored, r);
}

static void do_schedule(struct driver_request *r, struct store *s)
{
        s->schedule->add(s, read_scheduled(r, r->line), stored, r);
}

static void do_release(struct driver_request *r, struct store *s)
{
        s->schedule->release(s, json_number(r->line, "now_ms", clock_wall_ms()), number_of(r, "limit", 1000), released,
                             r);
}

static int64_t *read_ids(const json_t *list, size_t *count)
{
        int64_t *ids = calloc(json_array_size(list) + 1, sizeof(*ids));

        *count = ids ? json_array_size(list) : 0;
        for (size_t i = 0; i < *count; i++)
                ids[i] = json_integer_value(json_array_get(list, i));
        return ids;
}

static void do_forget(struct driver_request *r, struct store *s)
{
        struct forgetting what = { 0 };
        int64_t *confirmed = read_ids(json_object_get(r->line, "ids"), &what.confirmed_count);
        int64_t *returned = read_ids(json_object_get(r->line, "returned"), &what.returned_count);

        what.confirmed = confirmed;
        what.returned = returned;
        s->schedule->forget(s, &what, stored, r);
        free(confirmed);
        free(returned);
}

static void do_scheduled_list(struct driver_request *r, struct store *s)
{
        s->schedule->list(s, json_object_get(r->line, "which"), read_back, r);
}

static void do_scheduled_drop(struct driver_request *r, struct store *s)
{
        s->schedule->drop(s, json_object_get(r->line, "which"), read_back, r);
}

static void do_beat(struct driver_request *r, struct store *s)
{
        s->run->beat(s, json_object_get(r->line, "state"), stored, r);
}

static void do_maintain(struct driver_request *r, struct store *s)
{
        s->fleet->maintain(s, stored, r);
}

static void do_forget_workers(struct driver_request *r, struct store *s)
{
        s->fleet->forget_workers(s, (uint64_t)json_number(r->line, "silent_ms", 0), read_back, r);
}

static void do_worker(struct driver_request *r, struct store *s)
{
        s->read->worker(s, json_text(r->line, "name", ""), read_back, r);
}

static void do_job(struct driver_request *r, struct store *s)
{
        s->read->job(s, json_text(r->line, "id", ""), read_back, r);
}

static void do_owed_take(struct driver_request *r, struct store *s)
{
        s->run->owed_take(s, 10, read_back, r);
}

static void do_job_cancel(struct driver_request *r, struct store *s)
{
        s->run->cancel(s, json_text(r->line, "id", ""), read_back, r);
}

static void do_revoke(struct driver_request *r, struct store *s)
{
        const char *id = text_of(r, "id"), *root = text_of(r, "root_id");

        r->revocation = (struct revocation){
                .id = id,
                .root_id = root ? root : id,
                .parent_id = text_of(r, "parent_id"),
                .name = json_text(r->line, "name", "test.task"),
                .pipeline = text_of(r, "pipeline"),
                .ours = json_is_true(json_object_get(r->line, "ours")),
        };
        s->run->revoke(s, &r->revocation, stored, r);
}

static void inbox_applied(const enum store_result *results, size_t count, const struct problem *why, void *arg)
{
        json_t *names = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(names, json_string(result_names[results[i]]));
        answer(arg, json_pack("{s:o,s:o}", "results", names, "why", problem_json(why)));
}

/* One item of an inbox: {"consumer", "event", "root_id", "events", "facts", "messages"}. */
static void read_item(struct driver_request *r, const json_t *from, struct inbox_item *item)
{
        const json_t *messages = json_object_get(from, "messages");
        struct outcome *outcome = arena_alloc(&r->arena, sizeof(*outcome));
        struct scheduled *rows = arena_alloc(&r->arena, (json_array_size(messages) + 1) * sizeof(*rows));

        read_outcome_of(r, from, outcome);
        *item = (struct inbox_item){ .consumer = json_text(from, "consumer", "test"),
                                     .event_id = json_text(from, "event", ""),
                                     .root_id = json_text(from, "root_id", NULL),
                                     .span_context = json_text(from, "span_context", NULL),
                                     .outcome = outcome,
                                     .messages = rows,
                                     .message_count = json_array_size(messages) };
        for (size_t i = 0; i < item->message_count; i++) {
                struct message *m = plain_message(json_array_get(messages, i));

                m->next = r->messages;
                r->messages = m;
                rows[i] = scheduled_of(json_array_get(messages, i), m);
        }
}

static void do_inbox(struct driver_request *r, struct store *s)
{
        const json_t *items = json_object_get(r->line, "items");

        r->item_count = json_array_size(items);
        r->items = arena_alloc(&r->arena, (r->item_count + 1) * sizeof(*r->items));
        for (size_t i = 0; i < r->item_count; i++)
                read_item(r, json_array_get(items, i), &r->items[i]);
        inbox_apply(s, r->items, r->item_count, inbox_applied, r);
}

static void do_workers(struct driver_request *r, struct store *s)
{
        s->read->workers(s, read_back, r);
}

static void do_events(struct driver_request *r, struct store *s)
{
        s->read->events(s, text_of(r, "since"), number_of(r, "limit", 1000), read_back, r);
}

/* What message/ makes of properties and a body that were written elsewhere: by SQL, say. */
static void do_decode(struct driver_request *r, struct store *s)
{
        const struct scheduled *row = read_scheduled(r, r->line);
        struct task_message t = { 0 };
        struct problem why = { 0 };
        int rc = task_message_decode(&r->arena, row->message->properties, row->message->body, 1 << 20, &t, &why);
        json_t *fields = json_pack("{s:i,s:o,s:s?,s:s?,s:s?,s:s?,s:s?,s:I,s:O?,s:O?,s:O?}", "rc", rc, "why",
                                   problem_json(&why), "name", t.name, "id", t.id, "root_id", t.root_id, "parent_id",
                                   t.parent_id, "traceparent", t.traceparent, "expires_ms", (json_int_t)t.expires_ms,
                                   "args", t.args, "kwargs", t.kwargs, "chain", t.chain);

        (void)s;
        task_message_clear(&t);
        answer(r, fields);
}

static void do_once_begin(struct driver_request *r, struct store *s)
{
        struct once_ask ask = { .lease_ms = number_of(r, "lease_ms", 10000) };
        snprintf(ask.key, sizeof(ask.key), "%s", json_text(r->line, "key", ""));
        snprintf(ask.fingerprint, sizeof(ask.fingerprint), "%s", json_text(r->line, "fingerprint", ""));
        snprintf(ask.job_id, sizeof(ask.job_id), "%s", json_text(r->line, "job_id", ""));
        snprintf(ask.token, sizeof(ask.token), "%s", json_text(r->line, "token", ""));
        s->access->once_begin(s, &ask, read_back, r);
}

static void do_once_settle(struct driver_request *r, struct store *s)
{
        struct once_end end = { .done = json_is_true(json_object_get(r->line, "done")) };
        snprintf(end.key, sizeof(end.key), "%s", json_text(r->line, "key", ""));
        snprintf(end.job_id, sizeof(end.job_id), "%s", json_text(r->line, "job_id", ""));
        snprintf(end.token, sizeof(end.token), "%s", json_text(r->line, "token", ""));
        s->access->once_settle(s, &end, stored, r);
}
