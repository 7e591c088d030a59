/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "tasks/offline.h"
#include "tasks/waste/offline.h"
#include "tasks/task.h"
#include "tasks/waste/taxonomy.h"
#include "tasks/waste/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* That of the shipped tasks. */
static const struct taxonomy *the_taxonomy(void)
{
        return catalog_task(shipped(), "scan.vision")->data;
}

/* What a text, or a picture's URL, is taken for. */
struct offline_seen {
        const char *text, *url, *middle;
};

static void each_seen(const struct offline_seen *rows, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                json_t *answer = NULL;
                json_t *document =
                        json_pack("{s:{s:s*, s:s*}}", "input", "text", rows[i].text, "image_url", rows[i].url);
                const struct task_input in = { .document = document, .task = catalog_task(shipped(), "scan.vision") };
                assert_int_equal(offline_classify(&in, &answer), 0);
                const char *middle = json_string_value(json_object_get(answer, "middle"));
                if (strcmp(middle, rows[i].middle) != 0)
                        fail_msg("\"%s\" %s was taken for %s, not %s", rows[i].text ? rows[i].text : "",
                                 rows[i].url ? rows[i].url : "", middle, rows[i].middle);
                json_decref(answer);
                json_decref(document);
        }
}
#define EACH_SEEN(rows) each_seen(rows, sizeof(rows) / sizeof(*(rows)))

static void korean_words_name_the_category(void **state)
{
        (void)state;
        static const struct offline_seen rows[] = {
                { "이 페트병은 어떻게 버리나요?", NULL, "clear-pet" },
                { "깨끗이 비우고 헹군 무색페트병(물병)이에요.", NULL, "clear-pet" },
                { "캔을 버리려고요", NULL, "metal" },
                { "빈 캔", NULL, "metal" },
                { "참치캔이요", NULL, "metal" },
                { "다 쓴 건전지", NULL, "battery" },
                { "보조배터리가 부풀었어요", NULL, "battery" },
                { "깨진유리예요", NULL, "noncombustible" },
                { "깨진 유리병을 버리려고요", NULL, "noncombustible" },
                { "소주병", NULL, "glass" },
                { "우유팩은 헹궈서 버려야 하나요?", NULL, "carton" },
                { "택배 상자", NULL, "paper" },
                { "신문지와 골판지", NULL, "paper" },
                { "과자봉지요", NULL, "film" },
                { "스티로폼 상자", NULL, "foam" },
                { "샴푸통 하나", NULL, "plastic" },
                { "헌 옷이 많아요", NULL, "textile" },
                { "형광등", NULL, "lighting" },
                { "고장난 선풍기", NULL, "electronics" },
                { "먹고 남은 약", NULL, "hazardous" },
                { "바나나 껍질", NULL, "food" },
                { "닭뼈는요?", NULL, "general" },
                { "낡은 소파", NULL, "bulky" },
                { "욕실을 고치고 남은 폐타일", NULL, "construction" },
                { "색이 있는 페트병", NULL, "plastic" },
                /* short words inside others are none */
                { "이걸 스캔했어요", NULL, "unclassified" },
                { "캔버스에 그린 그림", NULL, "unclassified" },
                { "내일 약속이 있어요", NULL, "unclassified" },
                { "날씨가 어때요?", NULL, "unclassified" },
                { "", NULL, "unclassified" },
        };
        EACH_SEEN(rows);
}

static void english_words_name_the_category(void **state)
{
        (void)state;
        static const struct offline_seen rows[] = {
                { "An aluminium can, empty and rinsed.", NULL, "metal" },
                { "two CANS of beer", NULL, "metal" },
                { "Can I throw this away?", NULL, "unclassified" },
                { "Can I recycle a battery?", NULL, "battery" },
                { "How do I put out clothing and fabric?", NULL, "textile" },
                { "a plastic bottle", NULL, "clear-pet" },
                { "a coloured PET bottle", NULL, "plastic" },
                { "broken glass", NULL, "noncombustible" },
                { "broken glass bottle", NULL, "noncombustible" },
                { "cardboard boxes", NULL, "paper" },
                { "an old TV", NULL, "electronics" },
                { "leftover paint", NULL, "hazardous" },
                { "What will the weather be like in Seoul tomorrow?", NULL, "unclassified" },
                { "a scanner's cancan", NULL, "unclassified" },
        };
        EACH_SEEN(rows);
}

