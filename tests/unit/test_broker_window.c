/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes in flight: confirms, returns, refusals. */
#include "broker/amqp/publish/window.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 40 };

struct fixture {
        struct window w;
        struct publishing publishes[COUNT];
        struct publishing_list finished;
};

static const struct bytes PROPERTIES = { (const unsigned char *)"\x80\0\1x", 4 };

/* Publish `count` messages, the key of each being one letter of `keys`, all to exchange "e". */
static void set_up(struct fixture *f, const char *keys)
{
        struct publishing_list none = { 0 };
        memset(f, 0, sizeof(*f));
        window_restart(&f->w, &none);
        for (size_t i = 0; keys[i]; i++) {
                const char key[2] = { keys[i], 0 };
                f->publishes[i].message = message_new("e", key, PROPERTIES, bytes_of_string("body"));
                assert_non_null(f->publishes[i].message);
                window_add(&f->w, &f->publishes[i]);
        }
}

static void tear_down(struct fixture *f)
{
        for (size_t i = 0; i < COUNT; i++)
                message_free(f->publishes[i].message);
}

/* What has finished since the last call: "1c 2r 3x" = number, then confirmed, returned or refused. */
static void check_finished(struct fixture *f, const char *expected)
{
        struct buffer text = { 0 };
        struct publishing *p;
        while ((p = publishing_list_take(&f->finished)))
                buffer_addf(&text, "%s%d%c", text.size ? " " : "", (int)(p - f->publishes) + 1, "crx"[p->result]);
        buffer_add_byte(&text, '\0');
        assert_string_equal((char *)text.data, expected);
        buffer_free(&text);
}

static void confirms_end_publishes_in_order(void **state)
{
        (void)state;
        struct fixture f;
        set_up(&f, "abcdefghij");
        window_settle(&f.w, 3, false, false, &f.finished);
        check_finished(&f, "3c");
        window_settle(&f.w, 5, true, false, &f.finished);
        check_finished(&f, "1c 2c 4c 5c");
        window_settle(&f.w, 6, false, true, &f.finished);
        check_finished(&f, "6x");
        window_settle(&f.w, 6, false, false, &f.finished);
        window_settle(&f.w, 3, true, false, &f.finished);
        window_settle(&f.w, 11, true, false, &f.finished);
        window_settle(&f.w, 0, false, false, &f.finished);
        check_finished(&f, "");
        window_settle(&f.w, 8, true, true, &f.finished);
        check_finished(&f, "7x 8x");
        window_settle(&f.w, 0, true, false, &f.finished);
        check_finished(&f, "9c 10c");
        assert_int_equal(f.w.count, 0);
        tear_down(&f);
}

/* The numbers that a broker may send, and those that it must not: while the newest of four is still being written, or not. */
static void numbers_out_of_range_settle_nothing(void **state)
{
        (void)state;
        static const struct {
                bool writing;
                uint64_t number;
                bool multiple;
                int result;
                const char *finished;
        } cases[] = {
                { false, 0, true, 0, "1c 2c 3c 4c" },
                { true, 0, true, 0, "1c 2c 3c" },
                { false, 0, false, -EPROTO, "" },
                { true, 0, false, -EPROTO, "" },
                { false, 4, false, 0, "4c" },
                { true, 4, false, -EPROTO, "" },
                { true, 4, true, -EPROTO, "" },
                { true, 3, true, 0, "1c 2c 3c" },
                { false, 5, false, -EPROTO, "" },
                { false, 5, true, -EPROTO, "" },
                { false, UINT64_MAX, true, -EPROTO, "" },
                { true, UINT64_MAX, false, -EPROTO, "" },
                { false, WINDOW_SIZE + 1, false, -EPROTO, "" },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct fixture f;
                set_up(&f, "abcd");
                f.w.writing = cases[i].writing;
                assert_int_equal(window_settle(&f.w, cases[i].number, cases[i].multiple, false, &f.finished),
                                 cases[i].result);
                check_finished(&f, cases[i].finished);
                tear_down(&f);
        }
}

static void an_empty_window_has_nothing_to_settle(void **state)
{
        (void)state;
        struct fixture f;
        set_up(&f, "");
        assert_int_equal(window_settle(&f.w, 0, true, true, &f.finished), 0);
        assert_int_equal(window_settle(&f.w, 1, false, true, &f.finished), -EPROTO);
        set_up(&f, "a");
        f.w.writing = true;
        assert_int_equal(window_settle(&f.w, 0, true, true, &f.finished), 0);
        check_finished(&f, "");
        assert_int_equal(f.w.count, 1);
        tear_down(&f);
}

static void come_back(struct fixture *f, const char *key, struct bytes properties, uint64_t size, bool known)
{
        assert_int_equal(window_returned(&f->w, bytes_of_string("e"), bytes_of_string(key), properties, size), known);
}

