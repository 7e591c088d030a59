/* SPDX-License-Identifier: Apache-2.0 */
/* What lies in the sorted set of a chord's parts, which any worker on that Redis may have written: one member a line. The results are an array with
 * one element a member, or there is a reason. */
#include "core/json.h"
#include "results/join.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bytes members[MOST];
        struct buffer results = { 0 };
        struct problem why = { 0 };
        JSON_OWNED json_t *all = NULL;
        size_t count = 0;
        for (size_t start = 0, i = 0; i <= size && count < MOST; i++) {
                if (i < size && data[i] != '\n')
                        continue;
                members[count++] = bytes_of(data + start, i - start);
                start = i + 1;
        }
        const enum chord_verdict verdict = join_members(members, count, &results, &why);
        if (verdict == CHORD_READY)
                must(json_parse(buffer_view(&results), "results", &all, &why) == 0 && json_array_size(all) == count);
        else
                must(verdict == CHORD_FAILED && why.code[0]);
        buffer_free(&results);
        return 0;
}
