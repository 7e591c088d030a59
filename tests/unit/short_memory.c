/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every test of a program again and again while the Nth allocation of the engine fails, N = 1, 2, 3 …, when SHORT_MEMORY is set. The test may fail
 * then, but nothing may crash, leak, hang, trip a sanitizer or break what holds_even_short() asks for: each run is a child of its own, and is judged by how it ends.
 *
 * The unit tests are linked with a copy of the engine whose calls of malloc, of its siblings and of libcrypto's digests lead here (see the Makefile), and whose
 * code lies in a section of its own, so that what libraries allocate on behalf of the engine can be told from what a test allocates for itself.
 *
 * SHORT_MEMORY=stacks  fails each place (a call stack) the first time it allocates;  SHORT_MEMORY=all  every single allocation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>

#include <cmocka.h>

#include "tests/unit/short_memory.h"

#include <execinfo.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define leaks() (__lsan_do_recoverable_leak_check() != 0)
#else
#define leaks() false
#endif

enum {
        MOST_POINTS = 200000, /* of one test */
        MOST_LOOKED =
                3000, /* allocations of one test that are told apart by their places; who makes more makes them in the same places */
        MOST_LOOKS = 20000,
        MOST_FRAMES = 24,
        SECONDS = 20, /* that one run may take */
        EXIT_FAILED = 40,
        EXIT_LEAK = 41,
        EXIT_BROKEN = 42,
};

/* What a child writes, and its parent reads. */
struct record {
        unsigned long count;
        uint64_t stacks[MOST_POINTS];
};

static struct {
        bool armed, counting;
        unsigned long count, fail_at; /* 0: none fails */
        unsigned long most;           /* that are counted */
        unsigned long looks;          /* at who allocates */
        struct record *record;
        CMUnitTestFunction test;
        void *group_state;
} shortage;

/* ---- what the engine calls ---- */

extern const char __start_engine_text[] __attribute__((weak)), __stop_engine_text[] __attribute__((weak));
extern const char __executable_start[], etext[];

static bool in_range(const void *at, const char *from, const char *to)
{
        return (uintptr_t)at >= (uintptr_t)from && (uintptr_t)at < (uintptr_t)to;
}

/* Is the caller nearest to the library that allocates one of the engine's functions? */
static bool engine_asks(void *const *frames, int count)
{
        for (int i = 2; i < count; i++) {
                if (in_range(frames[i], __start_engine_text, __stop_engine_text))
                        return true;
                if (in_range(frames[i], __executable_start, etext))
                        return false; /* a test for itself */
        }
        return false;
}

static void remember(void *const *frames, int count)
{
        uint64_t hash = 0xCBF29CE484222325;
        for (int i = 2; i < count; i++)
                hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * 0x100000001B3;
        if (shortage.count <= MOST_POINTS)
                shortage.record->stacks[shortage.count - 1] = hash;
}

/* Shall this allocation fail? */
static bool fails(bool by_library)
{
        const unsigned long last = shortage.counting ? shortage.most : shortage.fail_at;
        if (!shortage.armed || shortage.count >= last || shortage.looks > MOST_LOOKS)
                return false; /* unwinding takes time */
        void *frames[MOST_FRAMES];
        if (by_library || shortage.counting) {
                shortage.looks++;
                shortage.armed = false; /* unwinding may allocate */
                const int depth = backtrace(frames, MOST_FRAMES);
                shortage.armed = true;
                if (by_library && !engine_asks(frames, depth))
                        return false;
                shortage.count++;
                if (shortage.counting)
                        remember(frames, depth);
        } else {
                shortage.count++;
        }
        return shortage.count == shortage.fail_at;
}

void short_memory_promise(bool condition, const char *text, const char *file, int line)
{
        if (!condition && shortage.fail_at > 0) {
                fprintf(stderr, "%s:%d: does not hold where memory is short: %s\n", file, line, text);
                fflush(NULL);
                _exit(EXIT_BROKEN);
        }
        _assert_true(condition, text, file, line);
}

bool short_memory_holds(bool condition, const char *text, const char *file, int line)
{
        const bool ran_short = shortage.fail_at > 0 && shortage.count >= shortage.fail_at;
        _assert_true(condition || ran_short, text, file, line);
        return condition;
}

void *short_malloc(size_t size);
void *short_calloc(size_t count, size_t size);
void *short_realloc(void *old, size_t size);
char *short_strdup(const char *text);
char *short_strndup(const char *text, size_t size);
int short_vasprintf(char **out, const char *format, va_list args);
int short_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));
EVP_MD_CTX *short_digest_new(void);
int short_digest_init(EVP_MD_CTX *c, const EVP_MD *type, ENGINE *engine);
int short_digest_update(EVP_MD_CTX *c, const void *data, size_t size);
int short_digest_final(EVP_MD_CTX *c, unsigned char *out, unsigned *size);

