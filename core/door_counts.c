/* SPDX-License-Identifier: Apache-2.0 */
#include "core/door_counts.h"

const struct buckets door_sizes = { 11, { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 } };
const struct buckets door_seconds = {
        14, { 0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1, 4, 16 }
};

void door_counts_group(struct door_counts *c, uint64_t took_us)
{
        c->sizes.buckets = &door_sizes;
        c->seconds.buckets = &door_seconds;
        if (c->open)
                histogram_add(&c->sizes, (double)c->open);
        histogram_add(&c->seconds, (double)took_us / 1e6);
        c->open = 0;
        c->groups++;
        c->total_us += took_us;
        c->last_us = took_us;
}
