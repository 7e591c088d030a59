/* SPDX-License-Identifier: Apache-2.0 */
#include "core/thread/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
        pthread_mutex_t lock;
        struct mail *first, *last;
        int fd;
};

int mailbox_new(struct mailbox **out)
{
        struct mailbox *box = calloc(1, sizeof(*box));
        if (!box)
                return -ENOMEM;
        box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (box->fd < 0) {
                int error = errno;
                free(box);
                return -error;
        }
        pthread_mutex_init(&box->lock, NULL);
        *out = box;
        return 0;
}

int mailbox_fd(const struct mailbox *box)
{
        return box->fd;
}

void mailbox_put(struct mailbox *box, struct mail *mail)
{
        mailbox_put_list(box, mail, mail);
}

void mailbox_put_list(struct mailbox *box, struct mail *first, struct mail *last)
{
        last->next = NULL;
        pthread_mutex_lock(&box->lock);
        const int was_empty = box->first == NULL;
        if (was_empty)
                box->first = first;
        else
                box->last->next = first;
        box->last = last;
        pthread_mutex_unlock(&box->lock);

        /* A box that held something has its eventfd set already. */
        if (was_empty) {
                const uint64_t one = 1;
                ssize_t ignored = write(box->fd, &one, sizeof(one));
                (void)ignored; /* fails only when the counter is full, and then it is readable */
        }
}

struct mail *mailbox_take(struct mailbox *box)
{
        /* Clear first: mail put between the two steps sets the eventfd again. */
        uint64_t count;
        ssize_t ignored = read(box->fd, &count, sizeof(count));
        (void)ignored;
        pthread_mutex_lock(&box->lock);
        struct mail *first = box->first;
        box->first = box->last = NULL;
        pthread_mutex_unlock(&box->lock);
        return first;
}

void mailbox_free(struct mailbox *box)
{
        if (!box)
                return;
        close(box->fd);
        pthread_mutex_destroy(&box->lock);
        free(box);
}
