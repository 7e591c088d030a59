/* SPDX-License-Identifier: Apache-2.0 */
/* What a check of the change data capture found: a list of lines, [{"verdict" ("ok", "differs", "unchecked"), "part", "name", "text", "advice" (what to do, or
 * null)}]. Memory that runs out shows in json_memory_lost. Loop thread. */
#ifndef CHARD_CDC_REPORT_H
#define CHARD_CDC_REPORT_H

#include <jansson.h>
#include <stddef.h>

enum cdc_verdict { CDC_OK, CDC_DIFFERS, CDC_UNCHECKED };

/* What a line is about. The name is of the connector, slot, publication or topic; "" = of none. */
struct cdc_subject {
        const char *part, *name;
};

/* Add a line. `advice` may be NULL. All is copied; text from outside may be anything. */
void cdc_say(json_t *report, enum cdc_verdict verdict, struct cdc_subject of, const char *advice, const char *format,
             ...) __attribute__((format(printf, 5, 6)));

/* Lines of the report that say so. */
size_t cdc_count(const json_t *report, enum cdc_verdict verdict);

#endif
