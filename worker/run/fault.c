/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/run/fault.h"

#ifdef CHARD_FAULT_POINTS

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool first_to_die(void)
{
        const char *path = getenv("CHARD_FAULT_ONCE");
        if (!path)
                return true;
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
                return false;
        close(fd);
        return true;
}

void fault_point(const char *from, const char *to)
{
        static unsigned passed; /* the test build has one worker and one loop thread */
        const char *wanted = getenv("CHARD_FAULT");
        char here[64];
        if (!wanted)
                return;
        const int size = snprintf(here, sizeof(here), "%s/%s", from, to);
        if (strncmp(wanted, here, (size_t)size) != 0 || (wanted[size] && wanted[size] != ':'))
                return;
        const unsigned nth = wanted[size] ? (unsigned)atoi(wanted + size + 1) : 1;
        if (++passed == nth && first_to_die())
                kill(getpid(), SIGKILL);
}

#else

/* ISO C wants something in a file. */
extern const int fault_points_are_off;
const int fault_points_are_off = 1;

#endif
