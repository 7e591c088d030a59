/* SPDX-License-Identifier: Apache-2.0 */
/* What an endpoint sends as JSON, and an assistant's message in it. Repaired text stays as it is when it is
 * repaired again, and what is read from a message lies inside of it. */
#include "ai/wire/content.h"
#include "ai/wire/loose.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_problem(const struct problem *why)
{
        size_t size;
        must(why->code[0] != '\0' && why->text[0] != '\0');
        for (const char *c = why->text; *c; c += size)
                must(utf8_next(c, &size));
}

static void read_message(const json_t *message)
{
        struct said said;
        content_read(message, &said);
        must(said.refusal != NULL && !(said.value && said.nothing));
        if (!said.value && !said.nothing) {
                json_t *answer = NULL;
                struct problem why = { 0 };
                const int result = content_parse(said.text, &answer, &why);
                must(result == 0 || result == 1);
                must((result == 0) == (answer != NULL) && (result == 0) == (why.code[0] == '\0'));
                json_decref(answer);
        }
        buffer_free(&said.joined);
}

/* Once is enough. */
static void check_repair(struct bytes text)
{
        struct buffer once = { 0 }, twice = { 0 };
        json_t *repaired = NULL;
        loose_repair(text, &once);
        loose_repair(buffer_view(&once), &twice);
        must(once.failed || twice.failed ||
             (once.size == twice.size && (once.size == 0 || memcmp(once.data, twice.data, once.size) == 0)));
        if (!once.failed && json_parse(buffer_view(&once), "fuzz", &repaired, NULL) == 0)
                read_message(repaired);
        json_decref(repaired);
        buffer_free(&once);
        buffer_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct bytes text = bytes_of(data, size);
        json_t *answer = NULL;
        struct problem why = { 0 };
        check_repair(text);
        if (content_parse(text, &answer, &why) != 0)
                check_problem(&why);
        json_decref(answer);
        return 0;
}
