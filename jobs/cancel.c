/* SPDX-License-Identifier: Apache-2.0 */
/* Cancelling a job: the store says that it never happens, then workers are told to stop what is under way, with Celery's own command.
 * Source: kombu/pidbox.py and celery/app/control.py of Celery 5.7. */
#include "core/clock.h"
#include "core/json.h"
#include "jobs/own.h"
#include "message/message.h"
#include "store/run.h"

#include <stdlib.h>

#define CANCEL_COMMANDS "celery.pidbox"

enum { CANCEL_EXPIRES_MS = 60000 }; /* a worker that hears it later asks the store anyway */

struct cancel {
        struct jobs *jobs; /* NULL once they were closed */
        struct cancel *next;
        json_done *done;
        void *arg;
        json_t *answer; /* owned */
};

void cancels_leave(struct jobs *j)
{
        for (struct cancel *c = j->cancels; c; c = c->next)
                c->jobs = NULL;
        j->cancels = NULL;
}

static void cancel_end(struct cancel *c, json_t *answer, const struct problem *why)
{
        for (struct cancel **at = c->jobs ? &c->jobs->cancels : NULL; at && *at; at = &(*at)->next) {
                if (*at == c) {
                        *at = c->next;
                        break;
                }
        }
        c->done(answer, why, c->arg);
        json_decref(c->answer);
        free(c);
}

static struct message *cancel_message(const json_t *tasks)
{
        struct buffer properties = { 0 }, table = { 0 }, body = { 0 };
        struct message *m = NULL;
        JSON_OWNED json_t *expires = json_real((double)(clock_wall_ms() + CANCEL_EXPIRES_MS) / 1000);
        header_add_json(&table, "expires", expires);
        const struct properties p = {
                .content_type = bytes_of_string("application/json"),
                .content_encoding = bytes_of_string("utf-8"),
                .headers = buffer_view(&table),
                .delivery_mode = 1,
                .timestamp = -1,
        };
        properties_write(&p, &properties);
        buffer_add_string(&body, "{\"method\":\"revoke\",\"arguments\":{\"task_id\":");
        json_write(tasks, &body);
        buffer_add_string(&body, ",\"terminate\":true,\"signal\":\"SIGTERM\"},\"destination\":null,\"pattern\":null,"
                                 "\"matcher\":null}");
        if (!table.failed && !properties.failed && !body.failed)
                m = message_new(CANCEL_COMMANDS, "", buffer_view(&properties), buffer_view(&body));
        buffer_free(&properties);
        buffer_free(&table);
        buffer_free(&body);
        return m;
}

/* Whatever became of it: where no worker hears it, none is at work. */
static void on_cancel_told(enum publish_result result, void *arg)
{
        struct cancel *c = (struct cancel *)arg;
        (void)result;
        cancel_end(c, c->answer, NULL);
}

static void on_cancelled(json_t *answer, const struct problem *why, void *arg)
{
        struct cancel *c = (struct cancel *)arg;
        const json_t *tasks = json_object_get(answer, "tasks");
        struct broker *broker = c->jobs ? c->jobs->broker : NULL;
        struct message *m = NULL;
        if (!why && broker && broker->backend->join && hand_over_broker_takes(broker) && json_array_size(tasks) > 0)
                m = cancel_message(tasks);
        if (!m) {
                cancel_end(c, answer, why);
                return;
        }
        c->answer = json_incref(answer);
        broker_publish(broker, m, on_cancel_told, c);
}

void jobs_cancel(struct jobs *j, const char *id, json_done *done, void *arg)
{
        struct problem why;
        if (jobs_unstored(j, done, arg))
                return;
        struct cancel *c = malloc(sizeof(*c));
        if (!c) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, &why, arg);
                return;
        }
        *c = (struct cancel){ .jobs = j, .next = j->cancels, .done = done, .arg = arg };
        j->cancels = c;
        j->store->run->cancel(j->store, id, on_cancelled, c);
}
