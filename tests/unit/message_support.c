/* SPDX-License-Identifier: Apache-2.0 */
#include "message_support.h"

#include "message/wire/base64.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void read_bytes(const json_t *json, const char *key, struct buffer *out)
{
        const char *text = json_string_value(json_object_get(json, key));
        assert_non_null(text);
        assert_int_equal(base64_decode(bytes_of_string(text), out), 0);
}

static bool is_json_file(const char *name)
{
        const char *dot = strrchr(name, '.');
        return dot && strcmp(dot, ".json") == 0;
}

static void visit(const char *folder, const char *name, void (*each)(const struct vector *v))
{
        struct vector v = { 0 };
        json_error_t error;
        char path[600];
        snprintf(v.name, sizeof(v.name), "%s", name);
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        v.json = json_load_file(path, JSON_ALLOW_NUL, &error);
        if (!v.json)
                fail_msg("%s: %s", path, error.text);
        read_bytes(v.json, "properties", &v.properties);
        read_bytes(v.json, "body", &v.body);
        print_message("%s\n", path);
        each(&v);
        json_decref(v.json);
        buffer_free(&v.properties);
        buffer_free(&v.body);
}

unsigned each_vector(const char *folder, void (*each)(const struct vector *v))
{
        const char *root = getenv("CHARD_VECTORS");
        char path[256];
        struct dirent **names;
        unsigned count = 0;
        snprintf(path, sizeof(path), "%s/%s", root ? root : "tests/vectors", folder);
        const int found = scandir(path, &names, NULL, alphasort);
        if (found < 0)
                fail_msg("no folder %s: run this in the root of the repository, or set CHARD_VECTORS", path);
        for (int i = 0; i < found; i++) {
                if (is_json_file(names[i]->d_name)) {
                        visit(path, names[i]->d_name, each);
                        count++;
                }
                free(names[i]);
        }
        free(names);
        assert_true(count > 0);
        return count;
}

struct made make_message(struct bytes headers, struct bytes body)
{
        struct made m = { 0 };
        const struct properties p = { .content_type = bytes_of_string("application/json"),
                                      .content_encoding = bytes_of_string("utf-8"),
                                      .headers = headers,
                                      .delivery_mode = 2,
                                      .priority = -1,
                                      .timestamp = -1 };
        properties_write(&p, &m.properties);
        buffer_add(&m.body, body.data, body.size);
        return m;
}

struct made make_task(struct bytes more_headers, const char *body)
{
        struct buffer table = { 0 };
        header_add_text(&table, "task", bytes_of_string("t"));
        header_add_text(&table, "id", bytes_of_string("i"));
        buffer_add(&table, more_headers.data, more_headers.size);
        struct made m = make_message(buffer_view(&table), bytes_of_string(body));
        buffer_free(&table);
        return m;
}

void made_free(struct made *m)
{
        buffer_free(&m->properties);
        buffer_free(&m->body);
}

void decode_made(const struct made *m, struct arena *a, struct task_message *out)
{
        struct problem why = { 0 };
        const int rc =
                task_message_decode(a, buffer_view(&m->properties), buffer_view(&m->body), LARGEST_BODY, out, &why);
        if (rc != 0)
                fail_msg("decode: %d %s %s", rc, why.code, why.text);
}

json_t *headers_of(struct bytes properties)
{
        struct properties p;
        assert_int_equal(properties_read(properties, &p, NULL), 0);
        return headers_to_json(p.headers);
}

json_t *parse(const char *text)
{
        json_error_t error;
        json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
        if (!value)
                fail_msg("%s: %s", error.text, text);
        return value;
}

void assert_json(const json_t *value, const json_t *expected, const char *what)
{
        if (json_equal(value ? value : json_null(), expected ? expected : json_null()))
                return;
        char *is = json_dumps(value, JSON_ENCODE_ANY), *wanted = json_dumps(expected, JSON_ENCODE_ANY);
        fail_msg("%s is\n  %s, expected\n  %s", what, is ? is : "nothing", wanted ? wanted : "nothing");
}

void assert_header(const struct message *m, const char *name, const char *expected)
{
        json_t *headers = headers_of(m->properties), *value = parse(expected);
        assert_json(json_object_get(headers, name), value, name);
        json_decref(headers);
        json_decref(value);
}
