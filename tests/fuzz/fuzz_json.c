/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are JSON or are refused with a reason in UTF-8; JSON is the same when written and read again, and it is read and
 * written as jansson does it. */
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct problem *why)
{
        size_t size;
        if (!*why->text || !*why->code)
                abort();
        for (const char *at = why->text; *at; at += size)
                if (!utf8_next(at, &size))
                        abort();
}

static int depth_of(const json_t *value)
{
        int deepest = 0;
        const char *key;
        json_t *member;
        size_t i;
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
                const int depth = depth_of(member);
                deepest = depth > deepest ? depth : deepest;
        }
        json_array_foreach(value, i, member) {
                const int depth = depth_of(member);
                deepest = depth > deepest ? depth : deepest;
        }
        return deepest + (json_is_object(value) || json_is_array(value) ? 1 : 0);
}

static void check_against_jansson(const json_t *value, struct bytes text, struct bytes written)
{
        json_t *theirs = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        char *said = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!theirs || !json_equal(value, theirs))
                abort();
        if (!said || strlen(said) != written.size || memcmp(said, written.data, written.size) != 0)
                abort();
        json_decref(theirs);
        free(said);
}

static void check_value(const json_t *value, struct bytes text)
{
        struct buffer b = { 0 };
        json_t *again = NULL;
        if (depth_of(value) > JSON_MAX_DEPTH)
                abort();
        json_write(value, &b);
        if (b.failed || json_parse(buffer_view(&b), "again", &again, NULL) != 0 || !json_equal(value, again))
                abort();
        if (json_has_nul(value) != json_has_nul(again))
                abort();
        check_against_jansson(value, text, buffer_view(&b));
        json_decref(again);
        buffer_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        json_t *value = NULL;
        struct problem why = { .text = "" };
        const int refused = json_parse(bytes_of(data, size), "fuzz", &value, &why);
        if (refused != 0 && (refused != 1 || value))
                abort();
        if (refused)
                check_refusal(&why);
        else
                check_value(value, bytes_of(data, size));
        json_decref(value);
        return 0;
}
