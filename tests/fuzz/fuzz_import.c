/* SPDX-License-Identifier: Apache-2.0 */
/* A line that `chard dlq import` reads. Whatever is taken is an entry that can be shown, exported and read again as the same. */
#include "core/json.h"
#include "dlq/letter.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct catalog *shipped(void)
{
        static struct catalog *catalog;
        const struct catalog_source source = { shipped_domains, shipped_pipelines, NULL };
        if (!catalog && catalog_new(&catalog, &source, NULL) != 0)
                abort();
        return catalog;
}

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check(struct arena *a, const struct dead_letter *l)
{
        struct dead_letter again;
        struct problem why = { 0 };
        struct message *m = NULL;
        json_t *readable = letter_json(l, LETTER_READABLE), *whole = letter_json(l, LETTER_WHOLE);
        must(readable && whole);
        must(letter_from_json(shipped(), a, whole, &again, &why) == 0);
        must(strcmp(again.task_id, l->task_id) == 0 && strcmp(again.name, l->name) == 0 &&
             strcmp(again.queue, l->queue) == 0);
        must(again.died_ms == l->died_ms && again.attempts == l->attempts);
        must(again.properties.size == l->properties.size && again.body.size == l->body.size);
        if (letter_message(l, NULL, &m, &why) == 0)
                message_free(m);
        else
                must(why.text[0]);
        json_decref(readable);
        json_decref(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena a = { 0 };
        struct dead_letter l;
        struct problem why = { 0 };
        JSON_OWNED json_t *line = NULL;
        if (json_parse(bytes_of(data, size), "import", &line, &why) != 0)
                return 0;
        const int rc = letter_from_json(shipped(), &a, line, &l, &why);
        must(rc == 0 || (rc == 1 && why.code[0] && why.text[0]));
        if (rc == 0)
                check(&a, &l);
        arena_free(&a);
        return 0;
}
