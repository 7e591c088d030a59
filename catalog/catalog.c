/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog.h"

#include "core/map.h"
#include "core/text/nearest.h"
#include "store/consumer.h"
#include "tasks/load.h"
#include "tasks/plugin/plugin.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A domain and what it read. */
struct opened {
        const struct domain *domain;
        struct domain *plugin; /* owned: the same, where it is a plug-in's */
        void *data;
};

struct catalog {
        atomic_uint references;
        struct opened *domains;
        size_t domain_count;
        struct task_set set;
        struct map *tasks, *pipelines; /* by name */
        const struct pipeline *const *all_pipelines;
        struct consumer *consumers;
        size_t consumer_count;
};

static void catalog_free(struct catalog *c)
{
        for (size_t i = 0; i < c->set.count; i++)
                load_clear(&c->set.tasks[i]);
        for (size_t i = 0; i < c->domain_count; i++) {
                const struct opened *o = &c->domains[i];
                if (o->domain->close && o->data)
                        o->domain->close(o->data);
                plugin_unload(o->plugin);
        }
        if (c->tasks)
                map_free(c->tasks);
        if (c->pipelines)
                map_free(c->pipelines);
        free(c->set.tasks);
        free(c->consumers);
        free(c->domains);
        free(c);
}

struct catalog *catalog_ref(struct catalog *c)
{
        atomic_fetch_add(&c->references, 1);
        return c;
}

void catalog_unref(struct catalog *c)
{
        if (c && atomic_fetch_sub(&c->references, 1) == 1)
                catalog_free(c);
}

/* ---- building ---- */

static int catalog_add_domain(struct catalog *c, const struct domain *domain, struct domain *plugin,
                              struct problem *why)
{
        struct opened *more = realloc(c->domains, (c->domain_count + 1) * sizeof(*more));
        if (!more) {
                plugin_unload(plugin);
                return -ENOMEM;
        }
        c->domains = more;
        struct opened *o = &c->domains[c->domain_count++];
        *o = (struct opened){ .domain = domain, .plugin = plugin };
        return domain->open ? domain->open(&o->data, why) : 0;
}

static bool catalog_has_name(const char *name, void *arg)
{
        const struct catalog *c = arg;
        for (size_t i = 0; i < c->domain_count; i++)
                for (const struct task_def *const *t = c->domains[i].domain->tasks; *t; t++)
                        if (strcmp((*t)->name, name) == 0)
                                return true;
        return false;
}

static int catalog_add_plugins(struct catalog *c, const char *files, struct problem *why)
{
        char *list = strdup(files), *save = NULL;
        int rc = list ? 0 : -ENOMEM;
        for (char *file = list ? strtok_r(list, ",", &save) : NULL; file && rc == 0;
             file = strtok_r(NULL, ",", &save)) {
                struct domain *made = NULL;
                file += strspn(file, " ");
                if (!*file)
                        continue;
                rc = plugin_load(file, catalog_has_name, c, &made, why);
                if (rc == 0)
                        rc = catalog_add_domain(c, made, made, why);
        }
        free(list);
        return rc;
}

static size_t catalog_count(const struct catalog *c)
{
        size_t count = 0;
        for (size_t i = 0; i < c->domain_count; i++)
                for (const struct task_def *const *t = c->domains[i].domain->tasks; *t; t++)
                        count++;
        return count;
}

/* Are the constants of all domains together what the engine could run? */
static int catalog_check(const struct catalog *c, struct problem *why)
{
        const struct task_def **all = calloc(catalog_count(c) + 1, sizeof(struct task_def *));
        size_t count = 0;
        if (!all)
                return -ENOMEM;
        for (size_t i = 0; i < c->domain_count; i++)
                for (const struct task_def *const *t = c->domains[i].domain->tasks; *t; t++)
                        all[count++] = *t;
        const int rc = load_check(all, why);
        free((void *)all);
        return rc;
}

static int catalog_add_tasks(struct catalog *c, struct problem *why)
{
        int rc = catalog_check(c, why);
        if (rc == 0)
                rc = map_new(&c->tasks);
        c->set.tasks = rc == 0 ? calloc(catalog_count(c) + 1, sizeof(*c->set.tasks)) : NULL;
        if (rc == 0 && !c->set.tasks)
                rc = -ENOMEM;
        for (size_t i = 0; i < c->domain_count; i++) {
                const struct opened *o = &c->domains[i];
                for (const struct task_def *const *t = o->domain->tasks; rc == 0 && *t; t++) {
                        struct task *task = &c->set.tasks[c->set.count];
                        *task = (struct task){ .def = *t, .data = o->data, .set = &c->set, .index = c->set.count++ };
                        rc = load_task(o->domain, task, why);
                        if (rc == 0)
                                rc = map_put(c->tasks, (*t)->name, task);
                }
        }
        return rc;
}

