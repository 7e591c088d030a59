/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change something of tasks and of the worker. */
#include "worker/control/control.h"

#include "core/json.h"
#include "core/log.h"
#include "message/wire/repr.h"
#include "worker/control.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- revoke ---- */

bool command_is_id(const char *id)
{
        const size_t size = id ? strlen(id) : 0;
        return size > 0 && size <= MESSAGE_MAX_NAME;
}

static bool terminate_one(struct control *c, const char *id)
{
        struct run *run = control_run(c, id);
        if (!run || !control_is_active(run))
                return false;
        log_info("control", "task=%s is terminated", id);
        run_terminate(run);
        return true;
}

static size_t id_count(const json_t *ids)
{
        return json_is_string(ids) ? 1 : json_array_size(ids);
}

static const char *id_at(const json_t *ids, size_t i)
{
        const char *id = json_string_value(json_is_string(ids) ? ids : json_array_get(ids, i));
        return command_is_id(id) ? id : NULL;
}

static json_t *terminate_all(struct control *c, const json_t *ids)
{
        struct buffer found = { 0 };
        for (size_t i = 0; i < id_count(ids); i++) {
                const char *id = id_at(ids, i);
                if (id && terminate_one(c, id))
                        buffer_addf(&found, "%s%s", found.size ? ", " : "", id);
        }
        json_t *answer = found.size ? answer_ok("terminate: %.*s", (int)found.size, (const char *)found.data)
                                    : answer_ok("terminate: tasks unknown");
        buffer_free(&found);
        return answer;
}

static json_t *revoke_all(struct control *c, const json_t *ids, bool terminate)
{
        struct buffer list = { 0 };
        for (size_t i = 0; i < id_count(ids); i++) {
                const char *id = id_at(ids, i);
                if (!id)
                        continue;
                if (revoked_add(&c->revoked, id) < 0)
                        return answer_error("MemoryError()");
                buffer_addf(&list, "%s'%s'", list.size ? ", " : "", id);
        }
        log_info("control", "revoked: %.*s", (int)list.size, (const char *)list.data);
        json_t *answer = NULL;
        if (terminate)
                answer = terminate_all(c, ids);
        else if (list.size)
                answer = answer_ok("tasks {%.*s} flagged as revoked", (int)list.size, (const char *)list.data);
        else
                answer = answer_ok("tasks set() flagged as revoked");
        buffer_free(&list);
        JSON_OWNED json_t *all = json_is_string(ids) ? json_pack("[O]", ids) : json_incref((json_t *)(uintptr_t)ids);
        if (!all && ids) {
                json_decref(answer);
                return answer_error("MemoryError()"); /* the store does not know */
        }
        return revoking_start(c, all, answer);
}

json_t *command_revoke(struct control *c, const json_t *arguments)
{
        return revoke_all(c, json_object_get(arguments, "task_id"),
                          json_is_true(json_object_get(arguments, "terminate")));
}

json_t *command_terminate(struct control *c, const json_t *arguments)
{
        return revoke_all(c, json_object_get(arguments, "task_id"), true);
}

/* ---- revoke by stamps ---- */

/* "header=value" alone or in a list, as `celery control` sends it, or an object. New reference, or NULL. */
static json_t *stamps_given(const json_t *headers)
{
        if (json_is_object(headers))
                return json_incref((json_t *)headers);
        json_t *all = json_object();
        for (size_t i = 0; i < id_count(headers); i++) {
                const char *pair = json_string_value(json_is_string(headers) ? headers : json_array_get(headers, i));
                const char *sign = pair ? strchr(pair, '=') : NULL;
                if (sign)
                        json_object_setn_new(all, pair, (size_t)(sign - pair), json_string(sign + 1));
        }
        return all;
}

