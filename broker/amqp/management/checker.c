/* SPDX-License-Identifier: Apache-2.0 */
/* What RabbitMQ's settings do to chard's queues, and the policies that keep them from losing messages; both by its management API. */
#include "broker/amqp/management/admin.h"

#include "broker/amqp/amqp.h"
#include "broker/amqp/connection/address.h"
#include "core/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS "?columns=name,type,durable,auto_delete,arguments"

/* The API, and what it says of all queues. */
struct checker {
        struct admin *admin;
        json_t *policies, *operator_policies;
        bool leaves_tasks;
};

static int checker_open(struct checker *c, const struct broker_check_config *config, struct problem *why)
{
        *c = (struct checker){ .leaves_tasks = config->leaves_tasks };
        int result = admin_open(&c->admin, config, why);
        if (!result)
                result = admin_get(c->admin, "policies", NULL, NULL, &c->policies, why);
        /* Not everybody may see these; RabbitMQ before 3.7 has none. */
        if (!result && admin_get(c->admin, "operator-policies", NULL, NULL, &c->operator_policies, NULL) < 0)
                result = -ENOMEM;
        return result;
}

static void checker_close(struct checker *c)
{
        json_decref(c->policies);
        json_decref(c->operator_policies);
        if (c->admin)
                admin_close(c->admin);
}

/* ---- looking ---- */

static int read_default_route(struct admin *a, const char *queue, enum dead_route *out, struct problem *why)
{
        JSON_OWNED json_t *there = NULL;
        const int result = queue ? admin_get(a, "queues", queue, COLUMNS, &there, why) : 0;
        *out = there ? DEAD_ROUTE_OPEN : DEAD_ROUTE_UNBOUND;
        return result;
}

static int read_route(struct admin *a, const struct queue_limits *limits, enum dead_route *out, struct problem *why)
{
        JSON_OWNED json_t *exchange = NULL;
        JSON_OWNED json_t *bindings = NULL;
        *out = DEAD_ROUTE_NONE;
        if (!limits->dead_exchange)
                return 0;
        if (!*limits->dead_exchange)
                return read_default_route(a, limits->dead_key, out, why);
        int result = admin_get(a, "exchanges", limits->dead_exchange, NULL, &exchange, why);
        *out = DEAD_ROUTE_MISSING;
        if (result || !exchange)
                return result;
        result = admin_get(a, "exchanges", limits->dead_exchange, "/bindings/source", &bindings, why);
        *out = bindings_route(bindings, json_text(exchange, "type", ""), limits->dead_key) ? DEAD_ROUTE_OPEN
                                                                                           : DEAD_ROUTE_UNBOUND;
        return result;
}

static void tell_unread(const char *queue, const char *policy, risk_tell *tell, void *arg)
{
        char text[300];
        snprintf(text, sizeof(text), "has a policy, perhaps: whether the pattern of %.120s fits can't be told here",
                 policy);
        tell(RISK_NOTE, queue, text, arg);
}

static void tell_missing(const char *queue, bool left, risk_tell *tell, void *arg)
{
        if (left)
                tell(RISK_NOTE, queue, "is not there, and left to others to declare (CHARD_DECLARE_QUEUES=no)", arg);
        else
                tell(RISK_LOSS, queue, "is not there: chard topology apply declares it", arg);
}

static int amqp_checker_check_queue(struct checker *c, const struct topology_row *row, risk_tell *tell, void *arg,
                                    struct problem *why)
{
        const enum queue_role role = queue_role_of(row);
        enum dead_route route = DEAD_ROUTE_OPEN;
        struct queue_limits limits;
        const char *unread = NULL;
        JSON_OWNED json_t *queue = NULL;
        int result = admin_get(c->admin, "queues", row->name, COLUMNS, &queue, why);
        if (result == 0 && !queue)
                tell_missing(row->name, c->leaves_tasks && role == QUEUE_OF_TASKS, tell, arg);
        if (result || !queue)
                return result;
        queue_limits_read(queue, policy_of_queue(c->policies, queue, &unread),
                          policy_of_queue(c->operator_policies, queue, &unread), admin_broker_major(c->admin), &limits);
        if (unread && role != QUEUE_OF_DELAY)
                tell_unread(row->name, unread, tell, arg);
        if (role != QUEUE_OF_DELAY)
                result = read_route(c->admin, &limits, &route, why);
        if (result == 0)
                queue_limits_judge(row->name, role, &limits, route, tell, arg);
        return result;
}

