/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/ai.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct row {
        const char *schema, *value;
        const char *place; /* what the complaint names, or NULL: it fits */
} rows[] = {
        /* no schema forbids nothing, false everything */
        { "{}", "null", NULL },
        { "true", "[1]", NULL },
        { "false", "1", "its root" },
        { "{\"unknown\":{\"type\":\"string\"}}", "1", NULL },
        /* type */
        { "{\"type\":\"string\"}", "\"a\"", NULL },
        { "{\"type\":\"string\"}", "1", "its root: expected string, found integer" },
        { "{\"type\":\"integer\"}", "1", NULL },
        { "{\"type\":\"integer\"}", "1.0", NULL },
        { "{\"type\":\"integer\"}", "1.5", "its root: expected integer, found number" },
        { "{\"type\":\"integer\"}", "true", "its root" },
        { "{\"type\":\"number\"}", "1", NULL },
        { "{\"type\":\"number\"}", "1.5", NULL },
        { "{\"type\":\"boolean\"}", "false", NULL },
        { "{\"type\":\"boolean\"}", "0", "its root" },
        { "{\"type\":\"null\"}", "null", NULL },
        { "{\"type\":\"object\"}", "[]", "its root: expected object, found array" },
        { "{\"type\":\"array\"}", "{}", "its root" },
        { "{\"type\":[\"string\",\"null\"]}", "null", NULL },
        { "{\"type\":[\"string\",\"null\"]}", "1", "its root: found integer, which is none of its types" },
        { "{\"type\":[]}", "1", "its root" },
        /* enum, const */
        { "{\"enum\":[\"a\",\"b\"]}", "\"b\"", NULL },
        { "{\"enum\":[\"a\",\"b\"]}", "\"c\"", "its root: 'c' is not among its choices" },
        { "{\"enum\":[\"a\",1]}", "1.0", NULL },
        { "{\"enum\":[\"1\"]}", "1", "its root: integer is not among its choices" },
        { "{\"enum\":[{\"a\":[1]}]}", "{\"a\":[1.0]}", NULL },
        { "{\"enum\":[{\"a\":[1]}]}", "{\"a\":[1],\"b\":2}", "its root" },
        { "{\"enum\":[{\"a\":[1]}]}", "{\"b\":[1]}", "its root" },
        { "{\"enum\":[[1,2]]}", "[2,1]", "its root" },
        { "{\"enum\":[]}", "1", "its root" },
        { "{\"const\":\"x\"}", "\"x\"", NULL },
        { "{\"const\":\"x\"}", "\"y\"", "its root" },
        { "{\"const\":false}", "0", "its root" },
        { "{\"const\":null}", "null", NULL },
        /* objects */
        { "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{}", NULL },
        { "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"\",\"b\":1}", NULL },
        { "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1}", "/a: expected string, found integer" },
        { "{\"properties\":{\"a\":{\"type\":\"string\"}}}", "7", NULL },
        { "{\"properties\":{\"a\":{\"properties\":{\"b\":{\"enum\":[1]}}}}}", "{\"a\":{\"b\":2}}", "/a/b" },
        { "{\"required\":[\"a\",\"b\"]}", "{\"a\":null,\"b\":1}", NULL },
        { "{\"required\":[\"a\",\"b\"]}", "{\"a\":null}", "its root: 'b' is missing" },
        { "{\"required\":[\"a\"]}", "[]", NULL },
        { "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", NULL },
        { "{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1,\"z\":1}",
          "its root: 'z' does not belong here" },
        { "{\"additionalProperties\":false}", "{\"z\":1}", "its root" },
        { "{\"additionalProperties\":{\"type\":\"string\"}}", "{\"z\":1}", "/z" },
        { "{\"additionalProperties\":true}", "{\"z\":1}", NULL },
        { "{\"minProperties\":1,\"maxProperties\":2}", "{\"z\":1}", NULL },
        { "{\"minProperties\":1}", "{}", "its root" },
        { "{\"maxProperties\":1}", "{\"a\":1,\"b\":1}", "its root" },
        /* arrays */
        { "{\"items\":{\"type\":\"string\"}}", "[]", NULL },
        { "{\"items\":{\"type\":\"string\"}}", "[\"a\",\"b\",3]", "/2: expected string, found integer" },
        { "{\"items\":false}", "[]", NULL },
        { "{\"items\":false}", "[1]", "/0" },
        { "{\"minItems\":1,\"maxItems\":2}", "[1,2]", NULL },
        { "{\"minItems\":1}", "[]", "its root: too few elements" },
        { "{\"maxItems\":2}", "[1,2,3]", "its root: too many elements" },
        { "{\"minItems\":1}", "\"no array\"", NULL },
        /* texts: characters count, not bytes */
        { "{\"minLength\":2,\"maxLength\":3}", "\"\xea\xb0\x80\xea\xb0\x81\"", NULL },
        { "{\"minLength\":2}", "\"\xea\xb0\x80\"", "its root: too short a text" },
        { "{\"maxLength\":1}", "\"\xea\xb0\x80\xea\xb0\x81\"", "its root: too long a text" },
        { "{\"maxLength\":1}", "\"\xf0\x9f\x98\x80\"", NULL },
        { "{\"maxLength\":2}", "\"a\\u0000b\"", "its root" },
        { "{\"minLength\":2}", "7", NULL },
        /* numbers */
        { "{\"minimum\":1,\"maximum\":3}", "1", NULL },
        { "{\"minimum\":1,\"maximum\":3}", "3.0", NULL },
        { "{\"minimum\":1}", "0.999", "its root: too small a number" },
        { "{\"maximum\":3}", "4", "its root: too large a number" },
        { "{\"exclusiveMinimum\":1}", "1", "its root" },
        { "{\"exclusiveMinimum\":1}", "1.01", NULL },
        { "{\"exclusiveMaximum\":1}", "1.0", "its root" },
        { "{\"maximum\":9007199254740992}", "9007199254740993", "its root" },
        { "{\"multipleOf\":0.01}", "4.35", NULL },
        { "{\"multipleOf\":2}", "7", "its root: not a multiple of its step" },
        { "{\"multipleOf\":0}", "7", NULL },
        { "{\"minimum\":\"x\"}", "7", NULL },
        /* combinations */
        { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "null", NULL },
        { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "1", "its root: fits none of its alternatives" },
        { "{\"properties\":{\"a\":{\"anyOf\":[{\"type\":\"string\"}]}}}", "{\"a\":1}",
          "/a: fits none of its alternatives" },
        { "{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"items\":{\"$ref\":\"#/$defs/n\"}}", "[1,2]", NULL },
        { "{\"$defs\":{\"n\":{\"type\":\"integer\"}},\"items\":{\"$ref\":\"#/$defs/n\"}}", "[1,\"2\"]", "/1" },
        { "{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}", "{\"v\":1,\"next\":{\"v\":2}}", NULL },
        { "{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"required\":[\"v\"]}", "{\"v\":1,\"next\":{\"next\":3}}",
          "/next: 'v' is missing" },
        { "{\"$defs\":{\"a/b~c d\":{\"type\":\"null\"}},\"$ref\":\"#/$defs/a~1b~0c%20d\"}", "null", NULL },
        { "{\"$ref\":\"#/$defs/none\"}", "1", "its root: the schema refers to" },
        { "{\"$ref\":\"https://example.org/schema\"}", "1", "its root: the schema refers to" },
        { "{\"$ref\":\"#\"}", "1", "its root: the schema is too deep" },
        { "{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1", "its root: fits none" }, /* and in finite time */
        /* odd names */
        { "{\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\\nb\":1}", "/a b: expected" },
};