static json_t *answer_stamps(const char *before, const json_t *stamps, const char *after)
{
        struct buffer text = { 0 };
        repr_value(stamps, &text);
        json_t *answer = answer_ok("%s%.*s%s", before, (int)text.size, (const char *)text.data, after);
        buffer_free(&text);
        return answer;
}

/* The runs change while they are ended, so one at a time; `tried` has the ids of those before. */
static struct run *next_stamped(struct control *c, const json_t *headers, json_t *tried, json_t *ended)
{
        for (struct run *run = c->worker->runs.next; run != &c->worker->runs; run = run->next)
                if (run->message.id && control_is_active(run) && !json_object_get(tried, run->message.id) &&
                    stamped_match(headers, &run->message, ended))
                        return run;
        return NULL;
}

static json_t *terminate_stamped(struct control *c, const json_t *headers)
{
        JSON_OWNED json_t *ended = json_object(), *tried = json_object();
        for (struct run *run; (run = next_stamped(c, headers, tried, ended));) {
                if (json_object_set_new(tried, run->message.id, json_true()) != 0)
                        break;
                terminate_one(c, run->message.id);
        }
        return json_object_size(ended) ? answer_stamps("headers ", ended, " revoked")
                                       : answer_stamps("headers ", headers, " were not terminated");
}

json_t *command_revoke_by_stamped_headers(struct control *c, const json_t *arguments)
{
        JSON_OWNED json_t *headers = stamps_given(json_object_get(arguments, "headers"));
        if (!headers || stamped_add(&c->stamped, headers) < 0)
                return answer_error("MemoryError()");
        if (json_is_true(json_object_get(arguments, "terminate")))
                return terminate_stamped(c, headers);
        return answer_stamps("headers ", headers, " flagged as revoked, but not terminated");
}

/* ---- limits ---- */

json_t *command_rate_limit(struct control *c, const json_t *arguments)
{
        const char *task = json_text(arguments, "task_name", "");
        const json_t *given = json_object_get(arguments, "rate_limit");
        char number[32] = "";
        const char *rate = json_string_value(given);
        double per_hour = 0;
        if (!rate && json_is_number(given)) {
                snprintf(number, sizeof(number), "%g", json_number_value(given));
                rate = number;
        }
        if (limits_read_rate(rate ? rate : "", &per_hour) != 0)
                return answer_error(
                        "Invalid rate limit string: ValueError(\"could not convert string to float: '%.40s'\")", rate);
        if (!catalog_task(c->worker->catalog, task))
                return answer_error("unknown task");
        if (limits_set_rate(&c->limits, task, per_hour, rate ? rate : "") < 0)
                return answer_error("MemoryError()");
        log_info("control", "rate limit of %s: %s", task, per_hour > 0 ? rate : "none");
        return answer_ok(per_hour > 0 ? "new rate limit set successfully" : "rate limit disabled successfully");
}

static bool read_limit(const json_t *arguments, const char *key, unsigned *ms)
{
        enum { LONGEST_S = 86400 };
        const double seconds = json_number_value(json_object_get(arguments, key));
        if (!(seconds >= 0 && seconds <= LONGEST_S))
                return false;
        *ms = (unsigned)lround(seconds * 1000);
        return true;
}

json_t *command_time_limit(struct control *c, const json_t *arguments)
{
        const char *task = json_text(arguments, "task_name", "");
        unsigned soft_ms, hard_ms;
        if (!catalog_task(c->worker->catalog, task))
                return answer_error("unknown task");
        if (!read_limit(arguments, "soft", &soft_ms) || !read_limit(arguments, "hard", &hard_ms))
                return answer_error("ValueError('a time limit is between 0 and 86400 seconds')");
        if (limits_set_time(&c->limits, task, soft_ms, hard_ms) < 0)
                return answer_error("MemoryError()");
        log_info("control", "time limits of %s: soft %u ms, hard %u ms", task, soft_ms, hard_ms);
        return answer_ok("time limits set successfully");
}

/* ---- events ---- */

