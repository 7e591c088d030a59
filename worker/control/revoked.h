/* SPDX-License-Identifier: Apache-2.0 */
/* The ids of revoked tasks, newest last: the newest 50,000, as Celery's workers keep them. Owned by the loop thread. */
#ifndef CHARD_WORKER_CONTROL_REVOKED_H
#define CHARD_WORKER_CONTROL_REVOKED_H

#include "core/map.h"

#include <jansson.h>
#include <stdbool.h>

enum { REVOKED_MOST = 50000 };

struct revoked_id;

struct revoked {
        struct map *ids;
        struct revoked_id *oldest, *newest;
};

/* Returns 0 or -ENOMEM. */
int revoked_open(struct revoked *r);
void revoked_close(struct revoked *r);

/* Add one; the oldest gives way when there is no room. Returns 0 or -ENOMEM. */
int revoked_add(struct revoked *r, const char *id);

bool revoked_has(const struct revoked *r, const char *id);

/* All, oldest first: a new reference, or NULL. */
json_t *revoked_list(const struct revoked *r);

#endif
