/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/timeline.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing shorter than 10 ms is a gap; nor, of a long job, is what is shorter than its tenth or a second. */
enum { GAP_LEAST_MS = 10, GAP_MOST_MS = 1000, GAP_PARTS = 10, FIRST_MS = 5, WHAT_SIZE = 200 };

/* What goes on from one time to another. Of several that fit a gap the heaviest names it. */
enum weight { SPAN_QUEUE, SPAN_AGAIN, SPAN_WAITS, SPAN_DEAD, SPAN_WORK };

struct span {
        int64_t from_ms, to_ms;
        enum weight weight;
        char what[WHAT_SIZE];
};

struct timeline_row {
        int64_t at_ms;
        size_t rank; /* of rows of one time */
        json_t *value;
};

struct timeline {
        const json_t *job;
        int64_t now_ms;
        bool texts;
        struct timeline_row *rows;
        size_t count, room;
        struct span *spans;
        size_t span_count, span_room;
        json_int_t tokens_in, tokens_out;
        double cost_usd;
        bool starved;
};

/* ---- rows and spans ---- */

static void *timeline_grow(struct timeline *t, void *list, size_t count, size_t *room, size_t size)
{
        if (count < *room)
                return list;
        void *more = realloc(list, (2 * *room + 16) * size);
        if (!more) {
                t->starved = true;
                return NULL;
        }
        *room = 2 * *room + 16;
        return more;
}

/* `task` may be NULL. Takes `text`; returns the row, borrowed, to which more may be added. */
static json_t *timeline_row(struct timeline *t, int64_t at_ms, const char *kind, const json_t *task, json_t *text_takes)
{
        struct timeline_row *rows = timeline_grow(t, t->rows, t->count, &t->room, sizeof(*rows));
        json_t *value = json_pack("{s:I, s:s, s:s, s:s, s:o}", "at_ms", (json_int_t)at_ms, "kind", kind, "name",
                                  json_text(task, "name", ""), "task", json_text(task, "id", ""), "text", text_takes);
        t->rows = rows ? rows : t->rows;
        if (!rows || !value) {
                json_decref(value);
                t->starved = true;
                return NULL;
        }
        t->rows[t->count] = (struct timeline_row){ .at_ms = at_ms, .rank = t->count, .value = value };
        t->count++;
        return value;
}

__attribute__((format(printf, 5, 6))) static void timeline_span(struct timeline *t, int64_t from_ms, int64_t to_ms,
                                                                enum weight weight, const char *format, ...)
{
        va_list args;
        struct span *spans = timeline_grow(t, t->spans, t->span_count, &t->span_room, sizeof(*spans));
        if (!spans)
                return;
        t->spans = spans;
        struct span *span = &t->spans[t->span_count++];
        *span = (struct span){ .from_ms = from_ms, .to_ms = to_ms, .weight = weight };
        va_start(args, format);
        const int size = vsnprintf(span->what, sizeof(span->what), format, args);
        va_end(args);
        utf8_repair(span->what, size >= (int)sizeof(span->what));
}

/* -1: there is none. */
static int64_t timeline_time(const json_t *of, const char *key)
{
        int64_t at_ms = -1;
        return clock_parse(json_text(of, key, ""), &at_ms) ? -1 : at_ms;
}

static bool timeline_is(const json_t *of, const char *state)
{
        return strcmp(json_text(of, "state", ""), state) == 0;
}

static const json_t *timeline_find(const json_t *rows, const char *key, const char *id)
{
        size_t i;
        json_t *row;
        json_array_foreach((json_t *)rows, i, row)
                if (*id && strcmp(json_text(row, key, ""), id) == 0)
                        return row;
        return NULL;
}

static const json_t *timeline_trail(const struct timeline *t, const char *list)
{
        return json_object_get(json_object_get(t->job, "trail"), list);
}

