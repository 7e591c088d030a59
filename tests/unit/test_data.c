/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/packed.h"
#include "core/json.h"
#include "tasks/task.h"
#include "tasks/waste/taxonomy.h"
#include "tests/unit/task_try.h"
#include "tasks/waste/waste.h"
#include "tasks/waste/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* That of the shipped tasks. */
static const struct taxonomy *the_taxonomy(void)
{
        return catalog_task(shipped(), "scan.vision")->data;
}

static const char *const majors[] = { "recyclable",   "general", "noncombustible", "food",
                                      "construction", "bulky",   "hazardous",      "unclassified" };
static const char *const recyclables[] = { "paper", "carton", "clear-pet", "plastic", "film",     "foam",
                                           "glass", "metal",  "textile",   "battery", "lighting", "electronics" };
enum { MAJORS = 8, RECYCLABLES = 12, RULES = 18, TAGS = 79, CHARACTERS = 13 };

static void the_embedded_data_can_be_read(void **state)
{
        (void)state;
        assert_non_null(the_taxonomy()->terms);
}

static void the_taxonomy_has_its_majors_and_middles(void **state)
{
        (void)state;
        assert_int_equal(the_taxonomy()->category_count, MAJORS + RECYCLABLES);
        for (size_t i = 0; i < MAJORS; i++) {
                const struct category *major = major_find(the_taxonomy(), majors[i]);
                assert_non_null(major);
                assert_ptr_equal(major->major, major);
                assert_ptr_equal(category_find(the_taxonomy(), majors[i]), major);
                assert_ptr_equal(middle_find(the_taxonomy(), majors[i]),
                                 i == 0 ? NULL : major); /* its own middle, unless it has some */
        }
        for (size_t i = 0; i < RECYCLABLES; i++) {
                const struct category *middle = middle_find(the_taxonomy(), recyclables[i]);
                assert_non_null(middle);
                assert_ptr_equal(middle->major, major_find(the_taxonomy(), "recyclable"));
                assert_null(major_find(the_taxonomy(), recyclables[i]));
                assert_true(json_array_size(middle->items) > 0);
        }
        assert_null(category_find(the_taxonomy(), "plutonium"));
        assert_null(category_find(the_taxonomy(), ""));
        assert_null(category_find(the_taxonomy(), NULL));
        assert_string_equal(middle_find(the_taxonomy(), "clear-pet")->label[LANG_KO], "무색페트병");
        assert_string_equal(middle_find(the_taxonomy(), "clear-pet")->label[LANG_EN], "Clear PET bottles");
}

static void tags_and_characters_are_there(void **state)
{
        (void)state;
        const struct taxonomy *t = the_taxonomy();
        assert_int_equal(json_array_size(t->tags), TAGS);
        assert_true(is_situation_tag(the_taxonomy(), "내용물_있음"));
        assert_false(is_situation_tag(the_taxonomy(), "내용물"));
        assert_false(is_situation_tag(the_taxonomy(), ""));
        assert_int_equal(t->character_count, CHARACTERS);
        assert_string_equal(middle_find(the_taxonomy(), "metal")->character->code, "char-metally");
        assert_string_equal(middle_find(the_taxonomy(), "food")->character->code, "char-eco");
        assert_string_equal(middle_find(the_taxonomy(), "unclassified")->character->ko, "이코");
}

static void the_language_is_korean_unless_it_is_english(void **state)
{
        (void)state;
        assert_int_equal(lang_of("en"), LANG_EN);
        assert_int_equal(lang_of("ko"), LANG_KO);
        assert_int_equal(lang_of("EN"), LANG_KO);
        assert_int_equal(lang_of(""), LANG_KO);
        assert_int_equal(lang_of(NULL), LANG_KO);
}

/* ---- rules ---- */

static void every_category_but_one_has_a_rule_in_both_languages(void **state)
{
        (void)state;
        const struct taxonomy *t = the_taxonomy();
        size_t rules = 0;
        for (size_t i = 0; i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                bool wanted = c->is_middle && strcmp(c->slug, "unclassified") != 0;
                assert_true(wanted == (c->rule != NULL));
                for (enum lang lang = LANG_KO; wanted && lang < LANG_COUNT; lang++) {
                        json_t *rule = rule_for(the_taxonomy(), c, NULL, NULL, lang);
                        assert_string_equal(json_text(rule, "slug", ""), c->slug);
                        assert_string_equal(json_text(rule, "label", ""), c->label[lang]);
                        assert_true(json_array_size(json_object_get(rule, "steps")) > 0);
                        assert_int_equal(json_array_size(json_object_get(rule, "insufficiencies")), 0);
                        json_decref(rule);
                }
                rules += wanted;
        }
        assert_int_equal(rules, RULES);
        assert_int_equal(embedded_rules_count, RULES);
        assert_null(rule_for(the_taxonomy(), middle_find(the_taxonomy(), "unclassified"), NULL, NULL, LANG_KO));
}