json_t *command_enable_events(struct control *c, const json_t *arguments)
{
        (void)arguments;
        if (!c->dispatcher)
                return answer_error("event dispatcher unavailable");
        if (control_events_asked(c))
                return answer_ok("task events already enabled");
        control_ask_events(c, true);
        log_info("control", "task events enabled");
        return answer_ok("task events enabled");
}

json_t *command_disable_events(struct control *c, const json_t *arguments)
{
        (void)arguments;
        if (!c->dispatcher)
                return answer_error("event dispatcher unavailable");
        if (!control_events_asked(c))
                return answer_ok("task events already disabled");
        c->dispatcher->flush(c->dispatcher);
        control_ask_events(c, false);
        log_info("control", "task events disabled");
        return answer_ok("task events disabled");
}

json_t *command_heartbeat(struct control *c, const json_t *arguments)
{
        (void)arguments;
        if (c->dispatcher)
                c->dispatcher->beat(c->dispatcher);
        return json_null();
}

/* Workers elect one of themselves to do something once; this one never stands. */
json_t *command_election(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        return json_null();
}

/* Without a level: the one of the settings. Not one of Celery's. */
json_t *command_log_level(struct control *c, const json_t *arguments)
{
        const json_t *wanted = json_object_get(arguments, "level");
        enum log_level level;
        (void)c;
        if (wanted && !json_is_null(wanted) &&
            (!json_is_string(wanted) || !log_level_read(json_string_value(wanted), &level)))
                return answer_error("ValueError('level must be debug, info, warn or error')");
        level = wanted && !json_is_null(wanted) ? log_set_level(level) : log_reset_level();
        log_line(level, "control", "the log's level is %s", log_level_name(level));
        return answer_ok("log level is %s", log_level_name(level));
}

/* ---- the worker ---- */

json_t *command_shutdown(struct control *c, const json_t *arguments)
{
        log_warn("control", "%.200s", json_text(arguments, "msg", "shutdown was asked for"));
        if (c->worker->phase == WORKER_RUNNING)
                worker_stop(c->worker);
        return NULL; /* as Celery's: no answer */
}

static void set_slots(struct control *c, long slots)
{
        enum { MOST = 65535 };
        c->worker->slots = slots < 1 ? 1 : slots > MOST ? MOST : (unsigned)slots;
        intake_again(c->worker);
        log_info("control", "%u slots a queue", c->worker->slots);
}

static long command_wanted(const json_t *arguments)
{
        const json_int_t n = json_number(arguments, "n", 1);
        return n < 0 ? 0 : n > 65535 ? 65535 : (long)n;
}

json_t *command_pool_grow(struct control *c, const json_t *arguments)
{
        set_slots(c, (long)c->worker->slots + command_wanted(arguments));
        return answer_ok("pool will grow");
}

json_t *command_pool_shrink(struct control *c, const json_t *arguments)
{
        const long n = command_wanted(arguments);
        if (n >= (long)c->worker->slots)
                return answer_error("ValueError(\"Can't shrink below one slot: there are %u\")", c->worker->slots);
        set_slots(c, (long)c->worker->slots - n);
        return answer_ok("pool will shrink");
}

/* A slot costs nothing while it is empty: what a pool would grow to is what there is. */
json_t *command_autoscale(struct control *c, const json_t *arguments)
{
        const json_int_t most = json_number(arguments, "max", 0);
        const json_int_t least = json_number(arguments, "min", 0);
        if (most < 0 || most > 65535)
                return answer_error("ValueError('max must be between 1 and 65535')");
        if (most > 0)
                set_slots(c, (long)most);
        return answer_ok("autoscale now max=%u min=%lld", c->worker->slots, (long long)least);
}

json_t *command_pool_restart(struct control *c, const json_t *arguments)
{
        (void)c, (void)arguments;
        return answer_error("ValueError('Pool restarts not enabled')");
}