/* "provider: timeout", and what was told of it where that is asked for. New reference. */
static json_t *timeline_error(const struct timeline *t, const char *what, const json_t *error)
{
        const char *text = t->texts ? json_text(error, "text", json_text(error, "message", "")) : "";
        return json_sprintf("%s%s: %s%s%s", what, json_text(error, "source", "?"), json_text(error, "code", "?"),
                            *text ? ": " : "", text);
}

/* ---- one task ---- */

/* Since when it could have begun: its parent's end, or the job's beginning. */
static int64_t task_ready_ms(const struct timeline *t, const json_t *task, int64_t otherwise)
{
        const json_t *parent = timeline_find(json_object_get(t->job, "tasks"), "id", json_text(task, "parent_id", ""));
        const int64_t at_ms = timeline_time(parent, "finished_at");
        return at_ms >= 0 ? at_ms : otherwise;
}

static void task_claim(struct timeline *t, const json_t *task, int64_t created_ms, int64_t started_ms)
{
        const json_int_t starts = json_number(task, "starts", 0), failed = json_number(task, "attempts", 0);
        const char *name = json_text(task, "name", "?");
        const int64_t ready_ms = task_ready_ms(t, task, created_ms);
        if (ready_ms < created_ms)
                timeline_span(t, ready_ms, created_ms, SPAN_QUEUE, "%s waits in its queue for a worker", name);
        if (started_ms - created_ms > FIRST_MS) {
                timeline_row(t, created_ms, "first", task,
                             json_string(starts > 1 ? "claimed for the first time" : "known to the store"));
                timeline_span(t, created_ms, started_ms, SPAN_AGAIN, "%s: earlier starts, and the waits between them",
                              name);
        }
        char after[60] = "";
        if (failed > 0)
                snprintf(after, sizeof(after), "; %lld failed attempts by now", (long long)failed);
        timeline_row(t, started_ms, "claim", task,
                     json_sprintf("claimed, start %lld%s", (long long)(starts > 0 ? starts : 1), after));
}

static void task_call(struct timeline *t, const json_t *task, int64_t started_ms)
{
        const char *provider = json_text(task, "provider", ""), *model = json_text(task, "model", "");
        const json_int_t in = json_number(task, "tokens_in", 0), made = json_number(task, "tokens_out", 0);
        const double cost_usd = json_number_value(json_object_get(task, "cost_usd"));
        const json_int_t took_ms = json_number(task, "elapsed_ms", -1);
        t->tokens_in += in;
        t->tokens_out += made;
        t->cost_usd += cost_usd;
        if (!*provider && !*model && !in && !made)
                return;
        char took[40] = "";
        if (took_ms >= 0)
                snprintf(took, sizeof(took), ", %lld ms", (long long)took_ms);
        json_t *row = timeline_row(t, started_ms, "call", task,
                                   json_sprintf("asked %s %s%s; with failed attempts %lld + %lld tokens, $%.6f",
                                                *provider ? provider : "a provider", model, took, (long long)in,
                                                (long long)made, cost_usd));
        if (row)
                json_object_update_new(row,
                                       json_pack("{s:s, s:s, s:o, s:I, s:I, s:f}", "provider", provider, "model", model,
                                                 "took_ms", took_ms >= 0 ? json_integer(took_ms) : json_null(),
                                                 "tokens_in", in, "tokens_out", made, "cost_usd", cost_usd));
}

/* "; part 3 of chord GROUP", where it is one. */
static void task_part(const struct timeline *t, const json_t *task, char out[WHAT_SIZE])
{
        const json_t *held = timeline_find(timeline_trail(t, "tasks"), "id", json_text(task, "id", ""));
        const char *part = json_text(held, "part", ""), *index = strrchr(part, ':');
        *out = '\0';
        if (!index)
                return;
        const int size = snprintf(out, WHAT_SIZE, "; part %s of chord %.*s", index + 1, (int)(index - part), part);
        utf8_repair(out, size >= WHAT_SIZE);
}

