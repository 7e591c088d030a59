/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: the record that one is given, what of the message it keeps, and what becomes of it when it is sent again. */
#include "message_support.h"
#include "message/wire/base64.h"
#include "message/wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct dead_record RECORD = {
        "provider", "invalid_api_key", "no more \xED\x95\x9C", 1700000000123, 4, "trace-1", NULL, NULL, NULL
};

static void a_dead_letter_has_its_record(void **state)
{
        (void)state;
        struct buffer table = { 0 };
        header_add_text(&table, "errorCode", bytes_of_string("older"));
        header_add_number(&table, "attempts", 1);
        header_add_text(&table, "trace_id", bytes_of_string("older"));
        header_add_text(&table, "mine", bytes_of_string("stays"));
        struct made made = make_task(buffer_view(&table), "not \xFF even JSON");
        struct message *m =
                message_dead("scan.vision", buffer_view(&made.properties), buffer_view(&made.body), &RECORD);
        assert_string_equal(m->exchange, "chard.dead");
        assert_string_equal(m->routing_key, "scan.vision");
        assert_true(bytes_equal(m->body, buffer_view(&made.body)));
        json_t *headers = headers_of(m->properties);
        json_t *expected =
                parse("{\"task\":\"t\",\"id\":\"i\",\"mine\":\"stays\",\"errorSource\":\"provider\","
                      "\"errorCode\":\"invalid_api_key\",\"errorMessage\":\"no more 한\","
                      "\"timestamp\":\"2023-11-14T22:13:20.123+00:00\",\"attempts\":4,\"trace_id\":\"trace-1\"}");
        assert_json(headers, expected, "headers");
        json_decref(headers);
        json_decref(expected);
        message_free(m);
        struct dead_record untraced = RECORD;
        untraced.trace_id = NULL;
        m = message_dead("q", buffer_view(&made.properties), buffer_view(&made.body), &untraced);
        assert_header(m, "trace_id", "\"older\"");
        message_free(m);
        made_free(&made);
        buffer_free(&table);
}

static void a_dead_letter_says_who_buried_it(void **state)
{
        (void)state;
        struct dead_record record = RECORD;
        record.worker = "w1";
        record.id = "d1";
        struct made made = make_task((struct bytes){ NULL, 0 }, "b");
        struct message *m = message_dead("q", buffer_view(&made.properties), buffer_view(&made.body), &record);
        assert_header(m, "deadWorker", "\"w1\"");
        assert_header(m, "deadId", "\"d1\"");
        message_free(m);
        made_free(&made);
}

static void a_revived_letter_begins_anew(void **state)
{
        (void)state;
        struct buffer table = { 0 };
        struct problem why;
        json_t *deaths = parse("[{\"queue\":\"q\",\"reason\":\"expired\",\"count\":1}]");
        header_add_number(&table, "retries", 4);
        header_add_text(&table, "eta", bytes_of_string("2026-11-21T00:00:00"));
        header_add_text(&table, "expires", bytes_of_string("2026-11-21T00:00:00"));
        header_add_text(&table, "mine", bytes_of_string("stays"));
        header_add_json(&table, "x-death", deaths);
        header_add_text(&table, "x-first-death-queue", bytes_of_string("q"));
        struct made made = make_task(buffer_view(&table), "b");
        struct dead_record record = RECORD;
        record.worker = "w1";
        record.id = "d1";
        record.trace_id = NULL;
        struct message *dead = message_dead("q", buffer_view(&made.properties), buffer_view(&made.body), &record),
                       *m = NULL;
        assert_int_equal(message_revive("q2", dead->properties, bytes_of_string("other"), &m, &why), 0);
        assert_string_equal(m->exchange, "");
        assert_string_equal(m->routing_key, "q2");
        assert_true(bytes_equal(m->body, bytes_of_string("other")));
        json_t *headers = headers_of(m->properties);
        json_t *expected = parse(
                "{\"task\":\"t\",\"id\":\"i\",\"retries\":0,\"eta\":null,\"expires\":null,\"mine\":\"stays\",\"deadBefore\":\"d1\"}");
        assert_json(headers, expected, "headers");
        json_decref(headers);
        json_decref(expected);
        json_decref(deaths);
        message_free(m);
        message_free(dead);
        made_free(&made);
        buffer_free(&table);
        dead = message_dead("q", bytes_of("\xFF\xFF\xFF", 3), bytes_of_string("b"), &record);
        assert_int_equal(message_revive("q", dead->properties, dead->body, &m, &why), 1);
        assert_string_equal(why.code, "bad_properties");
        message_free(dead);
}

static void unreadable_properties_are_kept_as_text(void **state)
{
        (void)state;
        static unsigned char large[200000];
        memset(large, 'x', sizeof(large));
        struct made damaged = make_message(bytes_of("\1a?", 3), bytes_of_string("b"));
        const struct bytes rows[] = { { NULL, 0 },
                                      bytes_of("\xFF\xFF\xFF", 3),
                                      buffer_view(&damaged.properties),
                                      bytes_of(large, sizeof(large)) };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct message *m = message_dead("q", rows[i], bytes_of_string("b"), &RECORD);
                struct properties p;
                struct header h;
                struct buffer original = { 0 };
                struct bytes text;
                assert_int_equal(properties_read(m->properties, &p, NULL), 0);
                assert_true(header_find(p.headers, "originalProperties", &h));
                assert_true(header_text(&h, &text));
                assert_int_equal(base64_decode(text, &original), 0);
                const size_t size = rows[i].size < MESSAGE_MAX_PROPERTIES ? rows[i].size : MESSAGE_MAX_PROPERTIES;
                assert_true(bytes_equal(buffer_view(&original), bytes_of(rows[i].data, size)));
                assert_true(m->properties.size < 131072 - 100);
                assert_int_equal(p.delivery_mode, 2);
                assert_header(m, "errorCode", "\"invalid_api_key\"");
                buffer_free(&original);
                message_free(m);
        }
        made_free(&damaged);
}

static void an_endless_error_text_is_cut_at_a_character(void **state)
{
        (void)state;
        struct buffer text = { 0 };
        for (unsigned i = 0; i < 100000; i++)
                buffer_add_string(&text, "\xED\x95\x9C");
        buffer_add_byte(&text, '\0');
        struct dead_record record = RECORD;
        record.text = (const char *)text.data;
        record.source = NULL;
        struct made made = make_task((struct bytes){ NULL, 0 }, "");
        struct message *m = message_dead("q", buffer_view(&made.properties), buffer_view(&made.body), &record);
        json_t *headers = headers_of(m->properties);
        assert_int_equal(json_string_length(json_object_get(headers, "errorMessage")), 8190);
        assert_header(m, "errorSource", "\"\"");
        json_decref(headers);
        message_free(m);
        made_free(&made);
        buffer_free(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_dead_letter_has_its_record),
                cmocka_unit_test(a_dead_letter_says_who_buried_it),
                cmocka_unit_test(a_revived_letter_begins_anew),
                cmocka_unit_test(unreadable_properties_are_kept_as_text),
                cmocka_unit_test(an_endless_error_text_is_cut_at_a_character),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
