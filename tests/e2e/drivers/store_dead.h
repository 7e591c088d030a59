/* SPDX-License-Identifier: Apache-2.0 */
/* store_driver's verbs of dead letters and stale jobs; a part of store_driver.c. */

/* ---- reading a line ---- */

/* Keys are given as short texts. */
static void read_key(const json_t *from, const char *name, unsigned char out[DEAD_KEY_SIZE])
{
        const char *text = json_text(from, name, "");

        memset(out, 0, DEAD_KEY_SIZE);
        memcpy(out, text, strlen(text) < DEAD_KEY_SIZE ? strlen(text) : DEAD_KEY_SIZE);
}

static struct bytes read_bytes(struct driver_request *r, const json_t *from, const char *name)
{
        const char *text = json_text(from, name, NULL);

        return text ? bytes_of(arena_string(&r->arena, text), strlen(text)) : bytes_of(NULL, 0);
}

static void read_letter(struct driver_request *r)
{
        const json_t *l = r->line;

        r->letter = (struct dead_letter){
                .died_ms = json_number(l, "died_ms", clock_wall_ms()),
                .task_id = json_text(l, "task_id", ""),
                .root_id = json_text(l, "root_id", ""),
                .name = json_text(l, "name", "test.task"),
                .queue = json_text(l, "queue", "test.task"),
                .error_source = json_text(l, "source", "provider"),
                .error_code = json_text(l, "code", "broken"),
                .error_message = json_text(l, "message", "it broke"),
                .group = json_text(l, "group", "0123456789ab"),
                .cause = json_text(l, "cause", "it broke"),
                .trace_id = json_text(l, "trace_id", ""),
                .user_id = json_text(l, "user_id", ""),
                .worker = json_text(l, "worker", ""),
                .next_task = json_text(l, "next_task", ""),
                .verdict = json_text(l, "verdict", ""),
                .attempts = number_of(r, "attempts", 1),
                .properties = read_bytes(r, l, "properties"),
                .body = read_bytes(r, l, "body"),
                .edited = read_bytes(r, l, "edited"),
        };
        read_key(l, "key", r->letter.key);
        read_key(l, "same", r->letter.same);
}

static void read_filter(struct driver_request *r, struct dead_filter *f)
{
        const json_t *l = r->line, *entries = json_object_get(l, "entries");
        int64_t *ids = arena_alloc(&r->arena, (json_array_size(entries) + 1) * sizeof(*ids));

        for (size_t i = 0; ids && i < json_array_size(entries); i++)
                ids[i] = json_integer_value(json_array_get(entries, i));
        *f = (struct dead_filter){
                .entries = ids,
                .entry_count = json_array_size(entries),
                .state = text_of(r, "state"),
                .name = text_of(r, "name"),
                .queue = text_of(r, "queue"),
                .error_code = text_of(r, "code"),
                .group = text_of(r, "group"),
                .user_id = text_of(r, "user_id"),
                .root_id = text_of(r, "root_id"),
                .task_id = text_of(r, "task_id"),
                .text = text_of(r, "text"),
                .since_ms = json_number(l, "since_ms", 0),
                .until_ms = json_number(l, "until_ms", 0),
                .after = json_number(l, "after", 0),
                .upto = json_number(l, "upto", 0),
                .by_round = json_object_get(l, "round") != NULL,
                .round = number_of(r, "round", 0),
        };
}

static struct dead_act read_act(const struct driver_request *r)
{
        return (struct dead_act){
                .operation = json_text(r->line, "operation", "op"),
                .who = json_text(r->line, "who", "os:test"),
                .reason = json_text(r->line, "reason", ""),
                .scope = json_text(r->line, "scope", ""),
                .automatic = json_is_true(json_object_get(r->line, "automatic")),
        };
}

/* {"exchange","routing_key","body"}; freed with the request. */
static struct message *read_message(struct driver_request *r, const json_t *from)
{
        struct message *m = json_is_object(from)
                                    ? message_new(json_text(from, "exchange", ""), json_text(from, "routing_key", "q"),
                                                  bytes_of("\0\0", 2), bytes_of_string(json_text(from, "body", "")))
                                    : NULL;

