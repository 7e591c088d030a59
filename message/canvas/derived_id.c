/* SPDX-License-Identifier: Apache-2.0 */
#include "message/canvas/derived_id.h"

#include <inttypes.h>
#include <stdio.h>

typedef unsigned __int128 wide;

/* RFC 9923, section 5: FNV_prime and offset basis of 128 bits. */
static const wide prime = (wide)1 << 88 | 0x13B;
static const wide basis = (wide)0x6C62272E07BB0142 << 64 | 0x62B821756295C58D;

static wide derived_id_add(wide hash, const char *text)
{
        do { /* the NUL too: it parts the pieces */
                hash = (hash ^ (unsigned char)*text) * prime;
        } while (*text++);
        return hash;
}

/* The finalizer of MurmurHash3 (public domain, Austin Appleby): every bit of the input reaches every bit of the output. */
static uint64_t derived_id_mix(uint64_t n)
{
        n = (n ^ n >> 33) * 0xFF51AFD7ED558CCD;
        n = (n ^ n >> 33) * 0xC4CEB9FE1A85EC53;
        return n ^ n >> 33;
}

void derived_id(const char *parent, const char *place, size_t index, char out[ID_TEXT_SIZE])
{
        char number[24];
        snprintf(number, sizeof(number), "%zu", index);
        const wide hash = derived_id_add(derived_id_add(derived_id_add(basis, parent), place), number);
        uint64_t high = derived_id_mix((uint64_t)(hash >> 64)), low = derived_id_mix((uint64_t)hash + high);
        high = derived_id_mix(high ^ low);
        high = (high & ~(uint64_t)0xF000) | 0x8000;             /* version 8 */
        low = (low & ~((uint64_t)3 << 62)) | (uint64_t)2 << 62; /* variant */
        snprintf(out, ID_TEXT_SIZE, "%08" PRIx32 "-%04x-%04x-%04x-%012" PRIx64, (uint32_t)(high >> 32),
                 (unsigned)(high >> 16 & 0xFFFF), (unsigned)(high & 0xFFFF), (unsigned)(low >> 48),
                 low & 0xFFFFFFFFFFFF);
}
