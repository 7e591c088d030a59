/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/check.h"

#include <stdlib.h>

/* One line a backend. */
static const struct broker_checker *const CHECKERS[] = {
        &amqp_checker,
};

static const struct broker_checker *checker_of(const char *urls)
{
        const struct broker_backend *backend = broker_backend_of(urls);
        for (size_t i = 0; i < sizeof(CHECKERS) / sizeof(*CHECKERS); i++)
                if (CHECKERS[i]->backend == backend)
                        return CHECKERS[i];
        return NULL;
}

bool broker_is_checked(const char *urls)
{
        return checker_of(urls) != NULL;
}

int broker_check(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why)
{
        const struct broker_checker *checker = checker_of(config->urls);
        return checker ? checker->check(config, tell, arg, why) : 0;
}

int broker_protect(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why)
{
        const struct broker_checker *checker = checker_of(config->urls);
        return checker ? checker->protect(config, tell, arg, why) : 0;
}

int broker_look(const struct broker_check_config *config, struct broker_server *out, struct problem *why)
{
        const struct broker_checker *checker = checker_of(config->urls);
        *out = (struct broker_server){ .version = "" };
        return checker ? checker->look(config, out, why) : 0;
}