static void task_end(struct timeline *t, const json_t *task, int64_t finished_ms)
{
        char part[WHAT_SIZE];
        const json_int_t took_ms = json_number(task, "elapsed_ms", -1);
        task_part(t, task, part);
        if (timeline_is(task, "SUCCESS") && took_ms >= 0)
                timeline_row(t, finished_ms, "commit", task,
                             json_sprintf("committed, its work took %lld ms%s", (long long)took_ms, part));
        else if (timeline_is(task, "SUCCESS"))
                timeline_row(t, finished_ms, "commit", task, json_sprintf("committed%s", part));
        else if (timeline_is(task, "REVOKED"))
                timeline_row(t, finished_ms, "revoked", task, json_sprintf("revoked%s", part));
        else {
                char what[WHAT_SIZE + 60];
                snprintf(what, sizeof(what),
                         "failed after %lld attempts%s: ", (long long)json_number(task, "attempts", 0), part);
                timeline_row(t, finished_ms, "failed", task, timeline_error(t, what, json_object_get(task, "error")));
        }
}

/* What it is at now, where it has not ended. */
static void task_open(struct timeline *t, const json_t *task, int64_t started_ms)
{
        const char *id = json_text(task, "id", ""), *name = json_text(task, "name", "?");
        const json_t *held = timeline_find(timeline_trail(t, "tasks"), "id", id);
        const int64_t until_ms = json_number(held, "until_ms", 0);
        if (timeline_is(task, "STARTED")) {
                timeline_span(t, started_ms, t->now_ms, SPAN_WORK, "%s is at work on %s%s", name,
                              json_text(held, "owner", "?"), until_ms < t->now_ms ? ", whose lease is over" : "");
                return;
        }
        if (timeline_is(task, "RETRY"))
                timeline_row(t, t->now_ms, "now", task,
                             timeline_error(t, "is tried again; its last attempt: ", json_object_get(task, "error")));
        if (!timeline_find(timeline_trail(t, "waiting"), "task_id", id))
                timeline_span(t, started_ms, t->now_ms, SPAN_QUEUE, "%s waits in its queue for a worker", name);
}

static void timeline_task(struct timeline *t, const json_t *task)
{
        const int64_t created_ms = timeline_time(task, "created_at"), began_ms = timeline_time(task, "started_at"),
                      finished_ms = timeline_time(task, "finished_at");
        const int64_t started_ms = began_ms >= 0 ? began_ms : created_ms;
        if (began_ms >= 0) {
                task_claim(t, task, created_ms, started_ms);
                task_call(t, task, started_ms);
        }
        if (finished_ms < 0) {
                task_open(t, task, started_ms);
                return;
        }
        timeline_span(t, started_ms, finished_ms, SPAN_WORK, "%s is at work", json_text(task, "name", "?"));
        task_end(t, task, finished_ms);
}

/* ---- events, what waits, what died ---- */

static void timeline_event(struct timeline *t, const json_t *event)
{
        json_t *text = json_sprintf("%s written, version %lld of %s %s", json_text(event, "type", "?"),
                                    (long long)json_number(event, "version", 0),
                                    json_text(event, "aggregate_type", "?"), json_text(event, "aggregate_id", "?"));
        json_t *row = timeline_row(t, timeline_time(event, "created_at"), "event", NULL, text);
        if (row && t->texts)
                json_object_set(row, "payload", json_object_get(event, "payload"));
}

