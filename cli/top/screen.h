/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal: frames on it, keys from it, its size. Plain ECMA-48 sequences that every terminal since the VT100 knows; where there is no such terminal
 * (a pipe, TERM=dumb), lines one after the other. Loop thread. */
#ifndef CHARD_CLI_TOP_SCREEN_H
#define CHARD_CLI_TOP_SCREEN_H

#include "cli/top/layout.h"
#include "core/bytes.h"

#include <termios.h>
#include <uv.h>

enum screen_key { SCREEN_NO_KEY, SCREEN_LEFT, SCREEN_RIGHT, SCREEN_LETTER };

/* How far a sequence of bytes from the keyboard has come. Zero-initialise. */
struct screen_keys {
        unsigned state;
        char letter; /* of SCREEN_LETTER: small */
};

/* The next byte. Returns what was pressed, if that is known now. Pure. */
enum screen_key screen_key(struct screen_keys *k, unsigned char byte);

enum { SCREEN_SIGNALS = 6 };

struct screen {
        uv_loop_t *loop;
        bool steers, reads;    /* stdout is a terminal that can be steered; stdin is one */
        bool colours, entered; /* … and what was there before is put aside */
        struct termios before;
        struct screen_keys keys;
        uv_poll_t input;
        uv_signal_t signals[SCREEN_SIGNALS];
        struct buffer frame;
        size_t lines; /* said of this frame */
        void (*pressed)(enum screen_key key, char letter, void *arg);
        void (*resized)(void *arg); /* or come back to the foreground: draw anew */
        void (*ended)(void *arg);   /* a signal says so, or nobody reads what is drawn */
        void *arg;
};

/* `s` has its loop and functions. Begin; what is drawn until screen_close is gone after it. */
void screen_open(struct screen *s);

/* Put everything back as it was. The loop must turn until it is idle. */
void screen_close(struct screen *s);

/* How large a frame may be. */
void screen_size(size_t *width, size_t *height);

/* A frame: begin, a top_line with the screen for each line, end. */
void screen_begin(struct screen *s);
void screen_line(const char *text, enum top_style style, void *screen);
void screen_end(struct screen *s);

#endif
