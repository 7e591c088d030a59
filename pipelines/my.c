/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/pipeline.h"
#include "tasks/waste/waste.h"

/* Many profile changes at once, all of them or none. */
const struct pipeline pipeline_my = {
        .name = "my",
        .path = "profiles",
        .exchange = "my.commands",
        .steps = { "my.profile" },
        .input = my_input,
        .lang = "ko",
};