static json_t *parsed(const char *text)
{
        json_t *value = NULL;
        struct problem why;
        if (json_parse(bytes_of_string(text), "test", &value, &why) != 0)
                fail_msg("%s: %s", text, why.text);
        return value;
}

static void each_value_fits_or_breaks_its_schema(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                json_t *schema = parsed(rows[i].schema), *value = parsed(rows[i].value);
                const int result = ai_schema_check(schema, value, &why);
                if (result != (rows[i].place != NULL))
                        fail_msg("%s against %s: %d %s", rows[i].value, rows[i].schema, result, why.text);
                if (result == 1) {
                        char start[200];
                        snprintf(start, sizeof(start), "the answer breaks its schema at %s", rows[i].place);
                        if (strncmp(why.text, start, strlen(start)) != 0)
                                fail_msg("%s against %s: %s", rows[i].value, rows[i].schema, why.text);
                        assert_string_equal(why.source, "provider");
                        assert_string_equal(why.code, "schema_mismatch");
                }
                assert_int_equal(ai_schema_check(schema, value, NULL), result);
                json_decref(schema);
                json_decref(value);
        }
}

static void a_complaint_is_short_and_utf8(void **state)
{
        (void)state;
        char name[3000] = "";
        for (size_t i = 0; i < 999; i++)
                memcpy(name + i * 3, "\xea\xb0\x80", 4);
        json_t *inner = json_string(name), *value = inner,
               *schema = parsed("{\"$defs\":{\"d\":{\"type\":[\"object\"],"
                                "\"additionalProperties\":{\"$ref\":\"#/$defs/d\"}}},"
                                "\"$ref\":\"#/$defs/d\"}");
        for (int i = 0; i < 100; i++) {
                json_t *outer = json_object();
                json_object_set_new(outer, name, value);
                value = outer;
        }
        struct problem why;
        assert_int_equal(ai_schema_check(schema, value, &why), 1);
        size_t size;
        for (const char *c = why.text; *c; c += size)
                assert_true(utf8_next(c, &size));
        json_t *choices = parsed("{\"enum\":[1]}");
        assert_int_equal(ai_schema_check(choices, inner, &why), 1);
        for (const char *c = why.text; *c; c += size)
                assert_true(utf8_next(c, &size));
        json_decref(choices);
        json_decref(schema);
        json_decref(value);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_value_fits_or_breaks_its_schema),
                cmocka_unit_test(a_complaint_is_short_and_utf8),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
