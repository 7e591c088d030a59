/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/wire/content.h"

#include "ai/wire/loose.h"
#include "core/json.h"

#include <string.h>

/* ---- what a message holds ---- */

static struct bytes ai_content_text_of(const json_t *string)
{
        return bytes_of(json_string_value(string), json_string_length(string));
}

/* Thoughts and whatever else a part may be are no part of the answer; of text there are only these kinds, and the kind that says nothing of itself. */
static void read_part(const json_t *part, struct said *out)
{
        const char *type = json_text(part, "type", "text");
        const json_t *text = json_is_string(part) ? part : json_object_get(part, "text");
        if (strcmp(type, "refusal") == 0)
                out->refusal = json_text(part, "refusal", "the model refused");
        else if (json_is_string(text) && (strcmp(type, "text") == 0 || strcmp(type, "output_text") == 0))
                buffer_add(&out->joined, json_string_value(text), json_string_length(text));
}

static void read_parts(const json_t *parts, struct said *out)
{
        size_t i;
        json_t *part;
        json_array_foreach((json_t *)parts, i, part)
                read_part(part, out);
        out->text = buffer_view(&out->joined);
}

static const json_t *tool_arguments(const json_t *message)
{
        const json_t *call = json_array_get(json_object_get(message, "tool_calls"), 0);
        const json_t *function = json_object_get(call ? call : message, call ? "function" : "function_call");
        return json_object_get(function, "arguments");
}

void content_read(const json_t *message, struct said *out)
{
        const json_t *content = json_object_get(message, "content");
        *out = (struct said){ .refusal = json_text(message, "refusal", "") };
        if (!content || json_is_null(content) ||
            json_string_length(content) + json_array_size(content) + json_object_size(content) == 0) {
                const json_t *arguments = tool_arguments(message), *plain = json_object_get(message, "text");
                content = arguments ? arguments : plain ? plain : content;
        }
        if (json_is_string(content))
                out->text = ai_content_text_of(content);
        else if (json_is_array(content))
                read_parts(content, out);
        else if (json_is_object(content))
                out->value = content;
        else
                out->nothing = true;
}

/* ---- taking wrappings off ---- */

static const unsigned char *ai_content_find(struct bytes text, const char *what)
{
        return text.size ? memmem(text.data, text.size, what, strlen(what)) : NULL;
}

static struct bytes content_from(struct bytes text, const unsigned char *at)
{
        return bytes_of(at, (size_t)(text.data + text.size - at));
}

/* What follows the last of a model's thoughts; the opening mark may be in the prompt, so only the closing one counts. */
static struct bytes after_thoughts(struct bytes text)
{
        static const char *const ends[] = { "</think>", "</thinking>", "</thought>", "</reasoning>",
                                            "[/THINK]", "<|/think|>",  "<|message|>" };
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                for (const unsigned char *at; (at = ai_content_find(text, ends[i])) != NULL;)
                        text = content_from(text, at + strlen(ends[i]));
        return text;
}

/* What a code fence holds; the whole where there is none. */
static struct bytes in_fence(struct bytes text)
{
        const unsigned char *at = ai_content_find(text, "```");
        if (!at)
                return text;
        struct bytes inner = content_from(text, at + 3);
        while (inner.size > 0 && inner.data[0] != '\n' && inner.data[0] != '{' && inner.data[0] != '[') /* "json" */
                inner = content_from(inner, inner.data + 1);
        const unsigned char *end = ai_content_find(inner, "```");
        if (end)
                inner.size = (size_t)(end - inner.data);
        return inner;
}

static const unsigned char *content_next_brace(struct bytes text)
{
        return text.size ? memchr(text.data, '{', text.size) : NULL;
}

/* An answer that was written as JSON twice is a text that holds it. */
static int ai_content_parse(struct bytes text, json_t **out, struct problem *why)
{
        json_t *inner = NULL;
        if (json_parse(text, "provider", out, why) != 0)
                return 1;
        if (json_is_string(*out) && json_parse(ai_content_text_of(*out), "provider", &inner, NULL) == 0) {
                json_decref(*out);
                *out = inner;
        }
        return 0;
}

/* The first object in `text` that ends where it ends. What stands before it in braces may be thoughts, in marks that nobody knows. */
static bool content_parse_last(struct bytes text, size_t *looked, json_t **out)
{
        enum { MOST_TRIES = 64, MOST_LOOKED = 16 << 20 };
        const unsigned char *open = content_next_brace(text), *end = text.data + text.size;
        for (unsigned tries = 0; open && tries < MOST_TRIES && *looked < MOST_LOOKED; tries++) {
                const struct bytes object = content_from(text, open);
                if (ai_content_parse(object, out, NULL) == 0)
                        return true;
                *looked += object.size;
                open = content_next_brace(bytes_of(open + 1, (size_t)(end - open - 1)));
        }
        return false;
}

/* Words around an object go, those behind it also where they have braces: but not what might have been meant as the answer itself, for that has
 * quotes. What is looked at in all is bounded, as the loop waits meanwhile. */
static bool content_parse_braces(struct bytes text, json_t **out)
{
        enum { MOST_ENDS = 8 };
        size_t looked = 0;
        for (unsigned ends = 0; ends < MOST_ENDS; ends++) {
                const unsigned char *close = text.size ? memrchr(text.data, '}', text.size) : NULL;
                if (!close || (ends > 0 && memchr(close, '"', (size_t)(text.data + text.size - close))))
                        return false;
                text.size = (size_t)(close + 1 - text.data);
                if (content_parse_last(text, &looked, out))
                        return true;
                text.size--;
        }
        return false;
}

int content_parse(struct bytes text, json_t **out, struct problem *why)
{
        text = loose_trim(text);
        if (text.size == 0)
                return problem_set(why, "provider", "empty", "the reply is empty");
        if (ai_content_parse(text, out, why) == 0)
                return 0;
        const struct bytes rest = loose_trim(after_thoughts(text));
        if (rest.size == 0)
                return problem_set(why, "provider", "empty", "the reply is empty but for the model's thoughts");
        const struct bytes fenced = in_fence(rest), tries[] = { rest, loose_trim(fenced) };
        bool done = false;
        for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]) && !done; i++)
                done = tries[i].size > 0 && tries[i].size < text.size && ai_content_parse(tries[i], out, NULL) == 0;
        if (!done && !content_parse_braces(fenced, out) && !content_parse_braces(rest, out))
                return 1;
        memset(why, 0, sizeof(*why));
        return 0;
}
