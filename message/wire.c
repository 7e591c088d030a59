/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire.h"

/* How many bytes the character at `at` has, or 0 when it is none. */
static size_t character_size(const unsigned char *at, size_t left)
{
        static const struct {
                unsigned char first, last, low, high; /* the lead byte's range, and the second byte's */
                unsigned char size;
        } forms[] = {
                /* RFC 3629, section 4 */
                { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
                { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
                { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
        };
        for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
                if (at[0] < forms[i].first || at[0] > forms[i].last)
                        continue;
                if (left < forms[i].size || at[1] < forms[i].low || at[1] > forms[i].high)
                        return 0;
                for (size_t k = 2; k < forms[i].size; k++)
                        if ((at[k] & 0xC0) != 0x80)
                                return 0;
                return forms[i].size;
        }
        return 0;
}

bool utf8_valid(struct bytes text)
{
        for (size_t i = 0; i < text.size;) {
                const size_t size = text.data[i] < 0x80 ? 1 : character_size(text.data + i, text.size - i);
                if (size == 0)
                        return false;
                i += size;
        }
        return true;
}

size_t utf8_cut(struct bytes text, size_t limit)
{
        if (text.size <= limit)
                return text.size;
        while (limit > 0 && (text.data[limit] & 0xC0) == 0x80)
                limit--;
        return limit;
}

#define NAME(text)                                              \
        {                                                       \
                (const unsigned char *)(text), sizeof(text) - 1 \
        }

static const struct {
        struct bytes name;
        enum header_owner owner;
} owners[] = {
        /* Celery documentation, "Message Protocol", version 2, and celery.app.amqp.as_task_v2 */
        { NAME("lang"), HEADER_TASK },
        { NAME("task"), HEADER_TASK },
        { NAME("id"), HEADER_TASK },
        { NAME("shadow"), HEADER_TASK },
        { NAME("eta"), HEADER_TASK },
        { NAME("expires"), HEADER_TASK },
        { NAME("group"), HEADER_TASK },
        { NAME("group_index"), HEADER_TASK },
        { NAME("retries"), HEADER_TASK },
        { NAME("timelimit"), HEADER_TASK },
        { NAME("root_id"), HEADER_TASK },
        { NAME("parent_id"), HEADER_TASK },
        { NAME("argsrepr"), HEADER_TASK },
        { NAME("kwargsrepr"), HEADER_TASK },
        { NAME("origin"), HEADER_TASK },
        { NAME("ignore_result"), HEADER_TASK },
        { NAME("replaced_task_nesting"), HEADER_TASK },
        { NAME("stamped_headers"), HEADER_TASK },
        { NAME("stamps"), HEADER_TASK },
        { NAME("meth"), HEADER_TASK },
        { NAME("compression"), HEADER_BODY },
        { NAME("body_encoding"), HEADER_BODY },
        /* rabbitmq.com: "Sender-Selected Distribution", "Quorum Queues". x-death and its like: see below */
        { NAME("CC"), HEADER_BROKER },
        { NAME("BCC"), HEADER_BROKER },
        { NAME("x-delivery-count"), HEADER_BROKER },
        { NAME("x-acquired-count"), HEADER_BROKER },
        { NAME("errorSource"), HEADER_DEAD },
        { NAME("errorCode"), HEADER_DEAD },
        { NAME("errorMessage"), HEADER_DEAD },
        { NAME("originalProperties"), HEADER_DEAD },
};

static bool starts_with(struct bytes name, const char *prefix)
{
        const size_t size = strlen(prefix);
        return name.size >= size && memcmp(name.data, prefix, size) == 0;
}

enum header_owner header_owner_of(struct bytes name)
{
        /* rabbitmq.com, "Dead Letter Exchanges": a message that comes by its own queue again with x-death is dropped as a cycle. */
        if (starts_with(name, "x-death") || starts_with(name, "x-first-death-") || starts_with(name, "x-last-death-"))
                return HEADER_BROKER;
        for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
                if (bytes_equal(name, owners[i].name))
                        return owners[i].owner;
        return HEADER_CLIENT;
}