/* Every tag of every insufficiency calls for its step, and two tags with one step name it once. */
static void situation_tags_call_for_their_steps(void **state)
{
        (void)state;
        const struct taxonomy *t = the_taxonomy();
        for (size_t i = 0; i < t->category_count; i++) {
                size_t k;
                json_t *entry;
                json_array_foreach(json_object_get(t->categories[i].rule, "insufficiency"), k, entry) {
                        const char *tag = json_text(entry, "tag", "");
                        assert_true(is_situation_tag(the_taxonomy(), tag));
                        json_t *situation = json_pack("[s, s, s]", tag, "no such tag", tag);
                        json_t *rule = rule_for(the_taxonomy(), &t->categories[i], NULL, situation, LANG_EN);
                        const json_t *missing = json_object_get(rule, "insufficiencies");
                        assert_int_equal(json_array_size(missing), 1);
                        assert_string_equal(json_string_value(json_array_get(missing, 0)),
                                            json_text(json_object_get(entry, "step"), "en", ""));
                        json_decref(situation);
                        json_decref(rule);
                }
        }
        json_t *both = json_pack("[s, s]", "내용물_있음", "내용물_일부_남음");
        json_t *rule = rule_for(the_taxonomy(), middle_find(the_taxonomy(), "clear-pet"), NULL, both, LANG_KO);
        assert_int_equal(json_array_size(json_object_get(rule, "insufficiencies")), 1);
        json_decref(rule);
        json_decref(both);
}

static void steps_for_an_item_are_found_by_its_name(void **state)
{
        (void)state;
        static const struct {
                const char *slug, *item;
                bool found;
        } rows[] = {
                { "clear-pet", "무색페트병(탄산음료)", true },
                { "clear-pet", "무색페트병 (탄산음료)", true },
                { "clear-pet", "음료pet병", true },
                { "clear-pet", "음료PET", false },
                { "clear-pet", "", false },
                { "clear-pet", NULL, false },
                { "noncombustible", "깨진유리", true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                json_t *rule = rule_for(the_taxonomy(), middle_find(the_taxonomy(), rows[i].slug), rows[i].item, NULL,
                                        LANG_KO);
                if ((json_array_size(json_object_get(rule, "item_steps")) > 0) != rows[i].found)
                        fail_msg("%s", rows[i].item ? rows[i].item : "NULL");
                json_decref(rule);
        }
}

static void check_exceptions(const struct category *c, enum lang lang)
{
        const char *text = rule_exceptions(the_taxonomy(), c, lang);
        assert_true(!text == !c->rule);
        json_t *exceptions = text ? json_loads(text, 0, NULL) : NULL, *entry;
        size_t k;
        json_array_foreach(json_object_get(exceptions, "not_accepted"), k, entry) {
                const char *slug = json_text(entry, "goes_to", "");
                bool shop = strcmp(slug, "return") == 0;
                assert_true(shop || middle_find(the_taxonomy(), slug));
                assert_true(shop == !json_object_get(entry, "label"));
                assert_true(strlen(json_text(entry, "item", "")) > 0 && strlen(json_text(entry, "why", "")) > 0);
        }
        assert_true(!c->rule || k > 0);
        json_decref(exceptions);
}

static void what_is_not_accepted_names_where_it_goes(void **state)
{
        (void)state;
        const struct taxonomy *t = the_taxonomy();
        for (size_t i = 0; i < t->category_count; i++)
                for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++)
                        check_exceptions(&t->categories[i], lang);
        assert_non_null(
                strstr(rule_exceptions(the_taxonomy(), middle_find(the_taxonomy(), "film"), LANG_KO), "더러운 비닐"));
        assert_non_null(
                strstr(rule_exceptions(the_taxonomy(), middle_find(the_taxonomy(), "film"), LANG_EN), "Soiled film"));
}

/* ---- what the tasks' files say ---- */

