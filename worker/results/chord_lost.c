/* SPDX-License-Identifier: Apache-2.0 */
/* A chord that Redis has forgotten: flushed, expired, evicted. A missing size alone proves nothing, because Celery's client sets it just before
 * it sends the header's last task. So the first part that finds none leaves a row in the store (chord_lost_ms), and whoever takes that row
 * looks again. If there is still no size, the header is counted anew from the store: what is told of a part is there, and how many there are
 * stands in its message, where a worker began the chord and the store hears of all its parts, and none of them has added others. Where that can't be known the chord fails and says so. */
#include "worker/run/run.h"

#include "core/json.h"
#include "core/log.h"
#include "store/read.h"

#include <string.h>

/* ---- looking again ---- */

static void on_watched(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("worker", "task=%s nobody looks whether its chord is lost: %s", run->message.id, why->text);
        run_go(run, result == STORE_CLOSED    ? STEP_END
                    : result == STORE_STARVED ? run_out_of_memory(run)
                                              : run_next_part(run));
}

enum step run_watch_chord(struct run *run)
{
        JSON_OWNED json_t *telling = json_pack("{s:s, s:O}", "step", "look", "part", run_part(run));
        return run_keep_owed(run, telling, run->worker->config->chord_lost_ms, on_watched) ? STEP_WAIT
                                                                                           : run_out_of_memory(run);
}

/* ---- counting from the store ---- */

static const char *chord_lost_group_of(const struct run *run)
{
        return json_text(run_part(run), "group_id", "");
}

/* Its index as text; NULL: it is another group's. */
static const char *index_of(const char *part, const char *group_id)
{
        const size_t size = strlen(group_id);
        const char *index = strncmp(part, group_id, size) == 0 && part[size] == ':' ? part + size + 1 : NULL;
        return index && !strchr(index, ':') ? index : NULL;
}

static void chord_lost_add_exception(const json_t *error, struct buffer *out)
{
        struct problem why;
        problem_set(&why, json_text(error, "source", ""), json_text(error, "code", ""), "%s",
                    json_text(error, "text", ""));
        const struct result_exception e = results_exception_of(&why);
        results_exception(&e, out);
}

/* ["id:index", "index", member] */
static void add_part(const json_t *row, const char *index, struct buffer *out)
{
        const json_t *id = json_object_get(row, "id"), *result = json_object_get(row, "result");
        const char *state = json_text(row, "state", "");
        struct buffer who = { 0 }, member = { 0 };
        buffer_addf(&who, "%s:%s", json_text(row, "id", ""), index);
        buffer_add_string(&member, "[1, ");
        json_write(id, &member);
        buffer_addf(&member, ", \"%s\", ", state);
        if (strcmp(state, "SUCCESS") == 0)
                buffer_add(&member, json_string_length(result) ? json_string_value(result) : "null",
                           json_string_length(result) ? json_string_length(result) : strlen("null"));
        else
                chord_lost_add_exception(json_object_get(row, "error"), &member);
        buffer_add_byte(&member, ']');
        out->failed = out->failed || who.failed || member.failed;
        buffer_add_string(out, out->size > 1 ? ",[" : "[");
        json_write_text(buffer_view(&who), out);
        buffer_add_byte(out, ',');
        json_write_text(bytes_of_string(index), out);
        buffer_add_byte(out, ',');
        json_write_text(buffer_view(&member), out);
        buffer_add_byte(out, ']');
        buffer_free(&who);
        buffer_free(&member);
}

static void on_restored(enum results_answer answer, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        run_looked(run);
        if (answer == RESULTS_REFUSED)
                log_error("worker", "task=%s its chord can't be counted again: %s", run->message.id, why->text);
        run_go(run, answer == RESULTS_DONE ? STEP_JOIN : STEP_END); /* the row stays */
}

/* Does a part that has succeeded add others? How many of them there are, and which were counted, nobody else knows. */
static bool holds_additions(const json_t *rows, const char *group_id)
{
        for (size_t i = 0; i < json_array_size(rows); i++) {
                const json_t *row = json_array_get(rows, i), *sends = json_object_get(row, "sends");
                if (!index_of(json_text(row, "part", ""), group_id) ||
                    strcmp(json_text(row, "state", ""), "SUCCESS") != 0)
                        continue;
                for (size_t k = 0; k < json_array_size(sends); k++)
                        if (strcmp(json_text(json_array_get(sends, k), "as", ""), "chord") == 0)
                                return true;
        }
        return false;
}

static enum step break_chord(struct run *run, const char *reason)
{
        struct problem lost;
        problem_set(&lost, "results", "chord_broken", "Join error: Redis has lost the counters of this chord, and %s",
                    reason);
        return run_unjoin(run, &lost, (struct bytes){ NULL, 0 });
}

static void on_parts(json_t *rows, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        struct buffer parts = { 0 };
        const json_int_t size = json_number(json_object_get(run_part(run), "chord"), "chord_size", 0);
        buffer_add_byte(&parts, '[');
        for (size_t i = 0; i < json_array_size(rows); i++) {
                const json_t *row = json_array_get(rows, i);
                const char *index = index_of(json_text(row, "part", ""), chord_lost_group_of(run));
                if (index)
                        add_part(row, index, &parts);
        }
        buffer_add_byte(&parts, ']');
        if (why)
                log_error("worker", "task=%s the parts of its chord can't be read: %s", run->message.id, why->text);
        if (why || parts.failed)
                run_go(run, STEP_END); /* the row stays */
        else if (holds_additions(rows, chord_lost_group_of(run)))
                run_go(run, break_chord(run, "its parts have added others"));
        else
                results_chord_restore(run->worker->results, chord_lost_group_of(run), (size_t)size, buffer_view(&parts),
                                      on_restored, run);
        buffer_free(&parts);
}

enum step run_recount(struct run *run)
{
        const json_t *chord = json_object_get(run_part(run), "chord");
        if (json_number(chord, "chord_size", 0) > 0) {
                log_warn("worker", "task=%s Redis has lost the counters of its chord: they are read from the store",
                         run->message.id);
                run->worker->store->read->chord_parts(run->worker->store, chord_lost_group_of(run), on_parts, run);
                return STEP_WAIT;
        }
        return break_chord(run, "nobody else knows the size of its header");
}

/* ---- the job ---- */

static void chord_lost_on_failed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("worker", "task=%s the failure of its chord can't be stored: %s", run->message.id, why->text);
        run_go(run, result == STORE_CLOSED    ? STEP_END
                    : result == STORE_STARVED ? run_out_of_memory(run)
                                              : run_end_chord(run));
}

enum step run_fail_body(struct run *run)
{
        const json_t *body = json_object_get(run_part(run), "chord");
        JSON_OWNED json_t *alone = json_pack("[O]", body), *rows = signatures_abandoned(alone);
        const char *id = json_text(json_array_get(rows, 0), "id", NULL), *name = json_text(body, "task", "");
        const bool plain = !json_is_string(json_object_get(body, "subtask_type"));
        if (!id || run->message.aside || !run_keeps_state(run) ||
            (plain && !run_keeps_state_of(name, signature_is_heir(body), run->catalog)))
                return run_end_chord(run);
        id = arena_string(&run->arena, id);
        if (!id)
                return run_out_of_memory(run);
        run_fail_other(run, id, name, run_unjoined(run), chord_lost_on_failed);
        return STEP_WAIT;
}
