/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door to change data capture: what carries the outbox elsewhere, by reading the database's log. */
#ifndef CHARD_STORE_CDC_H
#define CHARD_STORE_CDC_H

#include "store/store.h"

struct store_cdc {
        /* How it is set up: {"database", "wal_level", "slots": [{"name","plugin","active","wal_status","safe" (bytes that may be written before it is lost, or null),
         * "lag" (bytes),"confirmed" (up to where it was read, in bytes)}], "publications": [{"name","tables": [names],"insert","update","delete","truncate",
         * "via_root"}]}. Slots are this database's logical ones. JSON null: this store has no log that others read. */
        void (*look)(struct store *s, json_done *done, void *arg);
};

#endif
