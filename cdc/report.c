/* SPDX-License-Identifier: Apache-2.0 */
#include "cdc/report.h"

#include "core/json.h"
#include "core/text/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdicts[] = { [CDC_OK] = "ok", [CDC_DIFFERS] = "differs", [CDC_UNCHECKED] = "unchecked" };

void cdc_say(json_t *report, enum cdc_verdict verdict, struct cdc_subject of, const char *advice, const char *format,
             ...)
{
        va_list args;
        char *text = NULL;
        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        if (text)
                utf8_repair(text, false); /* it was cut somewhere */
        json_array_append_new(report,
                              json_pack("{s:s, s:s, s:s, s:s, s:s?}", "verdict", verdicts[verdict], "part", of.part,
                                        "name", of.name, "text", text ? text : "memory ran out", "advice", advice));
        free(text);
}

size_t cdc_count(const json_t *report, enum cdc_verdict verdict)
{
        size_t i, count = 0;
        const json_t *line;
        json_array_foreach(report, i, line)
                count += strcmp(json_text(line, "verdict", ""), verdicts[verdict]) == 0;
        return count;
}
