/* SPDX-License-Identifier: Apache-2.0 */
/* Which schemas a provider would refuse in strict mode, and where they are wrong. */
#include "ai/ai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An object with the one property a, whose schema this is; and the same with what else stands beside "properties". */
#define OBJECT(a_)         "{'type':'object','properties':{'a':" a_ "},'required':['a'],'additionalProperties':false}"
#define BESIDE(a_, beside) "{'type':'object','properties':{'a':" a_ "}," beside "}"
#define CLOSED             "'additionalProperties':false"

static const struct {
        const char *schema; /* ' stands for " */
        const char *says;   /* NULL: it is taken */
} rows[] = {
        { OBJECT("{'type':'string'}"), NULL },
        { OBJECT("{'type':['string','null'],'title':'A','description':'d','minLength':1,'maxLength':2,'pattern':'a'}"),
          NULL },
        { OBJECT("{'type':'number','minimum':0,'maximum':1,'exclusiveMinimum':0,'exclusiveMaximum':2,'multipleOf':1}"),
          NULL },
        { OBJECT("{'type':'array','items':{'type':'string','enum':['x']},'minItems':1,'maxItems':2}"), NULL },
        { OBJECT("{'anyOf':[{'type':'null'}," OBJECT("{'const':1}") "]}"), NULL },
        { BESIDE("{'$ref':'#/$defs/n'}", "'required':['a']," CLOSED ",'$defs':{'n':" OBJECT("{'$ref':'#'}") "}"),
          NULL },
        { "{'type':'object','properties':{}," CLOSED "}", NULL },
        { "{'type':'object'," CLOSED ",'$schema':'https://json-schema.org/draft/2020-12/schema'}", NULL },

        /* the root */
        { "{}", "at its root: an answer is an object" },
        { "{'type':'array','items':{'type':'string'}}", "at its root: an answer is an object" },
        { "{'type':['object','null']," CLOSED "}", "at its root: an answer is an object" },
        { "{'type':'object','anyOf':[{'type':'object'}]," CLOSED "}", "at its root: an answer is one object" },

        /* objects are closed */
        { BESIDE("{'type':'string'}", "'required':['a']"), "at its root: \"additionalProperties\": false is missing" },
        { BESIDE("{'type':'string'}", "'required':['a'],'additionalProperties':true"),
          "at /additionalProperties: it must be false" },
        { BESIDE("{'type':'string'}", "'required':['a'],'additionalProperties':{'type':'string'}"),
          "at /additionalProperties: it must be false" },
        { OBJECT("{'type':'object'}"), "at /properties/a: \"additionalProperties\": false is missing" },
        { OBJECT("{'type':['object','null']}"), "at /properties/a: \"additionalProperties\": false is missing" },
        { OBJECT("{'type':'array','items':{'type':'object'}}"), "at /properties/a/items: \"additionalProperties\"" },
        { OBJECT("{'anyOf':[{'type':'null'},{'type':'object'}]}"),
          "at /properties/a/anyOf/1: \"additionalProperties\"" },
        { "{'type':'object','properties':{}," CLOSED ",'$defs':{'x/y~':{'type':'object'}}}",
          "at /$defs/x~1y~0: \"additionalProperties\"" },

        /* all that is there is required, and the other way round */
        { BESIDE("{'type':'string'}", CLOSED), "at its root: \"required\" lacks the property \"a\"" },
        { BESIDE("{'type':'string'}", "'required':[]," CLOSED), "at its root: \"required\" lacks the property \"a\"" },
        { BESIDE("{'type':'string'}", "'required':['a','b']," CLOSED),
          "at its root: \"required\" names \"b\", which is no property" },
        { BESIDE("{'type':'string'}", "'required':['a',1]," CLOSED), "at its root: \"required\" names \"\"" },
        { BESIDE("{'type':'string'}", "'required':'a'," CLOSED), "at its root: \"required\" must be an array" },
        { OBJECT("{'type':'array','items':" BESIDE("{'type':'string'}", CLOSED) "}"),
          "at /properties/a/items: \"required\" lacks" },

        /* keywords */
        { BESIDE("{'type':'string'}", "'requierd':['a']," CLOSED),
          "at its root: there is no keyword \"requierd\" in strict mode; did you mean \"required\"?" },
        { OBJECT("{'type':'string','defualt':'x'}"), "at /properties/a: there is no keyword \"defualt\"" },
        { OBJECT("{'type':'string','default':'x'}"), "at /properties/a: there is no keyword \"default\"" },
        { OBJECT("{'type':'array','items':{'type':'string'},'uniqueItems':true}"),
          "there is no keyword \"uniqueItems\"" },
        { OBJECT("{'allOf':[{'type':'string'}]}"), "there is no keyword \"allOf\"" },
        { OBJECT("{'oneOf':[{'type':'string'}]}"), "there is no keyword \"oneOf\" in strict mode" },
        { OBJECT("{'type':'strnig'}"), "at /properties/a/type: there is no type \"strnig\"; did you mean \"string\"?" },
        { OBJECT("{'type':['string','nil']}"), "at /properties/a/type: there is no type \"nil\"" },
        { OBJECT("{'type':[]}"), "at /properties/a/type: no type is named" },
        { OBJECT("{'type':1}"), "at /properties/a/type: there is no type \"\"" },
        { OBJECT("{}"), "at /properties/a: \"type\" is missing" },
        { OBJECT("{'description':'any'}"), "at /properties/a: \"type\" is missing" },
        { OBJECT("true"), "at /properties/a: a schema must be an object" },
        { OBJECT("{'type':'array'}"), "at /properties/a: an array needs \"items\"" },
        { OBJECT("{'type':'array','items':[{'type':'string'}]}"),
          "at /properties/a/items: a schema must be an object" },
        { OBJECT("{'enum':[]}"), "at /properties/a/enum: it must be an array" },
        { OBJECT("{'enum':'x'}"), "at /properties/a/enum: it must be an array" },
        { OBJECT("{'anyOf':[]}"), "at /properties/a/anyOf: it must be an array" },
        { OBJECT("{'$ref':'#/$defs/no'}"), "at /properties/a/$ref: it refers to \"#/$defs/no\"" },
        { OBJECT("{'$ref':7}"), "at /properties/a/$ref: it refers to \"\"" },
        { OBJECT("{'type':'string','properties':{}}"),
          "at /properties/a/properties: they belong to \"type\": \"object\"" },
        { "{'type':'object','properties':[],'required':[]," CLOSED "}",
          "at /properties: it must be an object of schemas" },
};

