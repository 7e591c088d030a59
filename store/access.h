/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for those who take requests from outside: what was asked already, and who may ask. */
#ifndef CHARD_STORE_ACCESS_H
#define CHARD_STORE_ACCESS_H

#include "store/store.h"

#define ACCESS_DIGEST_SIZE 65  /* of a digest in hexadecimal, with its end */
#define ACCESS_JOB_SIZE    256 /* of a job's or task's id, with its end */
#define ACCESS_TOKEN_SIZE  37

/* A request that its client may send again. */
struct once_ask {
        char key[ACCESS_DIGEST_SIZE];         /* digest of who asks and of the key that they gave */
        char fingerprint[ACCESS_DIGEST_SIZE]; /* of what is asked */
        char job_id[ACCESS_JOB_SIZE];         /* under which it is done, if it is new */
        char token[ACCESS_TOKEN_SIZE];        /* of this attempt alone */
        unsigned lease_ms;                    /* nobody else may do it for that long */
};

/* How an attempt ended. */
struct once_end {
        char key[ACCESS_DIGEST_SIZE];
        char job_id[ACCESS_JOB_SIZE];
        char token[ACCESS_TOKEN_SIZE];
        bool done; /* the job is safe; false: it may not be, and whoever asks next does it again, under the same id */
};

/* A key by which somebody may ask; its secret is kept nowhere. */
struct access_key {
        const char *id;     /* a part of what its holder shows */
        const char *name;   /* for people */
        const char *digest; /* of the whole that its holder shows, in hexadecimal */
        const char *scopes; /* comma-separated */
        unsigned rate;      /* requests a minute; 0 = as many as they like */
};

/* All structs are copied. */
struct store_access {
        /* May it be done? Answers {"verdict", "id", "wait_ms"}: "mine": do it, under that id, which is the one of its first attempt; "open": somebody else is at it, for
         * wait_ms at most; "done": it was, under that id; "other": the key stands for something else. A key is known for a day after its first attempt. */
        void (*once_begin)(struct store *s, const struct once_ask *ask, json_done *done, void *arg);
        void (*once_settle)(struct store *s, const struct once_end *end, store_done *done, void *arg);

        /* Keep a key. Answers {"id"}. / All of them, by their ids, those that were revoked too: [{"id","name","digest","scopes","rate","created_ms","revoked_ms" (or null)}]. / Revoke
         * those of this id or name; one that was revoked stays so. Answers with them: [{"id","name"}]. */
        void (*key_add)(struct store *s, const struct access_key *key, json_done *done, void *arg);
        void (*key_list)(struct store *s, json_done *done, void *arg);
        void (*key_revoke)(struct store *s, const char *which, json_done *done, void *arg);
};

#endif
