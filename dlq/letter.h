/* SPDX-License-Identifier: Apache-2.0 */
/* A message of a dead-letter queue as an entry, and an entry as a message once more. Pure: no clock, no network.
 * Understood are letters that chard buries (message_dead), those that RabbitMQ itself dead-letters (expired, delivery limit,
 * overflow, a consumer's reject: the reason is in x-death), and anything else that lies there, which is kept as it is. */
#ifndef CHARD_DLQ_LETTER_H
#define CHARD_DLQ_LETTER_H

#include "core/arena.h"
#include "catalog/catalog.h"
#include "store/dead_letter.h"

/* Read a message of the queue `dead_queue` ("text.summary.dead"). Texts live in the arena, bytes stay the caller's; every text is UTF-8 without
 * NUL. Bodies of up to max_body are looked into for the user and the next task. Always fills in *out; false when memory ran out, or the keys that tell it from
 * others could not be made: such a letter must not be filed. */
bool letter_read(struct arena *a, const char *dead_queue, struct bytes properties, struct bytes body, size_t max_body,
                 int64_t now_ms, struct dead_letter *out);

/* Make it one that any store takes: texts of at most 200 printable ASCII characters, dead since now. Bytes and keys stay. The new texts live in the
 * arena; false when memory ran out. */
bool letter_reduce(struct arena *a, struct dead_letter *letter);

/* An error message without what differs from entry to entry: ids, numbers, times, addresses, paths and quoted text become marks; names and codes stay. In the
 * arena; NULL when memory ran out. */
const char *letter_cause(struct arena *a, const char *message);

#define LETTER_GROUP_SIZE 13

/* The group of entries of the same task, queue, source, code and cause. False when it could not be made (digest_of). */
bool letter_group(const struct dead_letter *letter, char out[LETTER_GROUP_SIZE]);

/* What requeueing an entry will do, as far as can be told before it is done. */
enum letter_disposition {
        DISPOSITION_SENT,    /* it is sent and runs again */
        DISPOSITION_RESUMED, /* its task has succeeded, its job has not: sent only so that what follows is published */
        DISPOSITION_SUCCEEDED,   /* its task and job have succeeded meanwhile: nothing is sent, the entry is closed */
        DISPOSITION_ALIVE,       /* its task is being run */
        DISPOSITION_WAITING,     /* a message of its task is scheduled already: nothing is sent */
        DISPOSITION_REVOKED,     /* its task was revoked: nothing is sent */
        DISPOSITION_NO_QUEUE,    /* no task of this program has that queue: nothing is sent */
        DISPOSITION_UNREADABLE,  /* its properties could not be read when it died: nothing is sent */
        DISPOSITION_UNDECODABLE, /* it is sent, but no worker of chard can read it as a task: it will die again */
        DISPOSITION_MISTAKEN,    /* it is sent, but its task refuses its arguments: it will die again */
        DISPOSITION_HOPELESS,    /* it is sent, but is no task that this program knows: it will die again */
        DISPOSITION_CLOSED,      /* it is not kept any more */
        DISPOSITION_COUNT
};

/* What its rows say. `to`: the queue it is to be sent to instead of its own, or NULL. */
enum letter_disposition letter_disposition_of(const struct catalog *catalog, const struct dead_letter *letter,
                                              const char *to);

/* What its rows and its content say, when it has that: could a worker that reads bodies up to max_body read it? `why` (may be NULL) is filled in for
 * an unreadable or undecodable one. With `out`, *out gets the message that requeues it, or NULL when nothing can be sent. */
enum letter_disposition letter_judge(const struct catalog *catalog, const struct dead_letter *letter, const char *to,
                                     size_t max_body, struct message **out, struct problem *why);

/* "its task has succeeded meanwhile: …"; constant. */
const char *letter_disposition_text(enum letter_disposition disposition);

/* How many there are of each, by name; those that there are none of are left out. New reference or NULL. */
json_t *dlq_dispositions_json(const size_t counts[DISPOSITION_COUNT]);

/* Nothing is sent when an entry of this disposition is requeued, whatever the store says. / It is sent, and dies again. */
bool letter_disposition_hinders(enum letter_disposition disposition);
bool letter_disposition_dooms(enum letter_disposition disposition);

/* The message that requeues it. Returns and errors as message_revive. */
int letter_message(const struct dead_letter *letter, const char *to, struct message **out, struct problem *why);

/* The entry as JSON: for lists (no content), for people (`show`: arguments, headers, what follows), or whole, so that letter_from_json makes
 * the same entry of it. New reference or NULL. */
enum letter_form { LETTER_SHORT, LETTER_READABLE, LETTER_WHOLE };
json_t *letter_json(const struct dead_letter *letter, enum letter_form form);

/* Read an entry that letter_json wrote whole; everything lives in the arena. Returns 0; 1 with `why` (source "import", code "bad_entry"); or -ENOMEM. */
int letter_from_json(const struct catalog *catalog, struct arena *a, const json_t *from, struct dead_letter *out,
                     struct problem *why);

/* Is the body that a person wrote one that its task can be sent with? `text` is JSON, {"args": […], "kwargs": {…}}. Writes the new body: the
 * arguments as given, what follows (embed) as it was, in the encoding of the headers. Returns 0; 1 with `why` (source "edit"); or -ENOMEM. */
int letter_edited_body(const struct catalog *catalog, const struct dead_letter *letter, struct bytes text,
                       struct buffer *out, struct problem *why);

/* Can the entry be sent with this body in place of its own: readable, and with arguments that its task takes? Returns and errors as letter_edited_body. */
int letter_check_edited(const struct catalog *catalog, const struct dead_letter *letter, struct bytes body,
                        struct problem *why);

/* Would its task take a message's arguments? 0, also where nobody here knows the task; 1 with `why`; or -ENOMEM. */
int letter_check_arguments(const struct catalog *catalog, const struct task_message *message, struct problem *why);

/* The arguments as such JSON, indented, for an editor. Returns 0; 1 with `why` when the body can't be read; or -ENOMEM. */
int letter_arguments(const struct dead_letter *letter, struct buffer *out, struct problem *why);

#endif