static int amqp_check(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why)
{
        struct checker c;
        int result = checker_open(&c, config, why);
        for (size_t i = 0; i < config->topology->count && result == 0; i++) {
                const struct topology_row *row = &config->topology->rows[i];
                if (row->kind == TOPOLOGY_QUEUE && !(config->briefly && queue_role_of(row) == QUEUE_OF_DELAY))
                        result = amqp_checker_check_queue(&c, row, tell, arg, why);
        }
        checker_close(&c);
        return result;
}

/* ---- setting ---- */

static int set_policy(struct admin *a, const char *queue, const char *name, json_t *definition, struct problem *why)
{
        char *pattern = queue_policy_pattern(queue);
        JSON_OWNED json_t *policy = pattern ? json_pack("{s:s, s:O, s:s, s:i}", "pattern", pattern, "definition",
                                                        definition, "apply-to", "queues", "priority", 0)
                                            : NULL;
        const int result = policy ? admin_put(a, "policies", name, policy, why) : -ENOMEM;
        free(pattern);
        return result;
}

/* Of all policies that fit a queue only one applies, so another one's is not replaced by chard's. */
static void tell_other(const char *queue, const char *policy, const json_t *definition, risk_tell *tell, void *arg)
{
        char *wanted = json_dumps(definition, 0), *text = NULL;
        if (wanted && asprintf(&text, "has the policy %.80s, which is left as it is; what chard wants there: %s",
                               policy, wanted) >= 0)
                tell(RISK_NOTE, queue, text, arg);
        free(text);
        free(wanted);
}

static int protect_queue(struct checker *c, const char *queue, risk_tell *tell, void *arg, struct problem *why)
{
        JSON_OWNED json_t *there = NULL, *definition = NULL;
        char *name = queue_policy_name(queue);
        int result = name ? admin_get(c->admin, "queues", queue, COLUMNS, &there, why) : -ENOMEM;
        if (result == 0 && !(definition = queue_policy_definition(queue, json_text(there, "type", "quorum"))))
                result = -ENOMEM;
        const json_t *policy = policy_of_queue(c->policies, there, NULL);
        const bool right = json_equal(json_object_get(policy, "definition"), definition);
        if (result == 0 && !right && policy && strcmp(json_text(policy, "name", ""), name) != 0)
                tell_other(queue, json_text(policy, "name", ""), definition, tell, arg);
        else if (result == 0 && !right)
                result = set_policy(c->admin, queue, name, definition, why);
        free(name);
        return result;
}

static int amqp_protect(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why)
{
        struct checker c;
        int result = checker_open(&c, config, why);
        for (size_t i = 0; i < config->topology->count && result == 0; i++) {
                const struct topology_row *row = &config->topology->rows[i];
                if (row->kind == TOPOLOGY_QUEUE && queue_role_of(row) == QUEUE_OF_TASKS)
                        result = protect_queue(&c, row->name, tell, arg, why);
        }
        checker_close(&c);
        return result;
}

/* ---- looking ---- */

/* Only administrators are told; whoever is not told has no less of the rest. */
static int checker_permissions(struct admin *admin, struct broker_server *out, struct problem *why)
{
        JSON_OWNED json_t *found = NULL;
        if (admin_get(admin, "permissions", out->user, NULL, &found, why) || !found)
                return 0;
        snprintf(out->configure, sizeof(out->configure), "%.255s", json_text(found, "configure", ""));
        snprintf(out->write, sizeof(out->write), "%.255s", json_text(found, "write", ""));
        snprintf(out->read, sizeof(out->read), "%.255s", json_text(found, "read", ""));
        out->permitted = true;
        return 0;
}

static int amqp_look(const struct broker_check_config *config, struct broker_server *out, struct problem *why)
{
        struct admin *admin = NULL;
        struct amqp_address_list brokers = { 0 };
        struct problem unseen;
        int result = amqp_address_list_parse(&brokers, config->urls, why);
        if (!result)
                snprintf(out->user, sizeof(out->user), "%.127s", brokers.items[0].user);
        amqp_address_list_free(&brokers);
        if (!result)
                result = admin_open(&admin, config, why);
        if (result)
                return result;
        snprintf(out->version, sizeof(out->version), "%s", admin_version(admin));
        out->date_ms = admin_date_ms(admin);
        result = checker_permissions(admin, out, &unseen);
        admin_close(admin);
        return result;
}

const struct broker_checker amqp_checker = {
        .backend = &amqp_backend,
        .check = amqp_check,
        .protect = amqp_protect,
        .look = amqp_look,
};
