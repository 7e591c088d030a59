/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever lies in a dead-letter queue: two bytes with the length of the properties (big-endian), the properties, the body. It becomes an entry
 * with clean texts, can be shown, exported and read again as the same entry; where it can be sent, it is without what burial added. */
#include "core/text/utf8.h"
#include "dlq/letter.h"

#include <stdlib.h>

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

static void must_be_clean(const char *text)
{
        must(text != NULL);
        for (size_t step; *text; text += step)
                must(utf8_next(text, &step));
}

static void check_texts(const struct dead_letter *l)
{
        const char *const texts[] = { l->task_id,    l->root_id,       l->name,      l->queue,  l->error_source,
                                      l->error_code, l->error_message, l->cause,     l->group,  l->trace_id,
                                      l->user_id,    l->worker,        l->next_task, l->verdict };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                must_be_clean(texts[i]);
        must(strlen(l->group) == LETTER_GROUP_SIZE - 1);
}

static void check_shown(const struct dead_letter *l)
{
        for (int form = LETTER_SHORT; form <= LETTER_READABLE; form++) {
                json_t *shown = letter_json(l, (enum letter_form)form);
                must(shown != NULL);
                json_decref(shown);
        }
}

static void check_exported(struct arena *a, const struct dead_letter *l)
{
        struct dead_letter again;
        struct problem why;
        json_t *whole = letter_json(l, LETTER_WHOLE);
        must(whole != NULL);
        if (l->died_ms > 0 && l->died_ms < 253402300799000) { /* else its time is no text */
                must(letter_from_json(shipped(), a, whole, &again, &why) == 0);
                must(again.properties.size == l->properties.size && again.body.size == l->body.size);
                must(strcmp(again.name, l->name) == 0 && strcmp(again.task_id, l->task_id) == 0);
        }
        json_decref(whole);
}

/* What is said of it before it is sent must be what the sending does. */
static void check_judged(const struct dead_letter *l)
{
        struct message *m = NULL;
        struct problem why;
        const enum letter_disposition disposition = letter_judge(shipped(), l, "chat.classify", 4096, &m, &why);
        must(disposition < DISPOSITION_COUNT && letter_disposition_text(disposition) != NULL);
        must((m == NULL) == letter_disposition_hinders(disposition));
        message_free(m);
}

static void check_sent(const struct dead_letter *l)
{
        struct message *m = NULL;
        struct problem why;
        struct properties p;
        struct header h;
        if (letter_message(l, NULL, &m, &why) != 0)
                return;
        must(properties_read(m->properties, &p, NULL) == 0);
        must(!header_find(p.headers, "errorSource", &h) && !header_find(p.headers, "x-death", &h) &&
             !header_find(p.headers, "deadId", &h));
        must(header_find(p.headers, "retries", &h));
        message_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2)
                return 0;
        const size_t rest = size - 2, wanted = (size_t)data[0] << 8 | data[1], head = wanted < rest ? wanted : rest;
        struct arena a = { 0 };
        struct dead_letter l;
        must(letter_read(&a, "q.dead", bytes_of(data + 2, head), bytes_of(data + 2 + head, rest - head), 1 << 20,
                         1800000000000, &l));
        check_texts(&l);
        check_shown(&l);
        check_exported(&a, &l);
        check_judged(&l);
        check_sent(&l);
        arena_free(&a);
        return 0;
}