void *short_malloc(size_t size)
{
        return fails(false) ? NULL : malloc(size);
}

void *short_calloc(size_t count, size_t size)
{
        return fails(false) ? NULL : calloc(count, size);
}

void *short_realloc(void *old, size_t size)
{
        return fails(false) ? NULL : realloc(old, size);
}

char *short_strdup(const char *text)
{
        return fails(false) ? NULL : strdup(text);
}

char *short_strndup(const char *text, size_t size)
{
        return fails(false) ? NULL : strndup(text, size);
}

int short_vasprintf(char **out, const char *format, va_list args)
{
        *out = (char *)1; /* undefined after a failure, says its manual: nobody may free it */
        return fails(false) ? -1 : vasprintf(out, format, args);
}

int short_asprintf(char **out, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        const int size = short_vasprintf(out, format, args);
        va_end(args);
        return size;
}

EVP_MD_CTX *short_digest_new(void)
{
        return fails(false) ? NULL : EVP_MD_CTX_new();
}

int short_digest_init(EVP_MD_CTX *c, const EVP_MD *type, ENGINE *engine)
{
        return fails(false) ? 0 : EVP_DigestInit_ex(c, type, engine);
}

int short_digest_update(EVP_MD_CTX *c, const void *data, size_t size)
{
        return fails(false) ? 0 : EVP_DigestUpdate(c, data, size);
}

int short_digest_final(EVP_MD_CTX *c, unsigned char *out, unsigned *size)
{
        return fails(false) ? 0 : EVP_DigestFinal_ex(c, out, size);
}

static void *json_malloc(size_t size)
{
        return fails(true) ? NULL : malloc(size);
}

/* ---- one run ---- */

static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE };
enum { CRASHES = sizeof(crashes) / sizeof(crashes[0]) };
static struct sigaction sanitizer[CRASHES];

/* A test that falls over a NULL which the engine rightly gave it has failed, no more. The engine's own crash is the sanitizer's to tell: it happens again at once. */
static void on_crash(int number)
{
        void *frames[MOST_FRAMES];
        shortage.armed = false;
        if (!engine_asks(frames, backtrace(frames, MOST_FRAMES)))
                _exit(leaks() ? EXIT_LEAK : EXIT_FAILED);
        for (int i = 0; i < CRASHES; i++)
                if (crashes[i] == number)
                        sigaction(number, &sanitizer[i], NULL);
}

/* So with a test that reads on in what the engine could not make whole; but not in what the engine has freed. */
#if defined(__SANITIZE_ADDRESS__)
static void on_report(void)
{
        void *frames[MOST_FRAMES];
        const char *what = __asan_get_report_description();
        shortage.armed = false;
        if (strstr(what, "overflow") && !engine_asks(frames, backtrace(frames, MOST_FRAMES)))
                _exit(EXIT_FAILED);
}
#endif

static int take_group_state(void **state)
{
        *state = shortage.group_state;
        return 0;
}

static void armed_test(void **state)
{
        for (int i = 0; i < CRASHES; i++)
                signal(crashes[i], on_crash); /* after cmocka, which takes them for failures */
        shortage.armed = true;
        shortage.test(state);
        shortage.armed = false;
}

/* A failed assertion ends the run where it stands: what the test holds is still on its stack, and so not a leak. */
static void on_abort(int number)
{
        (void)number;
        shortage.armed = false;
        _exit(leaks() ? EXIT_LEAK : EXIT_FAILED);
}

int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown);

static void run_in_child(const struct CMUnitTest *test, unsigned long fail_at, int output)
{
        struct CMUnitTest armed = *test;
        armed.test_func = armed_test;
        shortage.test = test->test_func;
        shortage.count = shortage.looks = 0;
        shortage.fail_at = fail_at;
        shortage.counting = fail_at == 0;
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        setenv("CMOCKA_TEST_ABORT", "1", 1);
        signal(SIGABRT, on_abort);
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_set_death_callback(on_report);
#endif
        for (int i = 0; i < CRASHES; i++)
                sigaction(crashes[i], NULL, &sanitizer[i]);
        alarm(SECONDS);
        const int failed = __real__cmocka_run_group_tests("short of memory", &armed, 1, take_group_state, NULL);
        shortage.record->count = shortage.count;
        fflush(NULL);
        _exit(failed ? EXIT_FAILED : fail_at && leaks() ? EXIT_LEAK : 0);
}

