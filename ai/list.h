/* SPDX-License-Identifier: Apache-2.0 */
/* A list that its members carry themselves: put a struct listed first into whatever shall be listed. Owned by one thread. */
#ifndef CHARD_AI_LIST_H
#define CHARD_AI_LIST_H

/* A member's place, or the list itself: a ring. */
struct listed {
        struct listed *next, *prev;
};

/* Make a list, empty. */
void list_init(struct listed *list);

/* Add at the end. */
void list_add(struct listed *list, struct listed *one);

/* Take out of the list that it is in. */
void list_remove(struct listed *one);

/* The first, or NULL. / The one after, or NULL when it is the last. */
struct listed *list_first(struct listed *list);
struct listed *list_next(struct listed *list, struct listed *one);

#endif
