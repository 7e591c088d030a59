/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plugin/plugin.h"

#include "tasks/load.h"

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 255, LONGEST_QUEUE = 250, MOST_TASKS = 200 };

static int plugin_load_refuse(struct problem *why, const char *file, const char *what)
{
        return problem_set(why, "settings", "bad_plugin", "%.200s: %s", file, what);
}

/* ---- what it exports ---- */

static int check_version(const char *file, const struct chard_plugin *p, struct problem *why)
{
        if (p->abi != CHARD_PLUGIN_ABI)
                return problem_set(why, "settings", "bad_plugin",
                                   "%.200s is made for plug-in ABI %u, this chard has %d: compile it against this "
                                   "version's chard.h",
                                   file, p->abi, CHARD_PLUGIN_ABI);
        if (p->size != sizeof(*p) || p->task_size != sizeof(struct chard_task) ||
            p->calls_size > sizeof(struct chard_calls))
                return plugin_load_refuse(why, file,
                                          "its structs have other sizes than this chard's: compile it against this "
                                          "version's chard.h, for the same processor");
        if (!p->tasks || !p->tasks[0])
                return plugin_load_refuse(why, file, "it exports no task; see CHARD_PLUGIN in chard.h");
        return 0;
}

static bool plugin_load_begins(const char *text, const char *with)
{
        return strncmp(text, with, strlen(with)) == 0;
}

/* A queue's name goes into lists separated by commas, exchanges of its own, and its dead letters' queue. */
static const char *plugin_load_queue_fault(const char *queue)
{
        const size_t size = queue ? strlen(queue) : 0;
        if (size == 0 || size > LONGEST_QUEUE)
                return "must have 1 to 250 bytes";
        for (size_t i = 0; i < size; i++)
                if (!isgraph((unsigned char)queue[i]) || queue[i] == ',')
                        return "must be printable ASCII without spaces and commas";
        if (plugin_load_begins(queue, "amq.") || plugin_load_begins(queue, "celery_delayed") ||
            strcmp(queue, "chard.dead") == 0)
                return "is reserved by the broker or by chard";
        if (size > 5 && strcmp(queue + size - 5, ".dead") == 0)
                return "must not end in .dead, as queues of dead letters do";
        return NULL;
}

static int check_task(const char *file, const struct chard_task *t, struct problem *why)
{
        struct plugin_task made;
        struct problem fault = { 0 };
        const struct task_def *alone[] = { &made.def, NULL };
        if (!t->name || !*t->name || strlen(t->name) > LONGEST_NAME)
                return plugin_load_refuse(why, file, "a task's name must have 1 to 255 bytes");
        const char *bad = plugin_load_queue_fault(t->queue);
        if (bad)
                return problem_set(why, "settings", "bad_plugin", "%.120s: the queue \"%.60s\" of task %.60s %s", file,
                                   t->queue ? t->queue : "", t->name, bad);
        const int rc = plugin_task_fill(&made, t, NULL);
        const bool sound = rc == 0 && load_check(alone, &fault) == 0;
        plugin_task_clear(&made);
        return rc != 0 || sound ? rc : plugin_load_refuse(why, file, fault.text);
}

static int plugin_load_taken(const char *file, const char *name, struct problem *why)
{
        return problem_set(why, "settings", "bad_plugin",
                           "%.120s: a task is named %.120s already; two tasks can't share a name", file, name);
}

int plugin_check(const char *file, const struct chard_plugin *p, plugin_taken *is_taken, void *arg, struct problem *why)
{
        int rc = check_version(file, p, why);
        if (rc != 0)
                return rc;
        for (size_t i = 0; rc == 0 && p->tasks[i]; i++) {
                rc = i < MOST_TASKS ? check_task(file, p->tasks[i], why)
                                    : plugin_load_refuse(why, file, "it has over 200 tasks");
                if (rc == 0 && is_taken(p->tasks[i]->name, arg))
                        rc = plugin_load_taken(file, p->tasks[i]->name, why);
                for (size_t k = 0; rc == 0 && k < i; k++)
                        if (strcmp(p->tasks[k]->name, p->tasks[i]->name) == 0)
                                rc = plugin_load_taken(file, p->tasks[i]->name, why);
        }
        return rc;
}

/* ---- loading ---- */

/* What a file exports; either may be NULL. */
struct plugin_exports {
        const struct chard_plugin *tasks;
        const struct chard_consumers *consumers;
};

