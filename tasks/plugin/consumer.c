/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in's consumer behind the engine's struct consumer_def. Its functions get the event as a task's get their document, so that the same calls of
 * include/chard/plugin.h read it. */
#include "tasks/plugin/plugin.h"
#include "tasks/saga_act.h"

#include <errno.h>
#include <string.h>

/* A function of a consumer that has not returned after so long never will. */
enum { PLUGIN_CONSUMER_DEADLINE_MS = 5000 };

static const struct plugin_consumer *plugin_consumer_of(const struct consumer_input *in)
{
        return (const struct plugin_consumer *)in->consumer;
}

/* As a task that is given the event for its document. */
static struct task_input plugin_consumer_input(const struct consumer_input *in, const struct task *as)
{
        return (struct task_input){ .document = in->event->whole, .facts = in->facts, .arena = in->arena, .task = as };
}

/* Tasks say why they refuse as tasks; a consumer's reasons are its own. */
static int plugin_consumer_verdict(int said, const struct task_def *as, struct problem *why)
{
        const int rc = plugin_verdict(said, as, why);
        if (rc > 0 && strcmp(why->source, "task") == 0) {
                const struct problem told = *why;
                problem_set(why, "consumer_logic", told.code, "%s", told.text);
        }
        return rc;
}

static int plugin_consumer_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const struct plugin_consumer *p = plugin_consumer_of(in);
        const struct task as = { .def = &p->as.def };
        const struct task_input given = plugin_consumer_input(in, &as);
        *why = (struct problem){ 0 };
        struct plugin_call *c = plugin_enter(&given, why);
        c->out = out;
        c->consumes = true;
        return plugin_consumer_verdict(plugin_leave(p->theirs->act(&c->input, &c->outcome)), &p->as.def, why);
}

static int plugin_consumer_compensate(const struct consumer_input *in, const struct problem *died, struct outcome *out)
{
        const struct plugin_consumer *p = plugin_consumer_of(in);
        const struct task as = { .def = &p->as.def };
        const struct task_input given = plugin_consumer_input(in, &as);
        struct problem why = { 0 };
        struct plugin_call *c = plugin_enter(&given, &why);
        c->out = out;
        c->consumes = true;
        const int rc = plugin_consumer_verdict(plugin_leave(p->theirs->compensate(&c->input, died->code, &c->outcome)),
                                               &p->as.def, &why);
        return rc == -ENOMEM ? rc : rc != 0;
}

static struct saga_event plugin_saga_event(const struct chard_saga_event *from)
{
        return (struct saga_event){ from->aggregate_type, from->type };
}

/* Not the whole of a table that is too long: it is refused (plugin_consumers_check). */
static void plugin_saga_fill(struct plugin_consumer *p, const struct chard_saga *from)
{
        p->saga = (struct saga_def){ .begins = from->begins,
                                     .ends = plugin_saga_event(&from->ends),
                                     .fails = plugin_saga_event(&from->fails) };
        for (size_t i = 0; from->steps && i < SAGA_MOST_STEPS && from->steps[i].name; i++) {
                const struct chard_saga_step *s = &from->steps[i];
                p->saga.steps[i] = (struct saga_step){ .name = s->name,
                                                       .asks = plugin_saga_event(&s->asks),
                                                       .done = s->done,
                                                       .failed = s->failed,
                                                       .undoes = plugin_saga_event(&s->undoes),
                                                       .undone = s->undone,
                                                       .timeout_ms = s->timeout_ms,
                                                       .times = s->times };
        }
        p->def.saga = &p->saga;
        p->def.act = saga_act;
}

void plugin_consumer_fill(struct plugin_consumer *p, const struct chard_consumer *from, struct plugin_call *call)
{
        *p = (struct plugin_consumer){
                .theirs = from,
                .as = { .call = call, .def = { .name = from->name, .deadline_ms = PLUGIN_CONSUMER_DEADLINE_MS } },
                .def = {
                        .name = from->name,
                        .retry = { from->retry_limit, from->retry_base_ms, from->retry_cap_ms },
                        .version = from->version,
                        .flags = (from->flags & CHARD_NAMED) ? CONSUMER_NAMED : 0U,
                        .act = from->act ? plugin_consumer_act : NULL,
                        .compensate = from->compensate ? plugin_consumer_compensate : NULL,
                },
        };
        if (from->saga)
                plugin_saga_fill(p, from->saga);
        for (size_t i = 0; i < CONSUMER_MOST_HEARS && from->hears[i]; i++)
                p->def.hears[i] = from->hears[i];
        for (size_t i = 0; i < CONSUMER_MOST_HEARS && from->aggregates[i]; i++)
                p->def.aggregates[i] = from->aggregates[i];
        for (size_t i = 0; i < TASK_MOST_SEES && from->sees[i].kind; i++)
                p->def.sees[i] = (struct task_sees){ from->sees[i].kind, from->sees[i].owner };
}

static int plugin_consumer_refuse(struct problem *why, const char *file, const char *what)
{
        return problem_set(why, "settings", "bad_plugin", "%.200s: %s", file, what);
}

static bool plugin_saga_is_long(const struct chard_saga *saga)
{
        size_t count = 0;
        while (saga && saga->steps && count <= SAGA_MOST_STEPS && saga->steps[count].name)
                count++;
        return count > SAGA_MOST_STEPS;
}

int plugin_consumers_check(const char *file, const struct chard_consumers *c, struct problem *why)
{
        struct plugin_consumer made;
        struct problem fault = { 0 };
        if (c->abi != CHARD_PLUGIN_ABI || c->size != sizeof(*c) || c->consumer_size != sizeof(struct chard_consumer) ||
            c->calls_size > sizeof(struct chard_calls))
                return plugin_consumer_refuse(why, file,
                                              "its consumers are made for another chard: compile it against this "
                                              "version's chard.h");
        for (size_t i = 0; c->consumers && c->consumers[i]; i++) {
                plugin_consumer_fill(&made, c->consumers[i], NULL);
                if (plugin_saga_is_long(c->consumers[i]->saga))
                        return plugin_consumer_refuse(why, file, "a saga of it has more than 8 steps");
                if (consumer_check(&made.def, &fault) != 0)
                        return plugin_consumer_refuse(why, file, fault.text);
        }
        return 0;
}
