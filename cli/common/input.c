/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/input.h"

#include "core/bytes.h"
#include "core/json.h"
#include "core/text/file_kind.h"
#include "message/wire/base64.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LARGEST_FILE = 20 << 20 };

static int input_read_file(const char *path, struct buffer *out, struct problem *why)
{
        FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
        if (!file)
                return problem_set(why, "input", "bad_input", "can't read \"%.200s\": %s", path, strerror(errno));
        enum { PIECE = 65536 };
        for (;;) {
                unsigned char *at = buffer_reserve(out, PIECE);
                const size_t got = at ? fread(at, 1, PIECE, file) : 0;
                out->size += got;
                if (got == 0 || out->size > LARGEST_FILE)
                        break;
        }
        const bool bad = ferror(file) || out->failed;
        if (file != stdin)
                fclose(file);
        if (bad)
                return problem_set(why, "input", "bad_input", "can't read \"%.200s\"", path);
        if (out->size > LARGEST_FILE)
                return problem_set(why, "input", "bad_input", "\"%.200s\" is larger than 20 MiB", path);
        return 0;
}

static json_t *value_of_file(struct bytes content)
{
        const struct file_kind kind = file_kind_of(content);
        if (!kind.is_picture)
                return json_stringn((const char *)content.data, content.size);
        struct buffer url = { 0 };
        buffer_addf(&url, "data:%s;base64,", kind.media);
        base64_encode(content, &url);
        json_t *value = url.failed ? NULL : json_stringn((const char *)url.data, url.size);
        buffer_free(&url);
        return value;
}

static int input_read_value(const char *key, const char *text, json_t **out, struct problem *why)
{
        if (text[0] != '@') {
                *out = json_string(text);
                return *out ? 0 : problem_set(why, "input", "bad_input", "%.60s: the text is not valid UTF-8", key);
        }
        struct buffer content = { 0 };
        int refused = input_read_file(text + 1, &content, why);
        if (!refused) {
                const struct file_kind kind = file_kind_of(buffer_view(&content));
                *out = value_of_file(buffer_view(&content));
                if (kind.name && !kind.is_picture && (!*out || strstr(key, "image")))
                        refused = problem_set(why, "input", "bad_input",
                                              "%.60s: \"%.200s\" is %s; models take PNG, JPEG, GIF and WebP", key,
                                              text + 1, kind.name);
                else if (!*out)
                        refused = problem_set(why, "input", "bad_input",
                                              "%.60s: \"%.200s\" is neither a picture nor UTF-8 text", key, text + 1);
        }
        buffer_free(&content);
        return refused;
}

int input_word(json_t *input, const char *word, struct problem *why)
{
        char key[64];
        json_t *value = NULL;
        const char *equals = strchr(word, '=');
        if (!equals || equals == word || (size_t)(equals - word) >= sizeof(key))
                return problem_set(why, "input", "bad_input",
                                   "\"%.60s\" is not of the form key=text, key:=JSON or key=@FILE", word);
        const bool typed = equals[-1] == ':';
        snprintf(key, sizeof(key), "%.*s", (int)(equals - word - typed), word);
        const int refused = typed ? json_parse(bytes_of_string(equals + 1), "input", &value, why)
                                  : input_read_value(key, equals + 1, &value, why);
        if (refused) {
                json_decref(value);
                return refused;
        }
        return json_object_set_new(input, key, value) == 0
                       ? 0
                       : problem_set(why, "input", "bad_input", "\"%.60s\" is no valid key", key);
}

int input_file(const char *path, json_t **whole, const char **pipeline, json_t **input, struct problem *why)
{
        struct buffer content = { 0 };
        int refused = input_read_file(path, &content, why);
        if (!refused)
                refused = json_parse(buffer_view(&content), "input", whole, why);
        buffer_free(&content);
        if (refused)
                return refused;
        *pipeline = json_text(*whole, "pipeline", NULL);
        json_t *inner = *pipeline ? json_object_get(*whole, "input") : *whole;
        if (!json_is_object(inner))
                return problem_set(why, "input", "bad_input", "\"%.200s\" holds no input object", path);
        *input = json_deep_copy(inner);
        return 0;
}