        if (m) {
                m->next = r->messages;
                r->messages = m;
        }
        return m;
}

/* ---- answers ---- */

static json_t *letter_json(const struct dead_letter *l)
{
        json_t *texts =
                json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "state", l->state,
                          "task_id", l->task_id, "root_id", l->root_id, "name", l->name, "queue", l->queue, "source",
                          l->error_source, "code", l->error_code, "message", l->error_message, "group", l->group,
                          "cause", l->cause, "user_id", l->user_id, "worker", l->worker, "next_task", l->next_task,
                          "trace_id", l->trace_id, "task_state", l->task_state, "job_state", l->job_state);
        json_t *rest =
                json_pack("{s:I,s:I,s:I,s:I,s:I,s:i,s:i,s:I,s:b,s:b,s:b,s:o,s:o,s:o}", "entry", (json_int_t)l->entry,
                          "version", (json_int_t)l->version, "died_ms", (json_int_t)l->died_ms, "kept_ms",
                          (json_int_t)l->kept_ms, "settled_ms", (json_int_t)l->settled_ms, "attempts", (int)l->attempts,
                          "rounds", (int)l->rounds, "body_size", (json_int_t)l->body_size, "waits", l->waits,
                          "followed", l->followed, "leased", l->leased, "properties", text_or_null(l->properties),
                          "body", text_or_null(l->body), "edited", text_or_null(l->edited));

        json_object_update(texts, rest);
        json_decref(rest);
        return texts;
}

static void page_read(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(list, letter_json(&letters[i]));
        answer(arg, json_pack("{s:o,s:o}", "letters", list, "why", problem_json(why)));
}

static void settled(const enum dead_outcome *outcomes, size_t count, const struct problem *why, void *arg)
{
        static const char *const names[] = { "DONE",    "RESUMED", "SUCCEEDED", "ALIVE",  "WAITING",
                                             "REVOKED", "CHANGED", "SETTLED",   "MISSING" };
        json_t *list = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(list, json_string(names[outcomes[i]]));
        answer(arg, json_pack("{s:o,s:o}", "outcomes", list, "why", problem_json(why)));
}

static void stale_were_settled(size_t count, const struct problem *why, void *arg)
{
        answer(arg, json_pack("{s:i,s:o}", "settled", (int)count, "why", problem_json(why)));
}

/* ---- verbs ---- */

static void do_dead_file(struct driver_request *r, struct store *s)
{
        read_letter(r);
        s->dead->file(s, &r->letter, stored, r);
}

static void do_dead_read(struct driver_request *r, struct store *s)
{
        struct dead_query query = {
                .sort = (enum dead_sort)number_of(r, "sort", DEAD_BY_ENTRY),
                .descending = json_is_true(json_object_get(r->line, "descending")),
                .limit = number_of(r, "limit", 1000),
                .offset = number_of(r, "offset", 0),
                .content = json_is_true(json_object_get(r->line, "content")),
                .plain = json_is_true(json_object_get(r->line, "plain")),
                .max_bytes = number_of(r, "max_bytes", 1 << 20),
        };

        read_filter(r, &query.filter);
        s->dead->read(s, &query, page_read, r);
}

static void do_dead_groups(struct driver_request *r, struct store *s)
{
        struct dead_filter filter;

        read_filter(r, &filter);
        s->dead->groups(s, &filter, number_of(r, "limit", 100), read_back, r);
}

static void do_dead_count(struct driver_request *r, struct store *s)
{
        struct dead_filter filter;

        read_filter(r, &filter);
        s->dead->count(s, &filter, read_back, r);
}

static void do_dead_settle(struct driver_request *r, struct store *s)
{
        const json_t *items = json_object_get(r->line, "items"), *item;
        struct dead_item *list = arena_alloc(&r->arena, (json_array_size(items) + 1) * sizeof(*list));
        struct dead_action *action = arena_alloc(&r->arena, sizeof(*action));
        size_t i;

        *action = (struct dead_action){ .name = json_text(r->line, "action", "requeue"),
                                        .state = json_text(r->line, "state", "requeued"),
                                        .sends = !json_object_get(r->line, "action") };
        json_array_foreach(items, i, item) {
                list[i] = (struct dead_item){ .entry = json_number(item, "entry", 0),
                                              .message = read_message(r, json_object_get(item, "message")),
                                              .version = json_number(item, "version", 0),
                                              .due_ms = json_number(item, "due_ms", 1) };
        }
        r->settle = (struct dead_settle){
                .action = action,
                .act = read_act(r),
                .items = list,
                .count = json_array_size(items),
        };
        s->dead->settle(s, &r->settle, settled, r);
}

