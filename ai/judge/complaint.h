/* SPDX-License-Identifier: Apache-2.0 */
/* An error as endpoints and gateways word it, and what follows from it: whose fault it is, and whether asking again can help. Pure. */
#ifndef CHARD_AI_JUDGE_COMPLAINT_H
#define CHARD_AI_JUDGE_COMPLAINT_H

#include "ai/ai.h"

enum complaint_kind {
        COMPLAINT_MESSAGE,  /* this request never passes */
        COMPLAINT_PASSES,   /* may pass by itself */
        COMPLAINT_LIMIT,    /* the model is asked for too often */
        COMPLAINT_NO_MODEL, /* there is no such model, or not for us, or it takes no request of our form */
        COMPLAINT_ENDPOINT, /* nobody's request passes: key, money, address */
};

enum { COMPLAINT_WORDS = 640 };

struct complaint {
        long status;             /* HTTP's, or the one that a body under 2xx names; 500 where it names none */
        const char *code, *type; /* borrowed from the body, or "" */
        struct bytes message;    /* the same */
        char words
                [COMPLAINT_WORDS]; /* codes and message in lower case, letters and digits only: how vendors spell the same thing differs */
};

/* Does a body under 2xx complain, rather than answer? */
bool complaint_is(const json_t *body);

/* Read one. `body` may be NULL or of any type. */
void complaint_read(const struct ai_response *response, const json_t *body, struct complaint *out);

enum complaint_kind complaint_judge(const struct complaint *complaint);

#endif