static void timeline_waiting(struct timeline *t, const json_t *waiting)
{
        const int64_t created_ms = json_number(waiting, "created_ms", 0), due_ms = json_number(waiting, "due_ms", 0);
        const json_int_t returns = json_number(waiting, "returns", 0);
        const json_t *task = timeline_find(json_object_get(t->job, "tasks"), "id", json_text(waiting, "task_id", ""));
        const char *reason = json_text(waiting, "reason", "?"),
                   *name = json_text(task, "name", json_text(waiting, "routing_key", "?"));
        char due[CLOCK_TEXT_SIZE], lost[60] = "";
        clock_format(due_ms, due);
        if (returns > 0)
                snprintf(lost, sizeof(lost), "; no queue took it %lld times", (long long)returns);
        json_t *row = timeline_row(t, created_ms, "waits", task,
                                   json_sprintf("%s%swaits in the store until %.23s: %s%s", task ? "" : name,
                                                task ? "" : " ", due, reason, lost));
        if (row)
                json_object_update_new(row, json_pack("{s:I, s:s}", "due_ms", (json_int_t)due_ms, "reason", reason));
        timeline_span(t, created_ms, due_ms, SPAN_WAITS, "%s waits: %s", name, reason);
        if (due_ms < t->now_ms)
                timeline_span(t, due_ms, t->now_ms, SPAN_WAITS, "%s is due, and nobody has published it%s", name, lost);
}

static void timeline_dead(struct timeline *t, const json_t *dead)
{
        size_t i;
        json_t *act;
        const int64_t died_ms = json_number(dead, "died_ms", 0), settled_ms = json_number(dead, "settled_ms", -1);
        const long long entry = json_number(dead, "entry", 0);
        JSON_OWNED json_t *task =
                json_pack("{s:s, s:s}", "id", json_text(dead, "task_id", ""), "name", json_text(dead, "name", ""));
        timeline_row(t, died_ms, "dead", task,
                     json_sprintf("is a dead letter after %lld attempts: %s: %s",
                                  (long long)json_number(dead, "attempts", 0), json_text(dead, "source", "?"),
                                  json_text(dead, "code", "?")));
        timeline_row(t, json_number(dead, "kept_ms", died_ms), "filed", task,
                     json_sprintf("filed as entry %lld, which is %s now", entry, json_text(dead, "state", "?")));
        json_array_foreach(timeline_trail(t, "acts"), i, act) {
                if (json_number(act, "entry", 0) != entry)
                        continue;
                const char *reason = json_text(act, "reason", "");
                timeline_row(t, json_number(act, "at_ms", 0), "act", task,
                             json_sprintf("entry %lld: %s by %s%s%s", entry, json_text(act, "action", "?"),
                                          json_text(act, "who", "?"), *reason ? ": " : "", reason));
        }
        timeline_span(t, died_ms, settled_ms >= 0 ? settled_ms : t->now_ms, SPAN_DEAD, "%s lies among the dead letters",
                      json_text(dead, "name", "?"));
}

/* ---- the job ---- */

static void timeline_each(struct timeline *t, const json_t *list, void (*add)(struct timeline *t, const json_t *row))
{
        size_t i;
        json_t *row;
        json_array_foreach((json_t *)list, i, row)
                add(t, row);
}

static void timeline_gather(struct timeline *t, int64_t ended_ms)
{
        const int64_t created_ms = timeline_time(t->job, "created_at");
        if (created_ms >= 0)
                timeline_row(t, created_ms, "begun", NULL,
                             json_string("submitted: the store first hears of it, from its first claim or message"));
        timeline_each(t, json_object_get(t->job, "tasks"), timeline_task);
        timeline_each(t, json_object_get(t->job, "events"), timeline_event);
        timeline_each(t, timeline_trail(t, "waiting"), timeline_waiting);
        timeline_each(t, timeline_trail(t, "dead"), timeline_dead);
        if (ended_ms < 0)
                timeline_row(t, t->now_ms, "now", NULL, json_sprintf("now: %s", json_text(t->job, "state", "?")));
        else if (timeline_is(t->job, "SUCCESS"))
                timeline_row(t, ended_ms, "end", NULL, json_string("the job ends: SUCCESS"));
        else {
                char what[60];
                snprintf(what, sizeof(what), "the job ends: %.20s: ", json_text(t->job, "state", "?"));
                timeline_row(t, ended_ms, "end", NULL, timeline_error(t, what, json_object_get(t->job, "error")));
        }
}

static int timeline_compare(const void *a, const void *b)
{
        const struct timeline_row *one = a, *other = b;
        if (one->at_ms != other->at_ms)
                return one->at_ms < other->at_ms ? -1 : 1;
        return one->rank < other->rank ? -1 : one->rank > other->rank;
}