/* What was wrong with how it ended, or NULL. */
static const char *judge(int status)
{
        if (WIFSIGNALED(status))
                return WTERMSIG(status) == SIGALRM ? "hangs" : "crashes";
        if (WEXITSTATUS(status) == EXIT_LEAK)
                return "leaks";
        if (WEXITSTATUS(status) == EXIT_BROKEN)
                return "breaks a promise";
        return WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EXIT_FAILED ? NULL : "crashes";
}

static void show(int output)
{
        char text[4096];
        ssize_t size;
        lseek(output, 0, SEEK_SET);
        while ((size = read(output, text, sizeof(text))) > 0)
                fwrite(text, 1, (size_t)size, stderr);
}

static const char *run_once(const struct CMUnitTest *test, unsigned long fail_at, int output)
{
        int status = 0;
        fflush(NULL);
        lseek(output, 0, SEEK_SET);
        if (ftruncate(output, 0) != 0)
                return "has no file for its output";
        const pid_t pid = fork();
        if (pid == 0)
                run_in_child(test, fail_at, output);
        waitpid(pid, &status, 0);
        return judge(status);
}

/* ---- all runs of a test ---- */

static bool is_new(const struct record *r, unsigned long at)
{
        for (unsigned long i = 0; i < at; i++)
                if (r->stacks[i] == r->stacks[at])
                        return false;
        return true;
}

/* Of the CPU, by the runs that have ended: so a busy machine tries no less. */
static double seconds(void)
{
        struct rusage used;
        getrusage(RUSAGE_CHILDREN, &used);
        return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* SHORT_MEMORY_SECONDS: what a program may take of the CPU. Each test gets its share of what those before it have left. Returns when this one's is over. */
static double share_of(size_t tests_left)
{
        static double end;
        const char *most = getenv("SHORT_MEMORY_SECONDS");
        if (end == 0)
                end = most ? strtod(most, NULL) : 1e18;
        return seconds() + (end - seconds()) / (double)tests_left;
}

/* Returns how many of its runs ended badly. */
static unsigned run_short(const struct CMUnitTest *test, int output, double until, unsigned long *runs)
{
        enum { MOST_SHOWN = 5 };
        struct record *r = shortage.record;
        unsigned bad = 0;
        const bool all = strcmp(getenv("SHORT_MEMORY"), "all") == 0;
        const char *why = run_once(test, 0, output);
        if (why)
                bad++, show(output);
        const unsigned long count = r->count < MOST_POINTS ? r->count : MOST_POINTS;
        for (unsigned long i = 0; i < count && bad < MOST_SHOWN; i++) {
                if (seconds() > until)
                        break;
                if (!all && !is_new(r, i))
                        continue;
                ++*runs;
                why = run_once(test, i + 1, output);
                if (!why)
                        continue;
                bad++;
                fprintf(stderr, "# %s %s when allocation %lu of %lu fails:\n", test->name, why, i + 1, count);
                show(output);
        }
        return bad;
}

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown)
{
        if (getenv("UNIT_TEST")) /* this one alone */
                cmocka_set_test_filter(getenv("UNIT_TEST"));
        if (!getenv("SHORT_MEMORY"))
                return __real__cmocka_run_group_tests(name, tests, count, setup, teardown);
        void *unused[MOST_FRAMES];
        backtrace(unused, MOST_FRAMES); /* loads what it needs, once */
        json_set_alloc_funcs(json_malloc, free);
        shortage.most = strcmp(getenv("SHORT_MEMORY"), "all") == 0 ? MOST_POINTS : MOST_LOOKED;
        shortage.record =
                mmap(NULL, sizeof(*shortage.record), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        const int output = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        const char *only = getenv("SHORT_MEMORY_TEST");
        unsigned failed = 0;
        if (shortage.record == MAP_FAILED || output < 0 || (setup && setup(&shortage.group_state) != 0))
                return 1;
        printf("1..%zu\n", count);
        for (size_t i = 0; i < count; i++) {
                unsigned long runs = 0;
                const unsigned bad = only && strcmp(only, tests[i].name) != 0
                                             ? 0
                                             : run_short(&tests[i], output, share_of(count - i), &runs);
                failed += bad > 0;
                printf("%s %zu - %s, short of memory %lu times\n", bad ? "not ok" : "ok", i + 1, tests[i].name, runs);
        }
        if (teardown)
                teardown(&shortage.group_state);
        return (int)failed;
}
