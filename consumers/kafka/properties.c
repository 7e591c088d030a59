/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/kafka/properties.h"

#include <stdlib.h>
#include <string.h>

static bool properties_set_one(rd_kafka_conf_t *conf, char *pair, struct problem *why)
{
        char said[256], *value = strchr(pair, '=');
        if (value)
                *value++ = '\0';
        if (value && rd_kafka_conf_set(conf, pair, value, said, sizeof(said)) == RD_KAFKA_CONF_OK)
                return true;
        problem_set(why, "kafka", "bad_setting", "CHARD_KAFKA_PROPERTIES: %.80s: %s", pair,
                    value ? "librdkafka knows no such property, or not with this value" : "there is no '=' behind it");
        return false;
}

bool properties_set(rd_kafka_conf_t *conf, const char *properties, struct problem *why)
{
        char *copy = strdup(properties), *rest = copy, *pair;
        bool ok = copy != NULL;
        while (ok && (pair = strsep(&rest, ";"))) {
                pair += strspn(pair, " ");
                ok = !*pair || properties_set_one(conf, pair, why);
        }
        if (!copy)
                problem_set(why, "kafka", "bad_setting", "out of memory");
        free(copy);
        return ok;
}
