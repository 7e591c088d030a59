/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for pictures that messages only name: each is kept once, by the digest of what is in it, until nobody has used it for a while. */
#ifndef CHARD_STORE_BLOB_H
#define CHARD_STORE_BLOB_H

#include "core/text/blob_url.h"
#include "store/store.h"

#define BLOB_TOUCHES 16 /* of one call, at most */

/* Borrowed until it is answered. */
struct blob {
        char digest[BLOB_DIGEST_SIZE];
        const char *type; /* "image/jpeg" */
        struct bytes content;
};

/* Borrowed until it is answered. */
struct blob_touch {
        const char *digests[BLOB_TOUCHES];
        size_t count;
};

struct store_blob {
        /* Keep it. One that is there already counts as used now. */
        void (*put)(struct store *s, const struct blob *blob, store_done *done, void *arg);

        /* Its content: `stored`, whose data is NULL where there is none. It counts as used, to the hour. The digest is copied. */
        void (*get)(struct store *s, const char *digest, store_done *done, void *arg);

        /* These are used now: [{"digest"}], those that are not there. */
        void (*touch)(struct store *s, const struct blob_touch *touch, json_done *done, void *arg);

        /* Forget some of those that nobody has used for so long: {"count"}; 0 when none is left. */
        void (*forget)(struct store *s, uint64_t unused_ms, json_done *done, void *arg);
};

#endif
