/* SPDX-License-Identifier: Apache-2.0 */
/* What one thread can see of a mailbox; test_mailbox_threads.c has several. */
#include "core/thread/mailbox.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct piece {
        struct mail mail;
        int number;
};

static struct mailbox *opened(void)
{
        struct mailbox *box;
        assert_int_equal(mailbox_new(&box), 0);
        return box;
}

static int is_readable(const struct mailbox *box)
{
        struct pollfd fd = { .fd = mailbox_fd(box), .events = POLLIN };
        return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

/* Numbers first … last are in the list, in this order, and nothing else. */
static void numbers(const struct mail *mail, int first, int last)
{
        for (int i = first; i <= last; i++, mail = mail->next) {
                assert_non_null(mail);
                assert_int_equal(((const struct piece *)mail)->number, i);
        }
        assert_null(mail);
}

/* Link `count` pieces, numbered from `first`. */
static void link_up(struct piece *pieces, int count, int first)
{
        for (int i = 0; i < count; i++) {
                pieces[i].number = first + i;
                pieces[i].mail.next = i + 1 < count ? &pieces[i + 1].mail : NULL;
        }
}

static void an_empty_box_is_silent(void **state)
{
        (void)state;
        struct mailbox *box = opened();
        assert_false(is_readable(box));
        assert_null(mailbox_take(box));
        mailbox_free(box);
        mailbox_free(NULL);
}

static void mail_comes_out_in_order_and_only_once(void **state)
{
        (void)state;
        struct mailbox *box = opened();
        struct piece pieces[10];
        link_up(pieces, 10, 0);
        mailbox_put(box, &pieces[0].mail); /* one of a list, put alone, leaves its list */
        assert_true(is_readable(box));
        numbers(mailbox_take(box), 0, 0);
        assert_false(is_readable(box));

        for (int i = 0; i < 4; i++)
                mailbox_put(box, &pieces[i].mail);
        link_up(pieces + 4, 5, 4);
        mailbox_put_list(box, &pieces[4].mail, &pieces[8].mail);
        pieces[9].number = 9;
        mailbox_put(box, &pieces[9].mail);
        assert_true(is_readable(box));
        numbers(mailbox_take(box), 0, 9);
        assert_null(mailbox_take(box));
        assert_false(is_readable(box));
        mailbox_free(box);
}

static void a_piece_may_be_put_again(void **state)
{
        (void)state;
        struct mailbox *box = opened();
        struct piece pieces[3];
        for (int round = 0; round < 1000; round++) {
                link_up(pieces, 3, 0);
                mailbox_put_list(box, &pieces[0].mail, &pieces[2].mail);
                assert_true(is_readable(box));
                numbers(mailbox_take(box), 0, 2);
                assert_false(is_readable(box));
        }
        mailbox_free(box);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_box_is_silent),
                cmocka_unit_test(mail_comes_out_in_order_and_only_once),
                cmocka_unit_test(a_piece_may_be_put_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