/* A loaded file's tasks and consumers, as a domain. */
struct plugin {
        struct domain domain; /* first */
        size_t count;
        struct plugin_task *made;
        struct plugin_consumer *consumers;
        struct plugin_call *calls; /* of both */
        const struct task_def **list;
        const struct consumer_def **consumer_list;
};

static void plugin_free(struct plugin *p)
{
        for (size_t i = 0; p->made && i < p->count; i++)
                plugin_task_clear(&p->made[i]);
        free(p->made);
        free(p->consumers);
        free(p->calls);
        free((void *)p->list);
        free((void *)p->consumer_list);
        free(p);
}

void plugin_unload(struct domain *d)
{
        if (d)
                plugin_free((struct plugin *)d);
}

static int plugin_load_tasks(struct plugin *p, const struct chard_task *const *from, size_t count)
{
        for (p->count = 0; p->count < count; p->count++) {
                struct plugin_task *t = &p->made[p->count];
                if (plugin_task_fill(t, from[p->count], &p->calls[p->count]) != 0) {
                        plugin_task_clear(t);
                        return -ENOMEM;
                }
                p->list[p->count] = &t->def;
        }
        return 0;
}

static int make_domain(const struct plugin_exports *from, struct domain **out)
{
        size_t count = 0, consumers = 0;
        while (from->tasks && from->tasks->tasks[count])
                count++;
        while (from->consumers && from->consumers->consumers && from->consumers->consumers[consumers])
                consumers++;
        struct plugin *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->made = calloc(count + 1, sizeof(*p->made));
        p->consumers = calloc(consumers + 1, sizeof(*p->consumers));
        p->calls = calloc(count + consumers + 1, sizeof(*p->calls));
        p->list = calloc(count + 1, sizeof(struct task_def *));
        p->consumer_list = calloc(consumers + 1, sizeof(struct consumer_def *));
        if (!p->made || !p->consumers || !p->calls || !p->list || !p->consumer_list ||
            (count && plugin_load_tasks(p, from->tasks->tasks, count) != 0)) {
                plugin_free(p);
                return -ENOMEM;
        }
        for (size_t i = 0; i < consumers; i++) {
                plugin_consumer_fill(&p->consumers[i], from->consumers->consumers[i], &p->calls[count + i]);
                p->consumer_list[i] = &p->consumers[i].def;
        }
        p->domain = (struct domain){ .name = "plug-in", .tasks = p->list, .consumers = p->consumer_list };
        *out = &p->domain;
        return 0;
}

/* A constant of that name that somebody else made may be too short to look into. */
static bool is_struct(const void *p, size_t size)
{
        const ElfW(Sym) *symbol = NULL;
        Dl_info info;
        return dladdr1(p, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 || !symbol || symbol->st_size >= size;
}

static int plugin_load_check(const char *file, const struct plugin_exports *e, plugin_taken *is_taken, void *arg,
                             struct problem *why)
{
        if (!e->tasks && !e->consumers)
                return plugin_load_refuse(why, file,
                                          "it exports no constant chard_plugin; see CHARD_PLUGIN in chard.h");
        if (e->tasks && !is_struct(e->tasks, sizeof(*e->tasks)))
                return plugin_load_refuse(why, file, "its chard_plugin is not what CHARD_PLUGIN in chard.h makes");
        if (e->consumers && !is_struct(e->consumers, sizeof(*e->consumers)))
                return plugin_load_refuse(why, file,
                                          "its chard_consumers is not what CHARD_CONSUMERS in chard.h makes");
        const int rc = e->tasks ? plugin_check(file, e->tasks, is_taken, arg, why) : 0;
        return rc || !e->consumers ? rc : plugin_consumers_check(file, e->consumers, why);
}

/* `path` has a slash, so that no library path is searched. */
static int load_path(const char *file, const char *path, plugin_taken *is_taken, void *arg, struct domain **out,
                     struct problem *why)
{
        void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!handle)
                return problem_set(why, "settings", "bad_plugin", "can't load the tasks: %.400s", dlerror());
        const struct plugin_exports e = { dlsym(handle, "chard_plugin"), dlsym(handle, "chard_consumers") };
        const int rc = plugin_load_check(file, &e, is_taken, arg, why);
        if (rc == 0)
                return make_domain(&e, out);
        dlclose(handle);
        return rc;
}

int plugin_load(const char *file, plugin_taken *is_taken, void *arg, struct domain **out, struct problem *why)
{
        char *path = realpath(file, NULL);
        if (!path)
                return plugin_load_refuse(why, file, strerror(errno));
        const int rc = load_path(file, path, is_taken, arg, out, why);
        free(path);
        return rc;
}