static json_t *parse(const char *quoted)
{
        char *text = strdup(quoted);
        for (char *at = text; text && *at; at++)
                if (*at == '\'')
                        *at = '"';
        json_t *value = json_loads(text ? text : "", 0, NULL);
        if (!value)
                fail_msg("no JSON: %s", text);
        free(text);
        return value;
}

static void what_strict_mode_refuses_is_named_with_its_place(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                json_t *schema = parse(rows[i].schema);
                const int code = ai_schema_strict(schema, &why);
                json_decref(schema);
                const bool right = rows[i].says ? code == 1 && strstr(why.text, rows[i].says) : code == 0;
                if (!right)
                        fail_msg("%s: returned %d, %s", rows[i].schema, code, why.text);
        }
}

static void a_schema_of_any_depth_comes_to_an_end(void **state)
{
        (void)state;
        json_t *schema = json_pack("{s:s}", "type", "string");
        for (int i = 0; i < 1000; i++)
                schema = json_pack("{s:s, s:b, s:{s:o}, s:[s]}", "type", "object", "additionalProperties", 0,
                                   "properties", "deep", schema, "required", "deep");
        struct problem why = { 0 };
        assert_int_equal(ai_schema_strict(schema, &why), 1);
        assert_non_null(strstr(why.text, "more than 100 deep"));
        json_decref(schema);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_strict_mode_refuses_is_named_with_its_place),
                cmocka_unit_test(a_schema_of_any_depth_comes_to_an_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
