/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message.h"

static const struct {
        const char *name;
        enum typed_kind kind;
} kinds[] = {
        /* kombu.utils.json, since 5.3 */
        { "datetime", TYPED_DATETIME }, { "date", TYPED_DATE },   { "time", TYPED_TIME },     { "uuid", TYPED_UUID },
        { "decimal", TYPED_DECIMAL },   { "bytes", TYPED_BYTES }, { "base64", TYPED_BASE64 },
};

enum typed_kind typed_json_read(const json_t *value, const json_t **inner)
{
        const char *type = json_string_value(json_object_get(value, "__type__"));
        const json_t *content = json_object_get(value, "__value__");
        if (!type || !content || json_object_size(value) != 2)
                return TYPED_NONE;
        *inner = content;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(type, kinds[i].name) == 0)
                        return kinds[i].kind;
        return TYPED_OTHER;
}
