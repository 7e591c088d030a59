/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/room.h"

static bool fits_connections(const struct room *r, size_t connections);

bool room_left(const struct room *r, size_t connections, uint64_t now_ms)
{
        const bool known = r->literal || now_ms < r->known_until_ms;
        const size_t each = r->protocol == PROTOCOL_HTTP2 ? ROOM_STREAMS : 1;
        return r->starting < (known ? ROOM_MOST_STARTING : ROOM_MOST_LOOKUPS) && r->used / each < r->most_connections &&
               (r->protocol == PROTOCOL_HTTP1 || fits_connections(r, connections));
}

void room_address_known(struct room *r, uint64_t now_ms)
{
        r->known_until_ms = now_ms + ROOM_ADDRESS_KNOWN_MS;
}

/* As many as the connections carry, and some more that make the next connections: as many again at most. As long as nothing is
 * known HTTP/2 is assumed, which does no harm if it is wrong: each connection then lets a hundred others be made. */
static bool fits_connections(const struct room *r, size_t connections)
{
        const size_t made = connections > r->connecting ? connections - r->connecting : 0;
        const size_t growth = made < 1 ? 1 : made < ROOM_MOST_GROWTH ? made : ROOM_MOST_GROWTH;
        return r->used < made * ROOM_STREAMS + growth;
}
