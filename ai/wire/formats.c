/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/wire/formats.h"

#include "core/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct formats {
        struct map *by_task;
};

enum { CONSTANTS = 4 }; /* a task has a prompt a language */

struct format {
        json_t *schema;
        char *schema_name;
        struct buffer text;
        struct {
                const char *text;
                struct buffer json;
        } constants[CONSTANTS];
        unsigned next; /* of them to be replaced */
        char task[];
};

static struct format *formats_find_or_add(struct formats *all, const char *task);
static int ai_formats_renew(struct format *f, const struct ai_request *request);
static struct bytes formats_encoded(struct format *f, const char *constant);

int formats_new(struct formats **out)
{
        struct formats *all = calloc(1, sizeof(*all));
        if (!all)
                return -ENOMEM;
        if (map_new(&all->by_task) != 0) {
                free(all);
                return -ENOMEM;
        }
        *out = all;
        return 0;
}

static void ai_formats_free_one(void *value, void *unused)
{
        struct format *f = value;
        (void)unused;
        json_decref(f->schema);
        free(f->schema_name);
        buffer_free(&f->text);
        for (int i = 0; i < CONSTANTS; i++)
                buffer_free(&f->constants[i].json);
        free(f);
}

void formats_free(struct formats *all)
{
        if (!all)
                return;
        map_each(all->by_task, ai_formats_free_one, NULL);
        map_free(all->by_task);
        free(all);
}

static bool ai_formats_fits(const struct format *f, const struct ai_request *request)
{
        const char *name = request->schema_name ? request->schema_name : "";
        return f->text.size > 0 && f->schema == request->schema && strcmp(f->schema_name, name) == 0;
}

int formats_get(struct formats *all, const struct ai_request *request, struct request_known *out)
{
        struct format *f = formats_find_or_add(all, request->task ? request->task : "");
        if (!f || (!ai_formats_fits(f, request) && ai_formats_renew(f, request) != 0))
                return -ENOMEM;
        *out = (struct request_known){ .format = buffer_view(&f->text) };
        if (request->constant)
                out->constant_json = formats_encoded(f, request->constant);
        return 0;
}

static struct format *formats_find_or_add(struct formats *all, const char *task)
{
        struct format *f = map_get(all->by_task, task);
        if (f)
                return f;
        const size_t size = strlen(task) + 1;
        f = calloc(1, sizeof(*f) + size);
        if (!f)
                return NULL;
        memcpy(f->task, task, size);
        if (map_put(all->by_task, f->task, f) == 0)
                return f;
        free(f);
        return NULL;
}

static int ai_formats_renew(struct format *f, const struct ai_request *request)
{
        json_decref(f->schema);
        free(f->schema_name);
        buffer_reset(&f->text);
        f->schema = json_incref((json_t *)request->schema); /* only the count of references changes */
        f->schema_name = strdup(request->schema_name ? request->schema_name : "");
        if (f->schema_name)
                request_write_format(request->schema_name, request->schema, &f->text);
        if (f->schema_name && !f->text.failed)
                return 0;
        buffer_reset(&f->text);
        return -ENOMEM;
}

/* Empty when memory ran out: then it is encoded for each request. */
static struct bytes formats_encoded(struct format *f, const char *constant)
{
        for (int i = 0; i < CONSTANTS; i++)
                if (f->constants[i].text == constant)
                        return buffer_view(&f->constants[i].json);
        const unsigned at = f->next++ % CONSTANTS;
        buffer_reset(&f->constants[at].json);
        request_write_text(constant, &f->constants[at].json);
        f->constants[at].text = f->constants[at].json.failed ? NULL : constant;
        return f->constants[at].json.failed ? bytes_of(NULL, 0) : buffer_view(&f->constants[at].json);
}
