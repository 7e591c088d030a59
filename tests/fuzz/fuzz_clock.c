/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is a time or is refused; a time is within its years, and is the same when written and read again. */
#include "core/clock.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1), again[CLOCK_TEXT_SIZE];
        int64_t wall_ms, back;
        if (!text)
                return 0;
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        if (clock_parse(text, &wall_ms) == 0) {
                if (wall_ms < -62135596800000 || wall_ms > 253402300799999)
                        abort();
                clock_format(wall_ms, again);
                if (clock_parse(again, &back) != 0 || back != wall_ms)
                        abort();
        }
        free(text);
        return 0;
}
