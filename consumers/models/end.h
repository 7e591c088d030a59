/* SPDX-License-Identifier: Apache-2.0 */
/* What became of a document that was to be written into a read model. */
#ifndef CHARD_CONSUMERS_MODELS_END_H
#define CHARD_CONSUMERS_MODELS_END_H

#include "core/problem.h"

enum model_end {
        MODEL_WRITTEN,
        MODEL_NEWER,   /* it has a version as high */
        MODEL_REFUSED, /* it will never take this one (`why`) */
        MODEL_LATER,   /* not now (`why`): others may have been written */
        MODEL_GONE,    /* its index is not there; never an answer of models_write */
};

/* NULL: each write has its end. Else nothing is known of any: the same may be written again (code "away"). */
typedef void models_done(const struct problem *why, void *arg);

#endif
