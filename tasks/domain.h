/* SPDX-License-Identifier: Apache-2.0 */
/* A set of tasks that belong together, and the data that they share. One `const struct domain` a folder of tasks; the catalogue
 * (catalog/catalog.h) reads each once. */
#ifndef CHARD_DOMAIN_H
#define CHARD_DOMAIN_H

#include "core/problem.h"
#include "store/fact.h"
#include "tasks/consumer.h"
#include "tasks/task.h"

#include <jansson.h>
#include <stddef.h>

struct domain {
        const char *name;
        const struct task_def *const *tasks;         /* NULL-terminated */
        const struct consumer_def *const *consumers; /* NULL-terminated; NULL = none */

        /* Read the data. May be NULL: there is none. Returns 0; 1 with `why` (source "task", code "bad_data"); or -ENOMEM. */
        int (*open)(void **data, struct problem *why);
        void (*close)(void *data);

        /* What a text in place of a schema's enum list stands for, such as "@major": a new reference to an array, or NULL when
         * there is no such list or memory ran out. May be NULL. */
        json_t *(*list)(const void *data, const char *name);

        /* What a mark of `size` bytes in a prompt stands for, such as "@categories", in the prompt's language; or NULL. Lives as long
         * as the data. May be NULL. */
        const char *(*mark)(const void *data, const char *mark, size_t size, const char *lang);

        const struct fact_view *views; /* how its facts show in SQL, ended by one without a name; or NULL */

        const char *lists, *marks; /* the names of both, for complaints: "@major and @middle"; or NULL */
};

#endif
