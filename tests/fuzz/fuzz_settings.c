/* SPDX-License-Identifier: Apache-2.0 */
/* Any environment and any words give settings within their ranges, or a reason in UTF-8.
 * The input is one word a line: the environment, an empty line, the words after the sub-command. */
#include "core/settings/settings.h"
#include "core/settings/table.h"
#include "core/text/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 64 };

struct input {
        char *text, *environment[MOST + 1], *argv[MOST + 1];
        int variables, words;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A variable that names a file would let the fuzzer open any: those are left to the unit tests. */
static bool is_usable(const char *variable)
{
        const char *equals = strchr(variable, '=');
        return equals && !(equals - variable >= 5 && memcmp(equals - 5, "_FILE", 5) == 0);
}

static void cut_up(struct input *in, const uint8_t *data, size_t size)
{
        bool words = false;
        in->text = strndup(size ? (const char *)data : "", size);
        if (!in->text)
                abort();
        for (char *at = in->text, *line; (line = strsep(&at, "\n"));) {
                if (words && in->words < MOST)
                        in->argv[in->words++] = line;
                else if (!*line)
                        words = true;
                else if (in->variables < MOST && is_usable(line))
                        in->environment[in->variables++] = line;
        }
}

static void check_refusal(const struct problem *why)
{
        size_t size;
        if (strcmp(why->code, "usage") != 0 && strcmp(why->code, "bad_setting") != 0)
                abort();
        if (!*why->text)
                abort();
        for (const char *at = why->text; *at; at += size)
                if (!utf8_next(at, &size))
                        abort();
}

static void check_number(const struct settings *s, const struct setting *row)
{
        const long number = *(const long *)(const void *)((const char *)s + row->offset);
        if (number < row->least || number > row->most)
                abort();
}

static void check_settings(const struct settings *s, const struct input *in, int operands)
{
        if (operands < 0 || operands > in->words)
                abort();
        for (int i = 0; i < operands; i++)
                if (!in->argv[i])
                        abort();
        for (size_t i = 0; i < SETTING_COUNT; i++) {
                const struct setting *row = &setting_table[i];
                if (row->kind == NUMBER)
                        check_number(s, row);
                else if (row->kind <= CHOICE && !*(char *const *)(const void *)((const char *)s + row->offset))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct input in = { 0 };
        struct settings s;
        struct problem why = { .text = "" };
        bool json = false;
        const char *wait = NULL;
        const struct own_flag own[] = { { "--json", 'j', &json, NULL, NULL, "" },
                                        { "--wait", 'w', NULL, &wait, "SECONDS", "" },
                                        { NULL, 0, NULL, NULL, NULL, NULL } };
        int operands = -1;
        cut_up(&in, data, size);
        char **const before = environ;
        environ = in.environment;
        const int refused = settings_load(&s, own, in.argv, in.words, &operands, &why);
        environ = before;
        if (refused)
                check_refusal(&why);
        else
                check_settings(&s, &in, operands);
        settings_free(&s);
        free(in.text);
        return 0;
}
