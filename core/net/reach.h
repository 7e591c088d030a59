/* SPDX-License-Identifier: Apache-2.0 */
/* Where may a program go that a stranger tells where to go? Pure. Sources: IANA's registries of special-purpose IPv4 and IPv6 addresses (RFC 6890 and later). */
#ifndef CHARD_CORE_NET_REACH_H
#define CHARD_CORE_NET_REACH_H

#include <stdbool.h>
#include <sys/socket.h>

/* Is it an address of the public Internet? No: this machine, private and shared networks, link-local (where clouds keep their metadata), multicast, reserved ranges, what is no IP address, and IPv6
 * addresses that carry such an IPv4 address (mapped, NAT64, 6to4). */
bool address_is_public(const struct sockaddr *address);

/* The same of a text. False also where the text is no address; then *is_address (unless NULL) is false. */
bool address_text_is_public(const char *text, bool *is_address);

#endif