static int catalog_unknown_step(const struct catalog *c, const struct pipeline *p, size_t step, struct problem *why)
{
        const char **names = calloc(c->set.count + 1, sizeof(char *));
        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < c->set.count; i++)
                names[i] = c->set.tasks[i].def->name;
        char offer[NEAREST_OFFER_SIZE];
        problem_set(why, "pipeline", "bad_data", "step %zu of the pipeline %s is no task: \"%.100s\"%s", step + 1,
                    p->name, p->steps[step], nearest_offer(offer, p->steps[step], names, c->set.count, ""));
        free((void *)names);
        return 1;
}

static int catalog_add_pipeline(struct catalog *c, const struct pipeline *p, struct problem *why)
{
        if (map_get(c->pipelines, p->name))
                return problem_set(why, "pipeline", "bad_data", "two pipelines are called %s", p->name);
        for (size_t i = 0; p->steps[i]; i++) {
                struct task *task = map_get(c->tasks, p->steps[i]);
                if (!task)
                        return catalog_unknown_step(c, p, i, why);
                if (!task->pipeline)
                        task->pipeline = p;
        }
        return map_put(c->pipelines, p->name, (void *)p);
}

static int catalog_add_consumer(struct catalog *c, const struct consumer_def *def, const void *data,
                                struct problem *why)
{
        const int rc = consumer_check(def, why);
        if (rc == 0 && (catalog_consumer(c, def->name) || map_get(c->tasks, def->name)))
                return problem_set(why, "consumer", "bad_data",
                                   "two consumers, or a task and a consumer, are called %s", def->name);
        if (rc == 0)
                c->consumers[c->consumer_count++] = (struct consumer){ def, data };
        return rc;
}

static int catalog_add_consumers(struct catalog *c, struct problem *why)
{
        size_t count = 0;
        int rc = 0;
        for (size_t i = 0; i < c->domain_count; i++)
                for (const struct consumer_def *const *d = c->domains[i].domain->consumers; d && *d; d++)
                        count++;
        c->consumers = calloc(count + 1, sizeof(*c->consumers));
        if (!c->consumers)
                return -ENOMEM;
        for (size_t i = 0; i < c->domain_count; i++)
                for (const struct consumer_def *const *d = c->domains[i].domain->consumers; rc == 0 && d && *d; d++)
                        rc = catalog_add_consumer(c, *d, c->domains[i].data, why);
        return rc;
}

static int catalog_build(struct catalog *c, const struct catalog_source *from, struct problem *why)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && from->domains[i]; i++)
                rc = catalog_add_domain(c, from->domains[i], NULL, why);
        if (rc == 0 && from->plugins)
                rc = catalog_add_plugins(c, from->plugins, why);
        if (rc == 0)
                rc = catalog_add_tasks(c, why);
        if (rc == 0)
                rc = catalog_add_consumers(c, why);
        if (rc == 0)
                rc = map_new(&c->pipelines);
        c->all_pipelines = from->pipelines;
        for (size_t i = 0; rc == 0 && from->pipelines[i]; i++)
                rc = catalog_add_pipeline(c, from->pipelines[i], why);
        return rc;
}

int catalog_new(struct catalog **out, const struct catalog_source *from, struct problem *why)
{
        struct catalog *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        atomic_init(&c->references, 1);
        const int rc = catalog_build(c, from, why);
        if (rc == 0)
                *out = c;
        else
                catalog_free(c);
        return rc;
}

/* ---- looking things up ---- */

const struct task *catalog_task(const struct catalog *c, const char *name)
{
        return map_get(c->tasks, name);
}

const struct pipeline *catalog_pipeline(const struct catalog *c, const char *name)
{
        return map_get(c->pipelines, name);
}

const struct task_set *catalog_tasks(const struct catalog *c)
{
        return &c->set;
}

const struct pipeline *const *catalog_pipelines(const struct catalog *c)
{
        return c->all_pipelines;
}

const struct consumer *catalog_consumer(const struct catalog *c, const char *name)
{
        for (size_t i = 0; i < c->consumer_count; i++)
                if (strcmp(c->consumers[i].def->name, name) == 0)
                        return &c->consumers[i];
        return NULL;
}

const struct consumer *catalog_consumers(const struct catalog *c, size_t *count)
{
        *count = c->consumer_count;
        return c->consumers;
}

const struct consumer *catalog_consumer_of_queue(const struct catalog *c, const char *queue)
{
        const size_t size = strlen(CONSUMER_QUEUE);
        return strncmp(queue, CONSUMER_QUEUE, size) == 0 ? catalog_consumer(c, queue + size) : NULL;
}

static bool catalog_is_listed(const char *queue, const char *const queues[], size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(queues[i], queue) == 0)
                        return true;
        return false;
}

size_t catalog_queues(const struct catalog *c, const char *queues[], size_t most)
{
        size_t count = 0;
        for (size_t i = 0; i < c->set.count && count < most; i++) {
                const struct task_def *def = c->set.tasks[i].def;
                if (!(def->flags & TASK_ANYWHERE) && !catalog_is_listed(def->queue, queues, count))
                        queues[count++] = def->queue;
        }
        return count;
}
