/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "core/json.h"
#include "tasks/saga.h"

#include <errno.h>
#include <string.h>

const char *consumer_text(const struct consumer_input *in, const char *key)
{
        return json_text(in->event->payload, key, NULL);
}

int consumer_need(const struct consumer_input *in, const char *key, const char **out, struct problem *why)
{
        *out = consumer_text(in, key);
        if (*out && **out)
                return 0;
        return problem_set(why, "consumer_logic", "bad_payload", "the payload of %.60s has no text \"%s\"",
                           in->event->type, key);
}

const json_t *consumer_facts(const struct consumer_input *in, const char *kind, const char *owner)
{
        return json_object_get(json_object_get(in->facts, kind), owner);
}

static bool consumer_lists(const char *const list[], const char *name)
{
        for (; *list; list++)
                if (strcmp(*list, name) == 0)
                        return true;
        return false;
}

bool consumer_hears(const struct consumer_def *def, const char *type, const char *aggregate_type)
{
        return (def->saga ? saga_hears(def->saga, type) : consumer_lists(def->hears, type)) &&
               (!def->aggregates[0] || consumer_lists(def->aggregates, aggregate_type));
}

int consumer_check(const struct consumer_def *def, struct problem *why)
{
        const char *name = def->name ? def->name : "";
        const size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");
        if (size == 0 || name[size] || size > CONSUMER_MOST_NAME)
                return problem_set(why, "consumer", "bad_data",
                                   "\"%.80s\" is no name of a consumer: a-z, 0-9, '_' and '-', at most %d", name,
                                   CONSUMER_MOST_NAME);
        for (const struct read_model *m = def->writes; m->name; m++)
                if (!*m->name || m->name[strspn(m->name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] ||
                    strchr("-_", *m->name))
                        return problem_set(why, "consumer", "bad_data",
                                           "\"%.80s\" is no name of a read model: a-z, 0-9, '_' and '-'", m->name);
        if ((!def->hears[0] && !def->saga) || !def->act)
                return problem_set(why, "consumer", "bad_data", "the consumer %s hears nothing, or does nothing", name);
        return def->saga ? saga_check(name, def->saga, def->sees[0].kind, why) : 0;
}

const struct read_model *consumer_model(const struct consumer_def *def, const char *name)
{
        for (const struct read_model *m = def->writes; m->name; m++)
                if (strcmp(m->name, name) == 0)
                        return m;
        return NULL;
}

bool consumer_event_read(const json_t *whole, struct consumer_event *out)
{
        const json_t *payload = json_object_get(whole, "payload");
        *out = (struct consumer_event){
                .id = json_text(whole, "id", ""),
                .type = json_text(whole, "type", ""),
                .aggregate_type = json_text(whole, "aggregate_type", ""),
                .aggregate_id = json_text(whole, "aggregate_id", ""),
                .payload = json_is_object(payload) ? payload : NULL,
                .whole = whole,
        };
        return *out->id && *out->type && *out->aggregate_type && *out->aggregate_id;
}

static int consumer_check_event(const struct consumer_def *def, const struct consumer_event *event, struct problem *why)
{
        const json_int_t known = def->version ? def->version : 1;
        const json_t *version = json_object_get(event->payload, "schema_version");
        if (!event->payload)
                return problem_set(why, "consumer", "bad_event", "the payload of %.60s is no JSON object", event->type);
        if (!*event->id || !*event->aggregate_id)
                return problem_set(why, "consumer", "bad_event", "an event of type %.60s has no id, or no aggregate",
                                   event->type);
        if (!version)
                return 0;
        if (!json_is_integer(version) || json_integer_value(version) < 1 || json_integer_value(version) > known)
                return problem_set(why, "consumer", "unknown_version",
                                   "%s understands %.60s up to schema_version %lld; this one has another", def->name,
                                   event->type, (long long)known);
        return 0;
}

static int consumer_check_documents(const struct consumer_def *def, const struct outcome *out, struct problem *why)
{
        for (const struct document *d = out->documents; d; d = d->next)
                if (!consumer_model(def, d->model) || !*d->id || d->version < 1 ||
                    (d->value && !json_is_object(d->value)))
                        return problem_set(why, "consumer_logic", "bad_answer",
                                           "the consumer %s wrote a document that no read model of its takes (%.60s)",
                                           def->name, d->model);
        return 0;
}

int consumer_run(const struct consumer_def *def, const struct consumer_input *in, struct outcome *out,
                 struct problem *why)
{
        if (consumer_check_event(def, in->event, why) != 0)
                return 1;
        if (def->writes[0].name && json_array_size(in->history) == 0)
                return problem_set(why, "consumer", "no_history",
                                   "the event store has no event of %.60s/%.120s, so what it shows has no version",
                                   in->event->aggregate_type, in->event->aggregate_id);
        problem_set(why, "consumer_logic", "refused", "the consumer refused it and gave no reason");
        const int rc = def->act(in, out, why);
        if (rc == 0)
                return consumer_check_documents(def, out, why);
        if (rc == 1 || rc == TASK_AGAIN || rc == -ENOMEM)
                return rc;
        return problem_set(why, "consumer_logic", "bad_answer", "the consumer %s answered %d, which means nothing",
                           def->name, rc);
}
