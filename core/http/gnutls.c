/* SPDX-License-Identifier: Apache-2.0 */
/* GnuTLS, made ready when a server of this process first wants it, not when the program is loaded: that takes 0.8 MB of memory that an idle worker never uses (measured with
 * GnuTLS 3.7.9). GnuTLS itself asks _gnutls_global_init_skip whether to leave it to the program; libmicrohttpd's constructor asks for it in any case, and gets the
 * function here, as every library of the program does. Once main runs, whoever asks gets GnuTLS's own.
 * Source: GnuTLS manual, "Initialization"; gnutls.h, GNUTLS_SKIP_GLOBAL_INIT, whose function would not be seen by others under this program's visibility. */
#include "core/http/server_own.h"

#include <dlfcn.h>
#include <gnutls/gnutls.h>

#define SEEN_BY_LIBRARIES __attribute__((visibility("default")))

static bool libraries_are_loaded;

/* Those of the libraries come before the program's own. */
__attribute__((constructor)) static void gnutls_on_loaded(void)
{
        libraries_are_loaded = true;
}

/* By the name that GnuTLS has for it, which C reserves. */
SEEN_BY_LIBRARIES int gnutls_is_left_to_us(void) __asm__("_gnutls_global_init_skip");
SEEN_BY_LIBRARIES int gnutls_is_left_to_us(void)
{
        return 1;
}

SEEN_BY_LIBRARIES int gnutls_global_init(void)
{
        if (!libraries_are_loaded)
                return GNUTLS_E_SUCCESS;
        int (*own)(void) = (int (*)(void))(intptr_t)dlsym(RTLD_NEXT, "gnutls_global_init");
        return own ? own() : GNUTLS_E_INTERNAL_ERROR;
}

bool server_begin_gnutls(void)
{
        return gnutls_global_init() == GNUTLS_E_SUCCESS;
}
