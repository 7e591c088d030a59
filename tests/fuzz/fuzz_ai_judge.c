/* SPDX-License-Identifier: Apache-2.0 */
/* A response: its status, then six header values, a line each ("-" = not there), then the body. Whatever comes, the verdict is in order,
 * nothing of the key is shown, and the fast way of reading an answer agrees with jansson. */
#include "ai/ai.h"
#include "ai/wire/envelope.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY     "sk-fuzz-0123456789"
#define HOUR_MS 3600000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what)
{
        if (holds)
                return;
        fprintf(stderr, "broken: %s\n", what);
        abort();
}

/* The next line as a text of its own, or NULL for "-". */
static char *line(struct bytes *rest)
{
        const unsigned char *end = rest->size ? memchr(rest->data, '\n', rest->size) : NULL;
        const size_t size = end ? (size_t)(end - rest->data) : rest->size;
        char *text = strndup(rest->size ? (const char *)rest->data : "", size);
        must(text != NULL, "memory");
        *rest = bytes_of(rest->data + size + (end != NULL), rest->size - size - (end != NULL));
        if (strcmp(text, "-") != 0)
                return text;
        free(text);
        return NULL;
}

static void is_clean(const char *text)
{
        size_t size;
        must(strstr(text, KEY) == NULL, "the key is shown");
        for (; *text; text += size)
                must(utf8_next(text, &size), "not UTF-8");
}

static void check_reply(const struct ai_reply *reply)
{
        must(reply->verdict <= AI_PERMANENT, "the verdict");
        must((reply->content != NULL) == (reply->verdict == AI_OK), "content and verdict");
        must(reply->wait_ms <= HOUR_MS, "a longer wait than an hour");
        must(reply->verdict == AI_WAIT || reply->verdict == AI_TRANSIENT || reply->wait_ms == 0, "a wait for nothing");
        must((reply->verdict == AI_OK) == (reply->why.code[0] == '\0'), "a reason and a verdict");
        must(reply->cost_nano >= 0, "a negative cost");
        is_clean(reply->why.text);
        is_clean(reply->why.code);
        is_clean(reply->model);
}

/* What envelope_read takes, jansson takes too, and finds the same in it. */
static void compare(struct bytes body)
{
        struct envelope envelope;
        struct buffer scratch = { 0 };
        if (envelope_read(body, &envelope, &scratch) == 0) {
                json_t *root = json_loadb((const char *)body.data, body.size, JSON_ALLOW_NUL, NULL);
                const json_t *choice = json_array_get(json_object_get(root, "choices"), 0);
                const json_t *message = json_object_get(choice, "message"),
                             *content = json_object_get(message, "content");
                const json_t *usage = json_object_get(root, "usage");
                if (root) { /* or the content is not UTF-8, which its own parser finds out */
                        must(strcmp(json_text(choice, "finish_reason", ""), "stop") == 0, "finish_reason");
                        must(!json_is_string(json_object_get(message, "refusal")), "refusal");
                        must(json_string_length(content) == envelope.content.size, "the content's length");
                        must(envelope.content.size == 0 || memcmp(json_string_value(content), envelope.content.data,
                                                                  envelope.content.size) == 0,
                             "the content");
                        must(json_number(usage, "prompt_tokens", 0) == envelope.tokens_in, "prompt_tokens");
                        must(json_number(usage, "completion_tokens", 0) == envelope.tokens_out, "completion_tokens");
                        must(strlen(json_text(root, "model", "")) == envelope.model.size, "the model's length");
                } else {
                        size_t length = 0;
                        bool utf8 = true;
                        char *text = strndup((const char *)envelope.content.data, envelope.content.size);
                        for (const char *c = text; *c && utf8; c += length)
                                utf8 = utf8_next(c, &length);
                        must(!utf8, "jansson refuses what the fast way takes");
                        free(text);
                }
                json_decref(root);
        }
        buffer_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes rest = bytes_of(data, size);
        char *lines[7];
        for (size_t i = 0; i < 7; i++)
                lines[i] = line(&rest);
        const struct ai_response response = { .status = lines[0] ? strtol(lines[0], NULL, 10) % 1000 : 200,
                                              .timed_out = lines[0] && *lines[0] == 't',
                                              .transport_error = lines[0] && *lines[0] == 'e' ? lines[0] : NULL,
                                              .retry_after = lines[1],
                                              .retry_after_ms = lines[2],
                                              .reset_requests = lines[3],
                                              .reset_tokens = lines[4],
                                              .remaining_requests = lines[5],
                                              .remaining_tokens = lines[6],
                                              .body = rest,
                                              .now_ms = INT64_C(1700000000000),
                                              .secret = KEY };
        struct ai_reply reply;
        json_t *schema = json_pack("{ss}", "type", "object");
        ai_judge(&response, size % 2 ? schema : NULL, &reply);
        check_reply(&reply);
        json_decref(reply.content);
        json_decref(schema);
        compare(rest);
        for (size_t i = 0; i < 7; i++)
                free(lines[i]);
        return 0;
}
