/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/screen.h"

#include "core/text/print.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SCREEN_WIDTH = 80, SCREEN_HEIGHT = 24, SCREEN_MOST = 1000 };

/* ---- keys ---- */

enum screen_key screen_key(struct screen_keys *k, unsigned char byte)
{
        enum { PLAIN, ESCAPED, INTRODUCED };
        const unsigned state = k->state;
        k->state = PLAIN;
        if (byte == 033) {
                k->state = ESCAPED;
        } else if (state == ESCAPED && (byte == '[' || byte == 'O')) { /* O: with cursor keys in application mode */
                k->state = INTRODUCED;
        } else if (state == INTRODUCED) {
                if (byte < '@') /* a parameter */
                        k->state = INTRODUCED;
                else if (byte == 'C' || byte == 'D')
                        return byte == 'C' ? SCREEN_RIGHT : SCREEN_LEFT;
        } else if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) {
                k->letter = (char)(byte | 0x20);
                return SCREEN_LETTER;
        }
        return SCREEN_NO_KEY;
}

static void on_screen_input(uv_poll_t *poll, int status, int events)
{
        struct screen *s = (struct screen *)poll->data;
        unsigned char bytes[64];
        (void)events;
        const ssize_t size = status == 0 ? read(STDIN_FILENO, bytes, sizeof(bytes)) : -1;
        if (size <= 0) { /* the terminal is gone; SIGHUP says so as well */
                uv_poll_stop(poll);
                return;
        }
        for (ssize_t i = 0; i < size; i++) {
                const enum screen_key key = screen_key(&s->keys, bytes[i]);
                if (key != SCREEN_NO_KEY)
                        s->pressed(key, s->keys.letter, s->arg);
        }
}

/* ---- writing ---- */

static void screen_add(struct screen *s, const char *text)
{
        buffer_add_string(&s->frame, text);
}

/* Nobody who no longer reads is drawn for. */
static void screen_flush(struct screen *s)
{
        size_t at = 0;
        while (at < s->frame.size) {
                const ssize_t size = write(STDOUT_FILENO, s->frame.data + at, s->frame.size - at);
                if (size < 0 && errno == EINTR)
                        continue;
                if (size <= 0) {
                        s->ended(s->arg);
                        break;
                }
                at += (size_t)size;
        }
        buffer_reset(&s->frame);
}

void screen_size(size_t *width, size_t *height)
{
        struct winsize size;
        *width = SCREEN_WIDTH;
        *height = SCREEN_HEIGHT;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
                return;
        *width = size.ws_col < SCREEN_MOST ? size.ws_col : SCREEN_MOST;
        *height = size.ws_row < SCREEN_MOST ? size.ws_row : SCREEN_MOST;
}

void screen_begin(struct screen *s)
{
        s->lines = 0;
        if (s->steers)
                screen_add(s, "\033[H"); /* home */
}

void screen_line(const char *text, enum top_style style, void *screen)
{
        static const char *const styles[] = {
                [TOP_PLAIN] = "", [TOP_TITLE] = "\033[1m", [TOP_WRONG] = "\033[31m", [TOP_DIM] = "\033[2m"
        };
        struct screen *s = (struct screen *)screen;
        if (s->lines++)
                screen_add(s, s->steers ? "\r\n" : "\n");
        if (s->colours)
                screen_add(s, styles[style]);
        screen_add(s, text);
        if (s->colours && *styles[style])
                screen_add(s, "\033[0m");
        if (s->steers)
                screen_add(s, "\033[K"); /* what stood behind it */
}

void screen_end(struct screen *s)
{
        screen_add(s, s->steers ? "\033[J" : "\n"); /* what stood below it */
        screen_flush(s);
}

/* ---- entering and leaving ---- */

static void screen_enter(struct screen *s)
{
        if (s->reads) {
                struct termios now = s->before;
                now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
                tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
        }
        if (s->steers) { /* another screen, no cursor, no line that goes on below */
                screen_add(s, "\033[?1049h\033[?25l\033[?7l\033[2J");
                screen_flush(s);
        }
        s->entered = true;
}

static void screen_leave(struct screen *s)
{
        if (!s->entered)
                return;
        s->entered = false;
        if (s->steers) {
                screen_add(s, "\033[?7h\033[?25h\033[?1049l");
                screen_flush(s);
        }
        if (s->reads)
                tcsetattr(STDIN_FILENO, TCSADRAIN, &s->before);
}

static void on_screen_signal(uv_signal_t *handle, int number)
{
        struct screen *s = (struct screen *)handle->data;
        if (number == SIGWINCH) {
                s->resized(s->arg);
        } else if (number == SIGTSTP) {
                screen_leave(s);
                kill(getpid(), SIGSTOP); /* goes on here */
                screen_enter(s);
                s->resized(s->arg);
        } else {
                s->ended(s->arg);
        }
}

void screen_open(struct screen *s)
{
        static const int numbers[SCREEN_SIGNALS] = { SIGWINCH, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
        const char *term = getenv("TERM");
        s->steers = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
        s->reads = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &s->before) == 0;
        s->colours = s->steers && print_colours(stdout);
        for (size_t i = 0; i < SCREEN_SIGNALS; i++) {
                uv_signal_init(s->loop, &s->signals[i]);
                s->signals[i].data = s;
                uv_signal_start(&s->signals[i], on_screen_signal, numbers[i]);
        }
        const int flags = fcntl(STDIN_FILENO, F_GETFL);
        if (s->reads && uv_poll_init(s->loop, &s->input, STDIN_FILENO) == 0) {
                fcntl(STDIN_FILENO, F_SETFL, flags); /* which libuv has changed, for the shell and for stdout, too */
                s->input.data = s;
                uv_poll_start(&s->input, UV_READABLE, on_screen_input);
        } else {
                s->reads = false;
        }
        screen_enter(s);
}

void screen_close(struct screen *s)
{
        screen_leave(s);
        for (size_t i = 0; i < SCREEN_SIGNALS; i++)
                uv_close((uv_handle_t *)&s->signals[i], NULL);
        if (s->reads)
                uv_close((uv_handle_t *)&s->input, NULL);
        buffer_free(&s->frame);
}
