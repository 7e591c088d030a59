/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A document as chat.answer leaves it, cut down to what this task reads. */
#define CHAT(lang, text, answer)                                                             \
        "{'job': {'id': 'job-1', 'pipeline': 'chat', 'user_id': 'u-1', 'lang': '" lang "'}," \
        " 'input': {" text "}" answer "}"
#define ANSWERED CHAT("en", "'text': 'Where do cartons go?'", ", 'answer': {'user_answer': 'In their bin.'}")

static void it_asks_with_the_question_and_its_answer(void **state)
{
        (void)state;
        assert_outcome("english",
                       "{'task': 'chat.title', 'model': 'text', 'deadline_ms': 10000, 'lang': 'en', 'turns': ["
                       "{'role': 'system', 'parts': [{'text': '…at most five words'}]},"
                       "{'role': 'user', 'parts': [{'text': 'Where do cartons go?'}, {'text': 'In their bin.'}]}]}",
                       try_ask("chat.title", ANSWERED));
        assert_outcome("no answer", "{'refused': {'source': 'task', 'code': 'missing_section', 'text': '…answer'}}",
                       try_ask("chat.title", CHAT("ko", "'text': '?'", "")));
        assert_outcome("no question", "{'refused': {'source': 'task', 'code': 'bad_document', 'text': '…has no '}}",
                       try_ask("chat.title", CHAT("ko", "", ", 'answer': {}")));
}

static void it_adds_a_section_and_an_event(void **state)
{
        (void)state;
        assert_outcome("a title",
                       "{'sections': {'title': {'text': 'Cartons'}},"
                       " 'events': [{'of': 'chat job-1', 'type': 'ChatTitled',"
                       " 'payload': {'job_id': 'job-1', 'user_id': 'u-1', 'title': 'Cartons'}}]}",
                       try_conclude("chat.title", ANSWERED, "{'title': 'Cartons'}"));
        assert_outcome("an empty one", "{'refused': {'source': 'task', 'code': 'bad_answer', 'text': '…empty title'}}",
                       try_conclude("chat.title", ANSWERED, "{'title': ''}"));
}

static void offline_the_question_is_its_own_title(void **state)
{
        (void)state;
        assert_outcome("short", "{'title': 'Where do cartons go?'}", try_offline("chat.title", ANSWERED));
        assert_outcome(
                "cut at 30 characters", "{'title': '우유팩은 헹궈서 버려야 하나요 아니면 그냥 접어서 내놓'}",
                try_offline("chat.title",
                            CHAT("ko", "'text': '우유팩은 헹궈서 버려야 하나요 아니면 그냥 접어서 내놓으면 되나요?'",
                                 ", 'answer': {}")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_asks_with_the_question_and_its_answer),
                cmocka_unit_test(it_adds_a_section_and_an_event),
                cmocka_unit_test(offline_the_question_is_its_own_title),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