/* The heaviest that goes on in the middle of it. */
static const char *timeline_name_gap(const struct timeline *t, int64_t from_ms, int64_t to_ms)
{
        const int64_t middle_ms = from_ms + (to_ms - from_ms) / 2;
        const struct span *best = NULL;
        for (size_t i = 0; i < t->span_count; i++) {
                const struct span *span = &t->spans[i];
                if (span->from_ms <= middle_ms && middle_ms < span->to_ms && (!best || span->weight > best->weight))
                        best = span;
        }
        return best ? best->what : "nothing that the store knows of";
}

static int timeline_gap(const struct timeline *t, json_t *out, int64_t first_ms, const struct timeline_row *before,
                        const struct timeline_row *after, int64_t least_ms)
{
        const int64_t gap_ms = after->at_ms - before->at_ms;
        if (gap_ms < least_ms)
                return 0;
        return json_array_append_new(
                out, json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:I}", "at_ms", (json_int_t)before->at_ms, "since_ms",
                               (json_int_t)(before->at_ms - first_ms), "kind", "gap", "name", "", "task", "", "text",
                               timeline_name_gap(t, before->at_ms, after->at_ms), "gap_ms", (json_int_t)gap_ms));
}

/* The rows in order, with the gaps between them. */
static json_t *timeline_rows(struct timeline *t)
{
        json_t *out = json_array();
        int failed = !out;
        if (t->count == 0)
                return out;
        qsort(t->rows, t->count, sizeof(*t->rows), timeline_compare);
        const int64_t first_ms = t->rows[0].at_ms, whole_ms = t->rows[t->count - 1].at_ms - first_ms;
        int64_t least_ms = whole_ms / GAP_PARTS;
        least_ms = least_ms > GAP_MOST_MS ? GAP_MOST_MS : least_ms < GAP_LEAST_MS ? GAP_LEAST_MS : least_ms;
        for (size_t i = 0; i < t->count; i++) {
                if (i > 0)
                        failed |= timeline_gap(t, out, first_ms, &t->rows[i - 1], &t->rows[i], least_ms);
                failed |= json_object_set_new(t->rows[i].value, "since_ms", json_integer(t->rows[i].at_ms - first_ms));
                failed |= json_array_append(out, t->rows[i].value);
        }
        if (!failed)
                return out;
        json_decref(out);
        return NULL;
}

json_t *timeline_of(const json_t *traced, int64_t now_ms, bool texts)
{
        const unsigned long lost = json_memory_lost();
        struct timeline t = { .job = traced, .now_ms = now_ms, .texts = texts };
        const int64_t ended_ms = timeline_time(traced, "finished_at");
        timeline_gather(&t, ended_ms);
        json_t *rows = t.starved ? NULL : timeline_rows(&t), *whole = NULL;
        if (rows) {
                const int64_t from_ms = t.count ? t.rows[0].at_ms : now_ms;
                whole = json_pack("{s:s, s:s, s:s, s:I, s:o, s:I, s:I, s:I, s:f, s:O}", "id",
                                  json_text(traced, "id", "?"), "pipeline", json_text(traced, "pipeline", ""), "state",
                                  json_text(traced, "state", "?"), "from_ms", (json_int_t)from_ms, "to_ms",
                                  ended_ms >= 0 ? json_integer(ended_ms) : json_null(), "took_ms",
                                  (json_int_t)((ended_ms >= 0 ? ended_ms : now_ms) - from_ms), "tokens_in", t.tokens_in,
                                  "tokens_out", t.tokens_out, "cost_usd", t.cost_usd, "timeline", rows);
        }
        for (size_t i = 0; i < t.count; i++)
                json_decref(t.rows[i].value);
        json_decref(rows);
        free(t.rows);
        free(t.spans);
        if (json_memory_lost() == lost)
                return whole;
        json_decref(whole);
        return NULL;
}
