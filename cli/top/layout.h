/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `chard top`: what is known as one JSON object (model.c), that as lines of text (frame.c), and the terminal (screen.c). */
#ifndef CHARD_CLI_TOP_LAYOUT_H
#define CHARD_CLI_TOP_LAYOUT_H

#include "observe/picture.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- model.c: pure ---- */

/* What broker and store have said. Borrowed. */
struct top_said {
        int64_t now_ms;        /* wall clock */
        const json_t *figures; /* store_read.figures; NULL: the store has not said it */
        const json_t *load;    /* store_read.load, which may be some seconds old; NULL likewise */
        const json_t *queues;  /* array of top_queue */
        const char *store;     /* why it is away; NULL: it answers */
        const char *broker;    /* likewise */
};

/* {"queue","ready","in_flight","slots_free","oldest_age_s"}; null: not known. A new reference or NULL. */
json_t *top_queue(const char *name, const struct picture *p);

/* {"at_ms","store","broker" (null: up, else why not),"queues","workers","tasks","scheduled","dead","leader","ended","failed","cost_usd","wrong"}: a new reference. `memory`,
 * an object that is empty at first, is kept from one to the next: a worker's rate is what it has finished between two of its signs of life. */
json_t *top_model(const struct top_said *said, json_t *memory);

/* ---- frame.c: pure ---- */

enum top_sort { TOP_BY_LOAD, TOP_BY_NAME, TOP_BY_TIME, TOP_BY_FAILURES, TOP_BY_COST, TOP_SORTS };

enum top_style { TOP_PLAIN, TOP_TITLE, TOP_WRONG, TOP_DIM };

struct top_view {
        size_t width, height; /* of the frame, in characters */
        enum top_sort sort;
        bool keys; /* the last line says which there are */
};

/* A line of the frame: at most `width` characters, nothing in it that steers a terminal, without its end. Borrowed. */
typedef void top_line(const char *text, enum top_style style, void *arg);

/* Say the frame's lines, `height` at most, from the top. */
void top_frame(const json_t *model, const struct top_view *view, top_line *line, void *arg);

#endif
