/* SPDX-License-Identifier: Apache-2.0 */
/* Hands work from any thread to one other thread, in order, in batches: one locked list and one
 * eventfd that the receiving thread polls. A batch costs one lock and at most one wake-up. */
#ifndef CHARD_CORE_THREAD_MAILBOX_H
#define CHARD_CORE_THREAD_MAILBOX_H

/* Put this first in whatever is handed over; the mailbox owns only the link. */
struct mail {
        struct mail *next;
};

struct mailbox;

/* Open an empty mailbox. Returns 0 or -errno. */
int mailbox_new(struct mailbox **out);

/* Readable whenever mail may be waiting; for poll(2). Owned by the mailbox. */
int mailbox_fd(const struct mailbox *box);

/* Add one piece / a list linked by `next` (first to last). Any thread; never blocks for long. */
void mailbox_put(struct mailbox *box, struct mail *mail);
void mailbox_put_list(struct mailbox *box, struct mail *first, struct mail *last);

/* Take everything that is waiting, oldest first, and clear the eventfd; NULL when empty.
 * The receiving thread only. */
struct mail *mailbox_take(struct mailbox *box);

/* Close it. What is still inside is the caller's to take first. */
void mailbox_free(struct mailbox *box);

#endif