static void the_pictures_file_name_counts_too(void **state)
{
        (void)state;
        static const struct offline_seen rows[] = {
                { NULL, "https://example.com/photos/glass_bottle-01.jpg?battery", "glass" },
                { NULL, "https://example.com/%ED%8E%98%ED%8A%B8%EB%B3%91.png", "clear-pet" },
                { NULL, "https://example.com/battery/1.jpg", "unclassified" },
                { NULL, "HTTP://EXAMPLE.COM/TIN%20CAN.JPG#x", "metal" },
                { "이 건전지요", "https://example.com/can.jpg", "battery" },
                { NULL, "data:image/png;base64,battery", "unclassified" },
                { NULL, "https://example.com/%zz%e", "unclassified" },
                { NULL, "https://example.com/%00can", "metal" },
                { NULL, "https://example.com/%ff%fe.jpg", "unclassified" },
                { NULL, "http", "unclassified" },
        };
        EACH_SEEN(rows);
}

static void every_item_of_the_taxonomy_is_known_by_its_own_name(void **state)
{
        (void)state;
        const struct taxonomy *t = the_taxonomy();
        for (size_t c = 0; c < t->category_count; c++) {
                size_t i;
                json_t *item;
                json_array_foreach((json_t *)t->categories[c].items, i, item) {
                        struct word_match match;
                        assert_true(words_category(the_taxonomy(), json_string_value(item), &match));
                        /* some names stand in two categories ("식품용기"): the first has it */
                        if (match.category != &t->categories[c] && strcmp(match.item, json_string_value(item)) != 0)
                                fail_msg("%s is taken for %s", json_string_value(item), match.category->slug);
                }
        }
}

struct offline_state {
        const char *text, *tags;
};

