/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/list.h"

#include <stddef.h>

void list_init(struct listed *list)
{
        list->next = list->prev = list;
}

void list_add(struct listed *list, struct listed *one)
{
        one->next = list;
        one->prev = list->prev;
        list->prev->next = one;
        list->prev = one;
}

void list_remove(struct listed *one)
{
        one->next->prev = one->prev;
        one->prev->next = one->next;
}

struct listed *list_first(struct listed *list)
{
        return list_next(list, list);
}

struct listed *list_next(struct listed *list, struct listed *one)
{
        return one->next == list ? NULL : one->next;
}
