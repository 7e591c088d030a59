/* SPDX-License-Identifier: Apache-2.0 */
/* What the shipped tasks answer without a model: from the document, the taxonomy and the rules alone. Pure. */
#ifndef CHARD_WASTE_OFFLINE_H
#define CHARD_WASTE_OFFLINE_H

#include "tasks/task.h"

#include <jansson.h>

/* {"major", "middle", "item", "situation"} from the words of the document's text and the file name of its image URL;
 * unclassified where nothing is found. New reference. Returns 0 or -ENOMEM. */
int offline_classify(const struct task_input *in, json_t **answer);

#endif
