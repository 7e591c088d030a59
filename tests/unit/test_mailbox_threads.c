/* SPDX-License-Identifier: Apache-2.0 */
/* The hand-over between threads, for ThreadSanitizer too. Nothing here sleeps: the receiver polls the eventfd,
 * and a wake-up that never comes ends the poll at its deadline. */
#include "core/thread/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PRODUCERS = 4, EACH = 250000, ROUND_TRIPS = 20000, DEADLINE_MS = 30000 };

struct piece {
        struct mail mail;
        unsigned producer, number;
};

struct producer {
        struct mailbox *box;
        struct piece *pieces;
        pthread_t thread;
        unsigned index;
};

/* False when nothing came before the deadline. */
static bool wait_for_mail(const struct mailbox *box)
{
        struct pollfd fd = { .fd = mailbox_fd(box), .events = POLLIN };
        return poll(&fd, 1, DEADLINE_MS) == 1;
}

/* Lists of 1 … 7 pieces and single ones by turns. */
static void *produce(void *arg)
{
        struct producer *p = arg;
        for (unsigned at = 0, size = 1; at < EACH; at += size) {
                size = (at + p->index) % 7 + 1;
                if (size > EACH - at)
                        size = EACH - at;
                for (unsigned i = 0; i < size; i++) {
                        p->pieces[at + i] = (struct piece){ .producer = p->index, .number = at + i };
                        p->pieces[at + i].mail.next = i + 1 < size ? &p->pieces[at + i + 1].mail : NULL;
                }
                if (size == 1)
                        mailbox_put(p->box, &p->pieces[at].mail);
                else
                        mailbox_put_list(p->box, &p->pieces[at].mail, &p->pieces[at + size - 1].mail);
        }
        return NULL;
}

/* Returns how many pieces came; stops at the first that is out of order. */
static unsigned receive(struct mailbox *box, unsigned expected[PRODUCERS])
{
        unsigned count = 0;
        while (count < PRODUCERS * EACH && wait_for_mail(box)) {
                for (struct mail *mail = mailbox_take(box); mail; mail = mail->next, count++) {
                        const struct piece *piece = (const struct piece *)mail;
                        if (piece->number != expected[piece->producer]++)
                                return count;
                }
        }
        return count;
}

static void a_million_pieces_arrive_each_producers_in_order(void **state)
{
        (void)state;
        struct mailbox *box;
        struct producer producers[PRODUCERS];
        unsigned expected[PRODUCERS] = { 0 };
        assert_int_equal(mailbox_new(&box), 0);
        for (unsigned i = 0; i < PRODUCERS; i++) {
                producers[i] = (struct producer){ .box = box, .index = i };
                producers[i].pieces = calloc(EACH, sizeof(struct piece));
                assert_non_null(producers[i].pieces);
        }
        for (unsigned i = 0; i < PRODUCERS; i++)
                assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);

        const unsigned count = receive(box, expected);
        for (unsigned i = 0; i < PRODUCERS; i++)
                assert_int_equal(pthread_join(producers[i].thread, NULL), 0);
        assert_int_equal(count, PRODUCERS * EACH);
        for (unsigned i = 0; i < PRODUCERS; i++)
                assert_int_equal(expected[i], EACH);
        assert_null(mailbox_take(box));
        for (unsigned i = 0; i < PRODUCERS; i++)
                free(producers[i].pieces);
        mailbox_free(box);
}

struct pair {
        struct mailbox *there, *back;
};

/* Send every piece back; the one with number 0 is the last. */
static void *echo(void *arg)
{
        struct pair *pair = arg;
        for (bool last = false; !last && wait_for_mail(pair->there);) {
                for (struct mail *mail = mailbox_take(pair->there), *next; mail; mail = next) {
                        next = mail->next;
                        last = ((struct piece *)mail)->number == 0;
                        mailbox_put(pair->back, mail);
                }
        }
        return NULL;
}

/* One piece at a time: both boxes go from empty to full and back with every trip, so that each wake-up counts. */
static void no_wake_up_is_lost_between_empty_and_full(void **state)
{
        (void)state;
        struct pair pair;
        pthread_t thread;
        assert_int_equal(mailbox_new(&pair.there), 0);
        assert_int_equal(mailbox_new(&pair.back), 0);
        assert_int_equal(pthread_create(&thread, NULL, echo, &pair), 0);

        struct piece piece = { .number = ROUND_TRIPS };
        unsigned trips = 0;
        mailbox_put(pair.there, &piece.mail);
        while (trips <= ROUND_TRIPS && wait_for_mail(pair.back)) {
                if (mailbox_take(pair.back) != &piece.mail)
                        continue; /* the eventfd may be set once more than there is mail */
                if (trips++ == ROUND_TRIPS)
                        break;
                piece.number--;
                mailbox_put(pair.there, &piece.mail);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(trips, ROUND_TRIPS + 1);
        mailbox_free(pair.there);
        mailbox_free(pair.back);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_million_pieces_arrive_each_producers_in_order),
                cmocka_unit_test(no_wake_up_is_lost_between_empty_and_full),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
