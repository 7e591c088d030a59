/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about the queues that are consumed. */
#include "worker/control/control.h"

#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool queues_consumed(const struct worker *w, const char *queue)
{
        for (size_t i = 0; i < w->queue_count; i++)
                if (strcmp(w->queues[i], queue) == 0)
                        return true;
        return false;
}

/* As kombu describes a queue. One that is consumed as it stands there (`declare` false) is what Celery's clients declare when they find none: their
 * own description, for nobody can ask the broker for it. */
static json_t *queue_json(const char *queue, bool declare)
{
        json_t *arguments = declare ? json_pack("{s:s}", "x-queue-type", "quorum") : json_null();
        return json_pack(
                "{s:s, s:{s:s, s:s, s:n, s:b, s:b, s:b, s:n, s:b}, s:s, s:o, s:n, s:n, s:b, s:b, s:b, s:b, s:n, s:[], "
                "s:n, s:n, s:n, s:n, s:n, s:n}",
                "name", queue, "exchange", "name", queue, "type", declare ? "topic" : "direct", "arguments", "durable",
                1, "passive", 0, "auto_delete", 0, "delivery_mode", "no_declare", 0, "routing_key", queue,
                "queue_arguments", arguments, "binding_arguments", "consumer_arguments", "durable", 1, "exclusive", 0,
                "auto_delete", 0, "no_ack", 0, "alias", "bindings", "no_declare", "expires", "message_ttl",
                "max_length", "max_length_bytes", "max_priority");
}

json_t *inspect_active_queues(struct control *c, const json_t *arguments)
{
        (void)arguments;
        const struct worker *w = c->worker;
        json_t *list = json_array();
        for (size_t i = 0; i < w->queue_count; i++)
                json_array_append_new(list, queue_json(w->queues[i], w->config->declare_queues));
        return list;
}

/* The broker reads the table until it is closed, so the one before is kept. */
static int queues_redeclare(struct control *c, const char *queue)
{
        struct worker *w = c->worker;
        struct older_topology *added = calloc(1, sizeof(*added));
        const char **all = calloc(w->queue_count + 1, sizeof(*all));
        int code = added && all ? 0 : -ENOMEM;
        for (size_t i = 0; code == 0 && i < w->queue_count; i++)
                all[i] = w->queues[i];
        if (code == 0) {
                all[w->queue_count] = queue;
                code = topology_build(&added->topology, all, w->queue_count + 1, w->config->native_delay);
        }
        if (code == 0) {
                if (!w->config->declare_queues)
                        topology_leave(&added->topology, all, w->queue_count + 1);
                added->next = c->older;
                c->older = added;
                code = w->broker->backend->redeclare(w->broker, &added->topology);
        } else {
                free(added);
        }
        free(all);
        return code;
}

static json_t *control_queues_add(struct control *c, const char *queue)
{
        struct worker *w = c->worker;
        if (queues_redeclare(c, queue) < 0 || intake_add_queue(w, queue) < 0)
                return answer_error("MemoryError()");
        log_info("control", "queue=%s is consumed from now on", queue);
        return answer_ok("add consumer %s", queue);
}

/* chard's queues are bound as `chard topology show` prints it; another binding is the client's to declare. */
static const char *queues_differs(const json_t *arguments, const char *queue)
{
        const char *exchange = json_text(arguments, "exchange", ""), *key = json_text(arguments, "routing_key", "");
        if (*exchange && strcmp(exchange, queue) != 0)
                return "exchange";
        return *key && strcmp(key, queue) != 0 ? "routing_key" : NULL;
}

static const char *queue_fault(const char *queue)
{
        const size_t size = strlen(queue);
        if (size == 0 || size > 200 || strncmp(queue, "amq.", 4) == 0)
                return "a queue has a name of up to 200 characters";
        for (const char *at = queue; *at; at++)
                if ((unsigned char)*at < 0x20 || *at == 0x7f)
                        return "a queue has a name without control characters";
        if (size > 5 && strcmp(queue + size - 5, ".dead") == 0)
                return "dead letters are not run by consuming them: chard dlq requeue";
        return NULL;
}

json_t *command_add_consumer(struct control *c, const json_t *arguments)
{
        const char *queue = json_text(arguments, "queue", "");
        const char *wrong = queues_differs(arguments, queue), *fault = queue_fault(queue);
        if (fault)
                return answer_error("ValueError('%s')", fault);
        if (wrong)
                return answer_error(
                        "ValueError(\"a queue is bound to the exchange of its own name by its own name: leave out "
                        "the %s\")",
                        wrong);
        return queues_consumed(c->worker, queue) ? answer_ok("add consumer %s", queue) : control_queues_add(c, queue);
}

json_t *command_cancel_consumer(struct control *c, const json_t *arguments)
{
        const char *queue = json_text(arguments, "queue", "");
        if (queues_consumed(c->worker, queue)) {
                intake_drop_queue(c->worker, queue);
                log_info("control", "queue=%s is no longer consumed", queue);
        }
        return answer_ok("no longer consuming from %s", queue);
}
