/* SPDX-License-Identifier: Apache-2.0 */
#include "core/backoff.h"

uint64_t backoff_ms(uint64_t base_ms, uint64_t cap_ms, unsigned failures, uint64_t random)
{
        uint64_t most = base_ms ? cap_ms : 0;
        if (failures < 64 && base_ms <= (UINT64_MAX >> failures) && base_ms << failures < cap_ms)
                most = base_ms << failures;
        if (most == UINT64_MAX)
                return random;
        return random % (most + 1);
}
