/* SPDX-License-Identifier: Apache-2.0 */
/* The browser console's files (console/built/), which are part of the program: served under /console/, with what keeps their page from running or asking anything else.
 * Loop thread. */
#ifndef CHARD_GATEWAY_CONSOLE_H
#define CHARD_GATEWAY_CONSOLE_H

#include "core/http/exchange.h"

struct console;

/* Returns 0 or -ENOMEM. */
int console_open(struct console **out);
void console_close(struct console *c); /* NULL: nothing */

/* The routes' functions; the owner is a struct gateway. */
extern const struct route_param console_params[];
void console_serve(void *owner, struct exchange *x); /* GET /console/, /console/{file} */
void console_enter(void *owner, struct exchange *x); /* GET /, /console: leads there */

#endif
