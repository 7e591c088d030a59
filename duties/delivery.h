/* SPDX-License-Identifier: Apache-2.0 */
/* Telling a URL that a job has ended, as Standard Webhooks has it: the headers webhook-id, webhook-timestamp and webhook-signature, "v1," and the base64 of the HMAC-SHA256 of "ID.TIMESTAMP.BODY".
 * Source: github.com/standard-webhooks, spec/standard-webhooks.md. Pure but for delivery_post. */
#ifndef CHARD_DUTIES_DELIVERY_H
#define CHARD_DUTIES_DELIVERY_H

#include "core/problem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DELIVERY_MOST_SECRETS = 4, DELIVERY_SECRET_LEAST = 24, DELIVERY_SECRET_MOST = 64, DELIVERY_URL_MOST = 2048 };

#define DELIVERY_SIGNATURES_SIZE (DELIVERY_MOST_SECRETS * 48) /* "v1,", 44 characters, a space or the end: each */

/* Each message is signed with all of them, so that one can take another's place. */
struct delivery_secrets {
        size_t count;
        struct delivery_secret {
                size_t size;
                unsigned char key[DELIVERY_SECRET_MOST];
        } list[DELIVERY_MOST_SECRETS];
};

/* Read "whsec_BASE64 …", separated by spaces or commas, of 24 to 64 bytes each; "" = none. Returns 0; 1 with `why` (source "settings", code "bad_setting", without what the text says); or
 * -ENOMEM. */
int delivery_secrets_read(struct delivery_secrets *out, const char *text, struct problem *why);

/* The value of webhook-signature. False when libcrypto could not make it or memory ran out. */
bool delivery_sign(const struct delivery_secrets *secrets, const char *id, int64_t timestamp_s, const char *body,
                   char out[DELIVERY_SIGNATURES_SIZE]) __attribute__((warn_unused_result));

/* How long to wait after the `attempts`th try has failed, in milliseconds, where its receiver asked for `asked_ms` at least (0 = it did not); or -1: it was the last, some
 * three days after the first. */
int64_t delivery_wait_ms(unsigned attempts, uint64_t asked_ms, uint64_t random);

/* May a job's end be told there? https, or where private addresses are allowed http as well; a host, no user, no address of a private network where those are not allowed. What a name leads to is looked
 * at when it is connected to. Returns 0; 1 with `why` (source "request", code "bad_webhook"); or -ENOMEM. */
int delivery_check_url(const char *url, bool private_allowed, struct problem *why);

struct delivery_note {
        const char *url, *id, *body, *signature;
        const char *traceparent; /* which it is sent with; or NULL */
        int64_t timestamp_s;
        bool private_allowed;
        const atomic_bool *stop; /* ends it soon once it is true; or NULL */
};

struct delivery_result {
        bool ok;
        bool gone;        /* 410: nobody there wants to hear of it again */
        unsigned status;  /* 0 = no answer came */
        uint64_t wait_ms; /* what Retry-After asked for, or 0 */
        char why[200];    /* without the URL, which may hold a secret */
};

/* Post it; 2xx counts as delivered, nothing is followed to another place and no proxy used. Where private addresses are not allowed none is connected to, whatever the name led to
 * before. Blocks, up to fifteen seconds; any thread, after webhook_setup. */
void delivery_post(const struct delivery_note *d, struct delivery_result *out);

#endif
