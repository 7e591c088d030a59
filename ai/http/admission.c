/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/admission.h"

static bool fits_connections(const struct admission *r, size_t connections);

bool admission_open(const struct admission *r, size_t connections, uint64_t now_ms)
{
        const bool known = r->literal || now_ms < r->known_until_ms;
        const size_t each = r->protocol == PROTOCOL_HTTP2 ? ADMISSION_STREAMS : 1;
        return r->starting < (known ? ADMISSION_MOST_STARTING : ADMISSION_MOST_LOOKUPS) &&
               r->used / each < r->most_connections &&
               (r->protocol == PROTOCOL_HTTP1 || fits_connections(r, connections));
}

void admission_address_known(struct admission *r, uint64_t now_ms)
{
        r->known_until_ms = now_ms + ADMISSION_ADDRESS_KNOWN_MS;
}

/* As many as the connections carry, and some more that make the next connections: as many again at most. As long as nothing is
 * known HTTP/2 is assumed, which does no harm if it is wrong: each connection then lets a hundred others be made. */
static bool fits_connections(const struct admission *r, size_t connections)
{
        const size_t made = connections > r->connecting ? connections - r->connecting : 0;
        const size_t growth = made < 1 ? 1 : made < ADMISSION_MOST_GROWTH ? made : ADMISSION_MOST_GROWTH;
        return r->used < made * ADMISSION_STREAMS + growth;
}