static void a_return_is_found_by_its_address(void **state)
{
        (void)state;
        struct fixture f;
        set_up(&f, "abab");
        come_back(&f, "b", PROPERTIES, 4, true);
        come_back(&f, "b", PROPERTIES, 4, true);
        come_back(&f, "b", PROPERTIES, 4, false);
        come_back(&f, "z", PROPERTIES, 4, false);
        window_settle(&f.w, 4, true, false, &f.finished);
        check_finished(&f, "1c 2r 3c 4r");
        tear_down(&f);
}

static void a_return_is_found_by_its_content(void **state)
{
        (void)state;
        static const struct bytes other = { (const unsigned char *)"\x80\0\1y", 4 };
        struct fixture f;
        set_up(&f, "aa");
        message_free(f.publishes[1].message);
        f.publishes[1].message = message_new("e", "a", other, bytes_of_string("body"));
        assert_non_null(f.publishes[1].message);
        come_back(&f, "a", other, 4, true);
        window_settle(&f.w, 2, true, false, &f.finished);
        check_finished(&f, "1c 2r");
        tear_down(&f);
}

static void an_altered_return_falls_back_to_the_oldest(void **state)
{
        (void)state;
        struct fixture f;
        set_up(&f, "aaa");
        come_back(&f, "a", bytes_of_string("?"), 4, true);
        window_settle(&f.w, 3, true, true, &f.finished);
        check_finished(&f, "1x 2x 3x"); /* a nack stays a nack */
        tear_down(&f);
}

static void a_missing_exchange_refuses_what_goes_there(void **state)
{
        (void)state;
        struct fixture f;
        set_up(&f, "abc");
        message_free(f.publishes[1].message);
        f.publishes[1].message = message_new("gone", "b", PROPERTIES, bytes_of_string("body"));
        assert_non_null(f.publishes[1].message);
        assert_int_equal(window_refuse_exchange(&f.w, bytes_of_string("gon"), &f.finished), 0);
        assert_int_equal(window_refuse_exchange(&f.w, bytes_of_string("gone"), &f.finished), 1);
        check_finished(&f, "2x");
        struct publishing_list again = { 0 }, waiting = { 0 };
        window_restart(&f.w, &again);
        assert_int_equal(again.count, 2);
        publishing_list_prepend(&waiting, &again);
        assert_ptr_equal(publishing_list_take(&waiting), &f.publishes[0]);
        assert_ptr_equal(publishing_list_take(&waiting), &f.publishes[2]);
        assert_null(publishing_list_take(&waiting));
        tear_down(&f);
}

static void a_list_keeps_its_order(void **state)
{
        (void)state;
        struct publishing p[4] = { { .arg = NULL } };
        struct publishing_list back = { 0 }, front = { 0 };
        publishing_list_prepend(&back, &front);
        assert_null(back.first);
        publishing_list_add(&back, &p[2]);
        publishing_list_add(&back, &p[3]);
        publishing_list_add(&front, &p[0]);
        publishing_list_add(&front, &p[1]);
        publishing_list_prepend(&back, &front);
        assert_int_equal(back.count, 4);
        for (int i = 0; i < 4; i++)
                assert_ptr_equal(publishing_list_take(&back), &p[i]);
        publishing_list_add(&front, &p[0]);
        publishing_list_prepend(&back, &front);
        publishing_list_add(&back, &p[1]);
        assert_ptr_equal(publishing_list_take(&back), &p[0]);
        assert_ptr_equal(publishing_list_take(&back), &p[1]);
        assert_null(back.last);
}

static void a_full_window_goes_round(void **state)
{
        (void)state;
        struct publishing_list none = { 0 };
        struct window *w = calloc(1, sizeof(*w));
        struct publishing *all = calloc(3 * WINDOW_SIZE, sizeof(*all));
        window_restart(w, &none);
        for (size_t i = 0; i < 3 * WINDOW_SIZE; i++) {
                if (window_full(w)) {
                        struct publishing_list finished = { 0 };
                        window_settle(w, i - 10, true, false, &finished);
                        assert_int_equal(finished.count, WINDOW_SIZE - 10);
                }
                window_add(w, &all[i]);
        }
        free(all);
        free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(confirms_end_publishes_in_order),
                cmocka_unit_test(numbers_out_of_range_settle_nothing),
                cmocka_unit_test(an_empty_window_has_nothing_to_settle),
                cmocka_unit_test(a_return_is_found_by_its_address),
                cmocka_unit_test(a_return_is_found_by_its_content),
                cmocka_unit_test(an_altered_return_falls_back_to_the_oldest),
                cmocka_unit_test(a_missing_exchange_refuses_what_goes_there),
                cmocka_unit_test(a_list_keeps_its_order),
                cmocka_unit_test(a_full_window_goes_round),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
