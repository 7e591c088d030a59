/* SPDX-License-Identifier: Apache-2.0 */
#include "core/net/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reach_four {
        uint32_t network;
        unsigned bits;
};

static const struct reach_four special_four[] = {
        { 0x00000000, 8 },  /* 0.0.0.0/8: this network */
        { 0x0A000000, 8 },  /* 10.0.0.0/8: private */
        { 0x64400000, 10 }, /* 100.64.0.0/10: shared */
        { 0x7F000000, 8 },  /* 127.0.0.0/8: this machine */
        { 0xA9FE0000, 16 }, /* 169.254.0.0/16: link-local */
        { 0xAC100000, 12 }, /* 172.16.0.0/12: private */
        { 0xC0000000, 24 }, /* 192.0.0.0/24: protocol assignments */
        { 0xC0000200, 24 }, /* 192.0.2.0/24: documentation */
        { 0xC0586300, 24 }, /* 192.88.99.0/24: 6to4 relays */
        { 0xC0A80000, 16 }, /* 192.168.0.0/16: private */
        { 0xC6120000, 15 }, /* 198.18.0.0/15: benchmarks */
        { 0xC6336400, 24 }, /* 198.51.100.0/24: documentation */
        { 0xCB007100, 24 }, /* 203.0.113.0/24: documentation */
        { 0xE0000000, 3 },  /* 224.0.0.0/3: multicast, reserved, broadcast */
};

static bool reach_four_is_public(uint32_t address)
{
        for (size_t i = 0; i < sizeof(special_four) / sizeof(special_four[0]); i++)
                if (((address ^ special_four[i].network) >> (32 - special_four[i].bits)) == 0)
                        return false;
        return true;
}

static uint32_t reach_four_in(const unsigned char *at)
{
        return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Of IPv6 only 2000::/3 is handed out; what is special within it, and what stands for an IPv4 address. */
static bool reach_six_is_public(const unsigned char a[16])
{
        static const unsigned char mapped[12] = { [10] = 0xFF, [11] = 0xFF };
        static const unsigned char nat64[12] = { 0x00, 0x64, 0xFF, 0x9B };
        if (memcmp(a, mapped, sizeof(mapped)) == 0 || memcmp(a, nat64, sizeof(nat64)) == 0)
                return reach_four_is_public(reach_four_in(a + 12));
        if ((a[0] & 0xE0) != 0x20)
                return false;
        if (a[0] == 0x20 && a[1] == 0x02) /* 2002::/16: 6to4 */
                return reach_four_is_public(reach_four_in(a + 2));
        if (a[0] == 0x20 && a[1] == 0x01) /* 2001::/23: protocol assignments, Teredo; 2001:db8::/32: documentation */
                return a[2] > 0x01 && !(a[2] == 0x0D && a[3] == 0xB8);
        return !(a[0] == 0x3F && a[1] == 0xFF && a[2] < 0x10); /* 3fff::/20: documentation */
}

bool address_is_public(const struct sockaddr *address)
{
        if (address->sa_family == AF_INET)
                return reach_four_is_public(
                        ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
        if (address->sa_family == AF_INET6)
                return reach_six_is_public(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
        return false;
}

bool address_text_is_public(const char *text, bool *is_address)
{
        struct in_addr four;
        struct in6_addr six;
        const bool is_four = inet_pton(AF_INET, text, &four) == 1, is_six = inet_pton(AF_INET6, text, &six) == 1;
        if (is_address)
                *is_address = is_four || is_six;
        if (is_four)
                return reach_four_is_public(ntohl(four.s_addr));
        return is_six && reach_six_is_public(six.s6_addr);
}