static void words_tell_the_situation(void **state)
{
        (void)state;
        static const struct offline_state rows[] = {
                { "", "[]" },
                { "빈 병이에요", "['내용물_없음']" },
                { "비우지 않은 병", "['내용물_있음']" },
                { "라벨을 떼고 헹군 병", "['비닐_라벨_완전_제거됨', '내용물_없음']" },
                { "라벨이 붙어 있어요", "['비닐_라벨_부착']" },
                { "음료가 조금 남았어요", "['내용물_일부_남음']" },
                { "깨진 컵, 깨진 접시", "['깨짐']" },
                { "rinsed and emptied", "['내용물_없음']" },
                { "not rinsed", "['세척_필요']" },
                { "unrinsed", "['세척_필요']" },
                { "without label, cap on", "['비닐_라벨_완전_제거됨', '뚜껑_닫힘(플라스틱)']" },
                { "greasy and broken", "['기름기_오염', '깨짐']" },
                { "how do I put out a box?", "[]" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
                assert_outcome(rows[i].text, rows[i].tags, words_situation(the_taxonomy(), rows[i].text));
}

static void a_very_long_text_is_searched_too(void **state)
{
        (void)state;
        struct word_match match;
        char *text = malloc(100000);
        memset(text, 'x', 99980);
        strcpy(text + 99980, " glass bottle");
        assert_true(words_category(the_taxonomy(), text, &match));
        assert_string_equal(match.category->slug, "glass");
        free(text);
}

/* ---- whole answers ---- */

#define SCAN(lang, text)                                                    \
        "{'job': {'id': 'j', 'user_id': 'u', 'lang': '" lang                \
        "'}, 'input': {'image_url': 'https://x.kr/1.jpg', 'user_id': 'u', " \
        "'text': '" text "'}}"
#define CLASSIFIED(lang, middle, situation)                                 \
        "{'job': {'id': 'j', 'user_id': 'u', 'lang': '" lang                \
        "'}, 'input': {'text': '?'}, 'classification': {'middle': '" middle \
        "', 'item': null, 'situation': [" situation "], 'about_waste': true}}"

static void offline_answers_fit_their_schemas_and_the_language(void **state)
{
        (void)state;
        static const struct {
                const char *task, *document, *expected;
        } rows[] = {
                { "scan.vision", SCAN("ko", "헹군 캔"),
                  "{'major': 'recyclable', 'middle': 'metal', 'item': '캔', 'situation': ['내용물_없음']}" },
                { "scan.vision", SCAN("en", "nothing known"),
                  "{'major': 'unclassified', 'middle': 'unclassified', 'item': null, 'situation': []}" },
                { "scan.answer", CLASSIFIED("ko", "battery", ""),
                  "{'disposal_steps': ['…', '…', '…', '…', '…'], 'insufficiencies': [],"
                  " 'user_answer': '…전지'}" },
                { "scan.answer", CLASSIFIED("en", "clear-pet", "'내용물_있음', '내용물_일부_남음', '뚜껑_열림'"),
                  "{'disposal_steps': '…', 'insufficiencies': ['Empty out what is left in the bottle.',"
                  " 'Press the bottle flat, then close the cap tightly.'],"
                  " 'user_answer': '…This belongs to: Clear PET bottles. First: 1) Empty out what is left in the bottle. 2) Press'}" },
                { "scan.answer", CLASSIFIED("en", "unclassified", ""),
                  "{'disposal_steps': [], 'insufficiencies': [], 'user_answer': '…could not tell'}" },
                { "scan.answer", CLASSIFIED("ko", "unclassified", ""),
                  "{'disposal_steps': [], 'insufficiencies': [], 'user_answer': '…알아보지 못했어요'}" },
                { "chat.classify", "{'job': {'lang': 'ko'}, 'input': {'user_id': 'u', 'text': '우유팩은요?'}}",
                  "{'about_waste': true, 'major': 'recyclable', 'middle': 'carton', 'item': '우유팩', 'situation': []}" },
                { "chat.classify", "{'job': {'lang': 'ko'}, 'input': {'user_id': 'u', 'text': '이거 어디에 버려요?'}}",
                  "{'about_waste': true, 'major': 'unclassified', 'middle': 'unclassified', 'item': null, 'situation': []}" },
                { "chat.classify",
                  "{'job': {'lang': 'en'}, 'input': {'user_id': 'u', 'text': 'What will the weather be?'}}",
                  "{'about_waste': false, 'major': 'unclassified', 'middle': 'unclassified', 'item': null, 'situation': []}" },
                { "chat.answer", CLASSIFIED("ko", "carton", ""), "{'disposal_steps': '…', 'user_answer': '…종이팩'}" },
                { "chat.answer", CLASSIFIED("en", "unclassified", ""),
                  "{'disposal_steps': [], 'user_answer': '…What would you like to throw away?'}" },
                { "chat.answer",
                  "{'job': {'lang': 'en'}, 'input': {'text': '?'}, 'classification': {'middle': 'unclassified', 'about_waste': false}}",
                  "{'disposal_steps': [], 'user_answer': '…I can help with sorting household waste.'}" },
                { "chat.answer",
                  "{'job': {'lang': 'ko'}, 'input': {'text': '?'}, 'classification': {'middle': 'unclassified', 'about_waste': false}}",
                  "{'disposal_steps': [], 'user_answer': '…저는 분리배출을 안내하고 있어요.'}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
                assert_outcome(rows[i].document, rows[i].expected, try_offline(rows[i].task, rows[i].document));
}

static void a_task_without_an_offline_answer_says_so(void **state)
{
        (void)state;
        struct problem why = { 0 };
        json_t *answer = NULL;
        static const char *const tasks[] = { "chard.echo", "scan.reward", "no.such.task" };
        for (size_t i = 0; i < sizeof(tasks) / sizeof(*tasks); i++) {
                assert_int_equal(offline_answer(catalog_task(shipped(), tasks[i]),
                                                &(struct ai_request){ .task = tasks[i] }, &answer, &why),
                                 1);
                assert_string_equal(why.code, "no_offline_answer");
                assert_non_null(strstr(why.text, tasks[i]));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(korean_words_name_the_category),
                cmocka_unit_test(english_words_name_the_category),
                cmocka_unit_test(the_pictures_file_name_counts_too),
                cmocka_unit_test(every_item_of_the_taxonomy_is_known_by_its_own_name),
                cmocka_unit_test(words_tell_the_situation),
                cmocka_unit_test(a_very_long_text_is_searched_too),
                cmocka_unit_test(offline_answers_fit_their_schemas_and_the_language),
                cmocka_unit_test(a_task_without_an_offline_answer_says_so),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
