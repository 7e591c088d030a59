/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper of dead letters and the duties, as the settings have them. */
#ifndef CHARD_CLI_SERVE_KEEP_H
#define CHARD_CLI_SERVE_KEEP_H

#include "core/settings/settings.h"
#include "duties/keeper.h"

/* A keeper as the settings have it; they and `name` are borrowed as long as it lives. */
struct keeper_config keep_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                 const char *name);

#endif
