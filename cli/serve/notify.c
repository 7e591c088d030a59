/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve/notify.h"

#include "core/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager that does not read loses what it is told; the loop does not wait for it. */
static void notify_send(const struct notify *n, const char *text)
{
        if (n->fd >= 0)
                (void)send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void notify_on_timer(uv_timer_t *timer)
{
        notify_send((const struct notify *)timer->data, "WATCHDOG=1");
}

/* A path, or a name of Linux's own after "@". Returns the address's length; 0 = it is none. */
static socklen_t notify_address(struct sockaddr_un *address, const char *path)
{
        const size_t length = strlen(path);
        *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
        if (length < 2 || length >= sizeof(address->sun_path) || (*path != '/' && *path != '@'))
                return 0;
        memcpy(address->sun_path, path, length);
        if (*path == '@')
                address->sun_path[0] = '\0';
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int notify_connect(const char *path)
{
        struct sockaddr_un address;
        const socklen_t length = notify_address(&address, path);
        const int fd = length ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, length) == 0)
                return fd;
        log_warn("service", "NOTIFY_SOCKET: %s: %s", path, length ? strerror(errno) : "no address of a socket");
        if (fd >= 0)
                close(fd);
        return -1;
}

/* Milliseconds between two signs of life; 0 = nobody waits for them here. */
static uint64_t notify_every_ms(void)
{
        const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
        if (!usec || (pid && *pid && strtol(pid, NULL, 10) != (long)getpid()))
                return 0;
        const uint64_t watched_usec = strtoull(usec, NULL, 10);
        return watched_usec && watched_usec < 2000 ? 1 : watched_usec / 2000;
}

void notify_begin(struct notify *n, uv_loop_t *loop)
{
        const char *path = getenv("NOTIFY_SOCKET");
        const uint64_t every_ms = path && *path ? notify_every_ms() : 0;
        n->fd = path && *path ? notify_connect(path) : -1;
        uv_timer_init(loop, &n->timer);
        n->timer.data = n;
        uv_unref((uv_handle_t *)&n->timer);
        notify_send(n, "READY=1");
        if (n->fd >= 0 && every_ms)
                uv_timer_start(&n->timer, notify_on_timer, every_ms, every_ms);
}

void notify_stopping(const struct notify *n)
{
        notify_send(n, "STOPPING=1");
}

void notify_end(struct notify *n)
{
        if (n->fd >= 0)
                close(n->fd);
        n->fd = -1;
        uv_close((uv_handle_t *)&n->timer, NULL);
}
