/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a request takes this server for. A page on somebody else's name that resolves to this address (DNS rebinding) says that name in Host,
 * and a browser says in Origin which page sends; neither can be chosen by the page. Pure. Source: RFC 9110, 7.2; RFC 6454, 7. */
#ifndef CHARD_CORE_HTTP_HOST_H
#define CHARD_CORE_HTTP_HOST_H

#include <stdbool.h>

/* Is this a Host that requests may name: an IP address, "localhost", or one of `names` (comma-separated, case ignored; "*.example.com" is each name that ends
 * so, "*" any)? A port behind it does not matter. NULL is none. */
bool host_is_ours(const char *host, const char *names);

/* Does a request with this Origin come from a page of the host itself? NULL: from no page. */
bool host_is_origin(const char *host, const char *origin);

/* Is the origin one of these, which are comma-separated, case ignored: "https://app.example.com"? NULL, and what is no web page's, "null", are none. */
bool host_is_listed(const char *origin, const char *origins);

/* Does the address ("127.0.0.1", "::1", "localhost") stay on this machine? */
bool host_is_loopback(const char *address);

#endif
