/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a chord's header: counts a part and, when it was the last, gathers what the header's tasks gave. Loop thread. */
#ifndef CHARD_RESULTS_JOIN_H
#define CHARD_RESULTS_JOIN_H

#include "redis/script.h"
#include "results/results.h"

/* Run the counting script; it answers 1 to the one that is to gather: from the sorted set under `parts`, or, where a GroupResult is
 * saved under `group`, from the results that it names. All copied. */
void redis_join(struct redis_link *l, const struct redis_script_call *counting, struct bytes parts, struct bytes group,
                chord_done *done, void *arg);

/* Pure: the results of a header, from the members of its sorted set. READY; or FAILED with `why`, and the
 * exception of the one that failed, or nothing, in `results`. */
enum chord_verdict join_members(const struct bytes members[], size_t count, struct buffer *results,
                                struct problem *why);

#endif
