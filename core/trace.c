/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trace.h"

#include "core/text/hex.h"

#include <string.h>

enum { PARENT_ID = 36, FLAGS = 53 }; /* where they begin */
enum {
        MOST_STATE = 512,
        MOST_STATE_MEMBERS = 32,
        MOST_BAGGAGE = 8192,
        MOST_BAGGAGE_MEMBERS = 180,
        MOST_STATE_PART = 256
};

#define LETTERS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

/* Sixteen digits at once: a worker looks at each message's. GCC's and Clang's vectors, which any machine has, if need be in parts. */
typedef unsigned char trace_digits __attribute__((vector_size(16)));

static trace_digits trace_take(const char *text)
{
        trace_digits all;
        memcpy(&all, text, sizeof(all));
        return all;
}

static bool trace_any(trace_digits all)
{
        uint64_t halves[2];
        memcpy(halves, &all, sizeof(halves));
        return halves[0] | halves[1];
}

/* Those that are no hexadecimal digit in lower case. */
static trace_digits trace_wrong(trace_digits all)
{
        return (trace_digits)(all - '0' > 9) & (trace_digits)(all - 'a' > 5);
}

static bool trace_is_lower_hex(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool trace_is_parent(const char *text)
{
        if (strlen(text) != TRACE_PARENT_SIZE || strncmp(text, "00-", TRACE_ID_AT) != 0 || text[PARENT_ID - 1] != '-' ||
            text[FLAGS - 1] != '-')
                return false;
        const trace_digits high = trace_take(text + TRACE_ID_AT), low = trace_take(text + TRACE_ID_AT + 16),
                           span = trace_take(text + PARENT_ID);
        return trace_is_lower_hex(text[FLAGS]) && trace_is_lower_hex(text[FLAGS + 1]) &&
               !trace_any(trace_wrong(high) | trace_wrong(low) | trace_wrong(span)) && trace_any((high | low) ^ '0') &&
               trace_any(span ^ '0');
}

bool trace_is_sampled(const char *text)
{
        return strlen(text) == TRACE_PARENT_SIZE && hex_value(text[FLAGS + 1]) & 1 && trace_is_parent(text);
}

/* ---- lists ---- */

/* Cut the text at the first `mark`: what stands before it, without the blanks around it. `rest` is what follows; without data: nothing does. */
static struct bytes trace_cut(struct bytes text, char mark, struct bytes *rest)
{
        const unsigned char *end = memchr(text.data, mark, text.size), *from = text.data;
        *rest = end ? bytes_of(end + 1, text.size - (size_t)(end - from) - 1) : bytes_of(NULL, 0);
        if (!end)
                end = from + text.size;
        while (from < end && (*from == ' ' || *from == '\t'))
                from++;
        while (from < end && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
        return bytes_of(from, (size_t)(end - from));
}

/* Is every byte one of these? */
static bool trace_is_of(struct bytes text, const char *these)
{
        for (size_t i = 0; i < text.size; i++)
                if (text.data[i] == '\0' || !strchr(these, text.data[i]))
                        return false;
        return true;
}

/* Is every byte one that can be seen, but for these? */
static bool trace_is_visible(struct bytes text, unsigned char least, const char *but)
{
        for (size_t i = 0; i < text.size; i++)
                if (text.data[i] < least || text.data[i] > 0x7e || strchr(but, text.data[i]))
                        return false;
        return true;
}

/* Empty members may stand between others. */
static bool trace_is_list(struct bytes text, size_t most_bytes, unsigned most, bool (*is_member)(struct bytes member))
{
        unsigned count = 0;
        if (text.size > most_bytes)
                return false;
        while (text.data) {
                const struct bytes member = trace_cut(text, ',', &text);
                if (member.size && (!is_member(member) || ++count > most))
                        return false;
        }
        return count > 0;
}

static bool trace_is_state_member(struct bytes member)
{
        const unsigned char *equals = memchr(member.data, '=', member.size);
        if (!equals)
                return false;
        const struct bytes key = bytes_of(member.data, (size_t)(equals - member.data));
        const struct bytes value = bytes_of(equals + 1, member.size - key.size - 1);
        return key.size > 0 && key.size <= MOST_STATE_PART && value.size > 0 && value.size <= MOST_STATE_PART &&
               trace_is_of(bytes_of(key.data, 1), LETTERS DIGITS) && trace_is_of(key, LETTERS DIGITS "_-*/@") &&
               trace_is_visible(value, ' ', ",=");
}

/* "name" or "name=value"; the first of a member has a value. */
static bool trace_is_baggage_pair(struct bytes pair, bool needs_value)
{
        struct bytes rest, nothing;
        const struct bytes key = trace_cut(pair, '=', &rest);
        if (key.size == 0 || !trace_is_visible(key, '!', "\"(),/:;<=>?@[\\]{}"))
                return false;
        return rest.data ? trace_is_visible(trace_cut(rest, ',', &nothing), '!', "\",;\\") : !needs_value;
}

static bool trace_is_baggage_member(struct bytes member)
{
        bool first = true;
        for (struct bytes rest = member; rest.data; first = false)
                if (!trace_is_baggage_pair(trace_cut(rest, ';', &rest), first))
                        return false;
        return true;
}

bool trace_is_state(struct bytes text)
{
        return trace_is_list(text, MOST_STATE, MOST_STATE_MEMBERS, trace_is_state_member);
}

bool trace_is_baggage(struct bytes text)
{
        return trace_is_list(text, MOST_BAGGAGE, MOST_BAGGAGE_MEMBERS, trace_is_baggage_member);
}

struct trace_context trace_well_formed(const struct trace_context *trace)
{
        struct trace_context out = { 0 };
        if (trace->parent && trace_is_parent(trace->parent))
                out.parent = trace->parent;
        if (out.parent && trace_is_state(trace->state))
                out.state = trace->state;
        if (trace_is_baggage(trace->baggage))
                out.baggage = trace->baggage;
        return out;
}