static void do_dead_edit(struct driver_request *r, struct store *s)
{
        r->edit = (struct dead_edit){ .entry = json_number(r->line, "entry", 0),
                                      .version = json_number(r->line, "version", 0),
                                      .act = read_act(r),
                                      .body = read_bytes(r, r->line, "body") };
        s->dead->edit(s, &r->edit, stored, r);
}

static void do_dead_history(struct driver_request *r, struct store *s)
{
        s->dead->history(s, json_number(r->line, "entry", 0), read_back, r);
}

static void do_dead_stats(struct driver_request *r, struct store *s)
{
        s->dead->stats(s, read_back, r);
}

static void do_dead_alarms(struct driver_request *r, struct store *s)
{
        struct dead_alarm_query query = { .growth = number_of(r, "growth", 50),
                                          .least = number_of(r, "least", 2),
                                          .quiet_ms = json_number(r->line, "quiet_ms", 0),
                                          .factor = number_of(r, "factor", 0),
                                          .lease_ms = json_number(r->line, "lease_ms", 60000),
                                          .limit = number_of(r, "limit", 10) };

        s->dead->alarms(s, &query, read_back, r);
}

static void do_dead_alarms_told(struct driver_request *r, struct store *s)
{
        s->dead->alarms_told(s, json_object_get(r->line, "groups"), json_is_true(json_object_get(r->line, "told")),
                             read_back, r);
}

static void do_stale_find(struct driver_request *r, struct store *s)
{
        json_t *limits = json_object_get(r->line, "limits"), *ms;
        struct stale_limit *list = arena_alloc(&r->arena, (json_object_size(limits) + 1) * sizeof(*list));
        const char *pipeline;
        size_t count = 0;

        json_object_foreach(limits, pipeline, ms)
                list[count++] = (struct stale_limit){ pipeline, json_integer_value(ms) };
        r->stale = (struct stale_query){ list, count, number_of(r, "limit", 100) };
        s->dead->stale_find(s, &r->stale, read_back, r);
}

static const struct stale_next *read_next(struct driver_request *r, const json_t *list)
{
        struct stale_next *next = arena_alloc(&r->arena, (json_array_size(list) + 1) * sizeof(*next));
        const json_t *one;
        size_t i;

        json_array_foreach(list, i, one)
                next[i] = (struct stale_next){ json_text(one, "task_id", NULL), json_text(one, "task_name", NULL),
                                               read_message(r, json_object_get(one, "message")) };
        return next;
}

static void do_stale_settle(struct driver_request *r, struct store *s)
{
        const json_t *items = json_object_get(r->line, "items"), *item;
        struct stale_item *list = arena_alloc(&r->arena, (json_array_size(items) + 1) * sizeof(*list));
        size_t i;

        problem_set(&r->why, "store", "stale", "%s", json_text(r->line, "text", "it got stuck"));
        json_array_foreach(items, i, item) {
                const json_t *next = json_object_get(item, "next");
                const bool restart = json_object_get(json_array_get(next, 0), "message") != NULL;

                list[i] = (struct stale_item){
                        .root_id = json_text(item, "root_id", ""),
                        .updated_us = json_number(item, "updated_us", 0),
                        .since_us = json_number(item, "since_us", INT64_C(1) << 52), /* far off */
                        .restart = restart,
                        .next = read_next(r, next),
                        .next_count = json_array_size(next),
                        .why = restart ? NULL : &r->why,
                        .aggregate_type = restart ? NULL : "scan",
                        .event_type = restart ? NULL : json_text(item, "event", "ScanFailed"),
                        .payload = restart ? NULL : json_object_get(item, "payload"),
                };
        }
        s->dead->stale_settle(s, list, json_array_size(items), stale_were_settled, r);
}