static void the_catalogue_is_in_order(void **state)
{
        (void)state;
        const struct task_set *set = catalog_tasks(shipped());
        for (size_t i = 0; i < set->count; i++) {
                const struct task_def *def = set->tasks[i].def;
                assert_ptr_equal(catalog_task(shipped(), def->name), &set->tasks[i]); /* so no name is there twice */
                assert_int_equal(set->tasks[i].index, i);
                if (!(def->flags & TASK_PLAIN)) /* those share a queue */
                        assert_string_equal(def->queue, def->name);
                assert_true(!def->ask == !def->conclude && !def->ask != !def->run);
                assert_true(!def->ask == !def->schema && !def->ask == !def->offline);
                assert_true(!def->ask == !def->prompts);
                for (size_t k = 0; def->ask && waste_languages[k]; k++)
                        assert_string_equal(def->prompts[k].lang, waste_languages[k]);
                assert_int_equal(def->retry.limit, 3);
                assert_int_equal(def->retry.base_ms, 1000);
                assert_int_equal(def->retry.cap_ms, 60000);
                assert_true(def->deadline_ms >= 10000 && def->deadline_ms <= 30000);
        }
        assert_null(catalog_task(shipped(), "scan.visio"));
        assert_null(catalog_task(shipped(), ""));
        assert_int_equal(catalog_task(shipped(), "chard.echo")->def->flags, TASK_STATELESS | TASK_DIAGNOSTIC);
        assert_int_equal(catalog_task(shipped(), "chard.note")->def->flags, TASK_DIAGNOSTIC);
        assert_int_equal(catalog_task(shipped(), "scan.reward")->def->flags, 0);
        assert_string_equal(catalog_task(shipped(), "scan.reward")->def->sees[0].kind, FACT_OWNED);
}

static const json_t *property(const struct task *task, const char *name)
{
        return json_object_get(json_object_get(task->schema, "properties"), name);
}

/* What structured outputs ask of a schema: every property required, none beside them, lists filled in. */
static void schemas_are_strict(void **state)
{
        (void)state;
        const struct task_set *set = catalog_tasks(shipped());
        for (size_t i = 0; i < set->count; i++) {
                const json_t *schema = set->tasks[i].schema;
                assert_true(!schema == !set->tasks[i].def->schema);
                if (!schema)
                        continue;
                assert_true(json_is_false(json_object_get(schema, "additionalProperties")));
                assert_int_equal(json_array_size(json_object_get(schema, "required")),
                                 json_object_size(json_object_get(schema, "properties")));
        }
        const struct task *vision = catalog_task(shipped(), "scan.vision");
        assert_int_equal(json_array_size(json_object_get(property(vision, "major"), "enum")), MAJORS);
        assert_int_equal(json_array_size(json_object_get(property(vision, "middle"), "enum")),
                         MAJORS + RECYCLABLES - 1);
        const json_t *tags = json_object_get(json_object_get(property(vision, "situation"), "items"), "enum");
        assert_int_equal(json_array_size(tags), TAGS);
}

static void the_catalogue_names_every_category_and_item(void **state)
{
        (void)state;
        const struct taxonomy *t = the_taxonomy();
        for (size_t i = 0; i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                size_t k;
                json_t *item;
                for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++) {
                        assert_non_null(strstr(t->catalogue[lang], c->slug));
                        assert_non_null(strstr(t->catalogue[lang], c->label[lang]));
                        json_array_foreach((json_t *)c->items, k, item) {
                                assert_non_null(strstr(t->catalogue[lang], json_string_value(item)));
                        }
                }
        }
        for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++) {
                const char *prompt = task_prompt(catalog_task(shipped(), "scan.vision"), lang_codes[lang])->text;
                assert_non_null(strstr(prompt, t->catalogue[lang]));
                assert_non_null(strstr(prompt, t->tag_list));
                assert_null(strchr(prompt, '@'));
        }
        assert_null(task_prompt(catalog_task(shipped(), "scan.reward"), "ko"));
        assert_non_null(strstr(t->tag_list, "내용물_있음, 내용물_없음"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_embedded_data_can_be_read),
                cmocka_unit_test(the_taxonomy_has_its_majors_and_middles),
                cmocka_unit_test(tags_and_characters_are_there),
                cmocka_unit_test(the_language_is_korean_unless_it_is_english),
                cmocka_unit_test(every_category_but_one_has_a_rule_in_both_languages),
                cmocka_unit_test(situation_tags_call_for_their_steps),
                cmocka_unit_test(steps_for_an_item_are_found_by_its_name),
                cmocka_unit_test(what_is_not_accepted_names_where_it_goes),
                cmocka_unit_test(the_catalogue_is_in_order),
                cmocka_unit_test(schemas_are_strict),
                cmocka_unit_test(the_catalogue_names_every_category_and_item),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
