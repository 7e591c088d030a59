/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in made with nothing but chard.h: tasks that do what those of Celery's own integration tests do, under the same names. What sleeps
 * there asks here the model of tests/proof_celery/suite_session.py, which answers that much later: a plug-in's functions never wait. Redis, which some
 * of them write to for the tests to see, is spoken to in place; it stands on the same machine. */
#include <chard.h>

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MODULE "t.integration.tasks"

typedef const struct chard_input input;
typedef struct chard_outcome outcome;

static const char *format(input *in, const char *form, ...) __attribute__((format(printf, 2, 3)));

static const char *format(input *in, const char *form, ...)
{
        va_list first, second;
        va_start(first, form);
        va_copy(second, first);
        const size_t size = (size_t)vsnprintf(NULL, 0, form, first) + 1;
        char *text = chard_allocate(in, size);
        if (text)
                vsnprintf(text, size, form, second);
        va_end(first);
        va_end(second);
        return text ? text : "";
}

/* ---- arguments ---- */

/* Where the argument stands: by its name, or at its place. */
static const char *place_of(input *in, int place, const char *name)
{
        const char *named = format(in, "/kwargs/%s", name);
        return chard_argument_json(in, named) ? named : format(in, "/args/%d", place);
}

static const char *argument(input *in, int place, const char *name)
{
        return chard_argument_json(in, place_of(in, place, name));
}

static const char *text_argument(input *in, int place, const char *name, const char *otherwise)
{
        const char *text = chard_argument_text(in, place_of(in, place, name));
        return text ? text : otherwise;
}

/* What kombu makes of bytes that are UTF-8: {"__type__": "bytes", "__value__": text}. */
static const char *bytes_at(input *in, const char *at)
{
        const char *type = chard_argument_text(in, format(in, "%s/__type__", at));
        return type && strcmp(type, "bytes") == 0 ? chard_argument_text(in, format(in, "%s/__value__", at)) : NULL;
}

static const char *or_null(const char *json)
{
        return json ? json : "null";
}

static int is_number(const char *json)
{
        return json && strchr("-0123456789", json[0]);
}

static double number(const char *json)
{
        return is_number(json) ? strtod(json, NULL) : 0;
}

static const char *written(input *in, double value)
{
        return value == floor(value) && fabs(value) < 1e15 * 9 ? format(in, "%.0f", value) : format(in, "%.17g", value);
}

static int is_true(const char *json)
{
        return json && strcmp(json, "null") != 0 && strcmp(json, "false") != 0 && strcmp(json, "\"\"") != 0 &&
               !(is_number(json) && number(json) == 0);
}

static int type_error(input *in, const char *what)
{
        return chard_raise(in, "TypeError", "builtins", format(in, "[\"%s\"]", what));
}

/* ---- signatures ---- */

static const char *call(input *in, const char *task, const char *args, const char *kwargs, int immutable)
{
        return format(in,
                      "{\"task\": \"" MODULE
                      ".%s\", \"args\": %s, \"kwargs\": %s, \"options\": {}, \"subtask_type\": null,"
                      " \"immutable\": %s}",
                      task, args, kwargs ? kwargs : "{}", immutable ? "true" : "false");
}

static const char *many(input *in, const char *kind, const char *tasks, const char *options)
{
        return format(in,
                      "{\"task\": \"celery.%s\", \"args\": [], \"kwargs\": {\"tasks\": [%s]}, \"options\": %s,"
                      " \"subtask_type\": \"%s\", \"immutable\": false}",
                      kind, tasks, options ? options : "{}", kind);
}

static const char *chord_of(input *in, const char *header, const char *body)
{
        return format(
                in,
                "{\"task\": \"celery.chord\", \"args\": [], \"kwargs\": {\"header\": %s, \"body\": %s, \"kwargs\": {}},"
                " \"options\": {}, \"subtask_type\": \"chord\", \"immutable\": false}",
                header, body);
}

static const char *call_add(input *in, const char *args)
{
        return call(in, "add", args, NULL, 0);
}

/* ---- Redis ---- */

static int redis_open(void)
{
        const char *port = getenv("REDIS_PORT");
        struct sockaddr_in to = { .sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(port ? port : "6379")) };
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
                return fd;
        if (fd >= 0)
                close(fd);
        return -1;
}

/* Each command on a connection of its own. Its answer is one line, a number. */
static int redis_said(const char *text)
{
        const int fd = redis_open();
        char answer[64];
        const int done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                         read(fd, answer, sizeof(answer)) > 0 && answer[0] == ':';
        if (fd >= 0)
                close(fd);
        return done ? CHARD_DONE : CHARD_BROKEN;
}

static int redis_push(input *in, const char *key, const char *value)
{
        return redis_said(format(in, "*3\r\n$5\r\nRPUSH\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key), key,
                                 strlen(value), value));
}

static int redis_increment(input *in, const char *key)
{
        return redis_said(format(in, "*2\r\n$4\r\nINCR\r\n$%zu\r\n%s\r\n", strlen(key), key));
}

/* ---- values ---- */

static int identity(input *in, outcome *out)
{
        const char *x = argument(in, 0, "x");
        return x ? chard_result(out, x) : type_error(in, "identity() missing 1 required positional argument: 'x'");
}

/* What Python's + gives of numbers, of texts and of lists. */
static const char *plus(input *in, const char *x, const char *y)
{
        if (is_number(x) && is_number(y))
                return written(in, number(x) + number(y));
        if (x[0] != y[0] || !strchr("\"[", x[0]))
                return NULL;
        const int left = (int)strlen(x) - 1;
        if (x[0] == '"' || strcmp(x, "[]") == 0 || strcmp(y, "[]") == 0)
                return format(in, "%.*s%s", left, x, y + 1);
        return format(in, "%.*s, %s", left, x, y + 1);
}

static int add(input *in, outcome *out)
{
        const char *x = argument(in, 0, "x"), *y = argument(in, 1, "y"), *z = argument(in, 2, "z");
        if (!x || !y || chard_argument_json(in, "/kwargs/wrong_arg"))
                return type_error(in, "add() wants x and y");
        const char *sum = plus(in, x, y);
        if (sum && is_true(z))
                sum = plus(in, sum, z);
        return sum ? chard_result(out, sum) : type_error(in, "unsupported operand type(s) for +");
}

static int mul(input *in, outcome *out)
{
        const char *x = argument(in, 0, "x"), *y = argument(in, 1, "y");
        if (!is_number(x) || !is_number(y))
                return type_error(in, "unsupported operand type(s) for *");
        return chard_result(out, written(in, number(x) * number(y)));
}

/* The sum of the list there; of lists in it too, `deep` levels down. */
static int sum_at(input *in, const char *at, int deep, double *total)
{
        const char *list = chard_argument_json(in, at), *value;
        if (!list || list[0] != '[')
                return 0;
        for (int i = 0; (value = chard_argument_json(in, format(in, "%s/%d", at, i))); i++) {
                if (is_number(value))
                        *total += number(value);
                else if (!deep || !sum_at(in, format(in, "%s/%d", at, i), deep - 1, total))
                        return 0;
        }
        return 1;
}

static int summed(input *in, outcome *out, const char *at, int deep)
{
        double total = 0;
        if (!sum_at(in, at, deep, &total))
                return type_error(in, "unsupported operand type(s) for +: 'int' and something else");
        return chard_result(out, written(in, total));
}

static int tsum(input *in, outcome *out)
{
        return summed(in, out, place_of(in, 0, "nums"), 0);
}

static int xsum(input *in, outcome *out)
{
        return summed(in, out, place_of(in, 0, "nums"), 1);
}

static int sum_and_record(input *in, outcome *out)
{
        const int rc = summed(in, out, place_of(in, 0, "values"), 0);
        return rc == CHARD_DONE ? redis_push(in, text_argument(in, 1, "redis_key", ""), chard_request_text(in, "/id"))
                                : rc;
}

static int write_to_file_and_return_int(input *in, outcome *out)
{
        const char *i = argument(in, 1, "i"), *name = text_argument(in, 0, "file_name", "");
        FILE *file = fopen(name, "a");
        if (!file)
                return chard_raise(in, "FileNotFoundError", "builtins", format(in, "[%s]", chard_quote(in, name)));
        fprintf(file, "%s\n", or_null(i));
        fclose(file);
        return chard_result(out, or_null(i));
}

static int print_unicode(input *in, outcome *out)
{
        return chard_argument_json(in, "/args/2") ? type_error(in, "print_unicode() takes from 0 to 2 arguments")
                                                  : chard_result(out, "null");
}

static int return_exception(input *in, outcome *out)
{
        return chard_result(out, format(in, "[%s, true]", or_null(argument(in, 0, "e"))));
}

static int add_pydantic(input *in, outcome *out)
{
        const char *at = place_of(in, 0, "data");
        const char *x = chard_argument_json(in, format(in, "%s/x", at)),
                   *y = chard_argument_json(in, format(in, "%s/y", at));
        if (!is_number(x) || !is_number(y))
                return chard_raise(in, "ValidationError", "pydantic_core._pydantic_core", "[\"AddParameterModel\"]");
        return chard_result(out, format(in, "{\"result\": %s}", written(in, number(x) + number(y))));
}

/* ---- the request ---- */

static const char *own_ids(input *in, const char *i)
{
        return format(in, "[%s, %s, %s]", or_null(chard_request_json(in, "/root_id")),
                      or_null(chard_request_json(in, "/parent_id")), or_null(i));
}

static int ids(input *in, outcome *out)
{
        return chard_result(out, own_ids(in, argument(in, 0, "i")));
}

static int collect_ids(input *in, outcome *out)
{
        return chard_result(out,
                            format(in, "[%s, %s]", or_null(argument(in, 0, "res")), own_ids(in, argument(in, 1, "i"))));
}

static int return_priority(input *in, outcome *out)
{
        const char *priority = chard_request_json(in, "/delivery_info/priority");
        return chard_result(out, format(in, "\"Priority: %s\"", priority ? priority : "None"));
}

static int return_properties(input *in, outcome *out)
{
        return chard_result(out, or_null(chard_request_json(in, "/properties")));
}

static int return_request_eta(input *in, outcome *out)
{
        return chard_result(out, or_null(chard_request_json(in, "/eta")));
}

static int time_limits(input *in, outcome *out)
{
        return chard_result(out, format(in, "{\"time_limit\": %s, \"soft_time_limit\": %s}",
                                        or_null(chard_request_json(in, "/time_limit")),
                                        or_null(chard_request_json(in, "/soft_time_limit"))));
}

/* ---- failing ---- */

static int raise_error(input *in, outcome *out)
{
        (void)out;
        return chard_raise(in, "ValueError", "builtins", "[\"deliberate error\"]");
}

static int fail(input *in, outcome *out)
{
        const char *args = chard_argument_json(in, "/args");
        (void)out;
        if (!args || strcmp(args, "[]") == 0)
                args = "[\"Task expected to fail\"]";
        else
                args = format(in, "[\"Task expected to fail\", %s", args + 1);
        return chard_raise(in, "ExpectedException", MODULE, args);
}

static int unpickleable(input *in)
{
        return chard_raise(in, "UnpickleableException", MODULE, format(in, "[%s]", or_null(argument(in, 0, "foo"))));
}

static int fail_unpickleable(input *in, outcome *out)
{
        (void)out;
        return unpickleable(in);
}

static int reject_without_requeue(input *in, outcome *out)
{
        (void)out;
        return chard_raise(in, "Reject", "celery.exceptions", "[\"rejected\", false]");
}

static int reject_then_succeed(input *in, outcome *out)
{
        const char *redelivered = chard_request_json(in, "/delivery_info/redelivered");
        return is_true(redelivered) ? chard_result(out, "\"second-pass\"") : CHARD_ELSEWHERE;
}

/* ---- trying again ---- */

static long retries(input *in)
{
        return (long)number(chard_request_json(in, "/retries"));
}

static int retry(input *in, outcome *out)
{
        const char *value = argument(in, 0, "return_value");
        if (is_true(value) && retries(in) >= 3)
                return chard_result(out, value);
        chard_raise(in, "ExpectedException", MODULE, "[]");
        return chard_retry(in, 5000, 3);
}

static int retry_unpickleable(input *in, outcome *out)
{
        const char *delay = chard_argument_json(in, "/kwargs/retry_kwargs/countdown");
        const char *limit = chard_argument_json(in, "/kwargs/retry_kwargs/max_retries");
        (void)out;
        unpickleable(in);
        return chard_retry(in, (long)(number(delay) * 1000), (int)number(limit));
}

static int once_more(input *in, outcome *out, const char *then)
{
        const char *delay = chard_argument_json(in, "/kwargs/countdown");
        if (!retries(in))
                return chard_retry(in, is_number(delay) ? (long)(number(delay) * 1000) : 100, 1);
        return chard_result(out, or_null(then));
}

static int retry_once(input *in, outcome *out)
{
        return once_more(in, out, format(in, "%ld", retries(in)));
}

static int retry_once_priority(input *in, outcome *out)
{
        return once_more(in, out, chard_request_json(in, "/delivery_info/priority"));
}

static int retry_once_headers(input *in, outcome *out)
{
        return once_more(in, out, chard_request_json(in, "/headers"));
}

static int auto_retry(input *in, outcome *out)
{
        if (retries(in))
                return chard_result(out, format(in, "%ld", retries(in)));
        chard_raise(in, "ValueError", "builtins", "[]");
        return chard_retry(in, 1000, 1);
}

/* ---- what the tests see in Redis ---- */

static int redis_echo(input *in, outcome *out)
{
        const char *at = place_of(in, 0, "message"), *json = chard_argument_json(in, at);
        const char *text = json && json[0] == '{' ? bytes_at(in, at) : chard_argument_text(in, at);
        if (!text && !is_number(json))
                return chard_raise(in, "DataError", "redis.exceptions", "[\"Invalid input\"]");
        const int rc = redis_push(in, text_argument(in, 1, "redis_key", "redis-echo"), text ? text : json);
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

static int redis_echo_group_id(input *in, outcome *out)
{
        const int rc =
                redis_push(in, text_argument(in, 1, "redis_key", "redis-group-ids"), chard_request_text(in, "/group"));
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

static int redis_count(input *in, outcome *out)
{
        const int rc = redis_increment(in, text_argument(in, 0, "redis_key", "redis-count"));
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

static int errback_old_style(input *in, outcome *out)
{
        const char *id = text_argument(in, 0, "request_id", "");
        const int rc = redis_increment(in, id);
        return rc == CHARD_DONE ? chard_result(out, chard_quote(in, id)) : rc;
}

static int errback_new_style(input *in, outcome *out)
{
        const char *id = chard_argument_text(in, "/args/0/id");
        if (!id)
                return type_error(in, "errback_new_style() wants request, exc and tb");
        const int rc = redis_increment(in, id);
        return rc == CHARD_DONE ? chard_result(out, chard_quote(in, id)) : rc;
}

static int errback_old_style_with_args(input *in, outcome *out)
{
        const int rc = redis_push(in, text_argument(in, 0, "request_id", ""), text_argument(in, 1, "label", ""));
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

static int errback_new_style_with_args(input *in, outcome *out)
{
        const char *id = chard_argument_text(in, "/args/0/id");
        if (!id)
                return type_error(in, "errback_new_style_with_args() wants request, exc, tb and label");
        const int rc = redis_push(in, id, text_argument(in, 3, "label", ""));
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

/* ---- canvases beside the result, and in the task's place ---- */

static int chain_add(input *in, outcome *out)
{
        const char *x = or_null(argument(in, 0, "x")), *y = or_null(argument(in, 1, "y"));
        const char *steps =
                format(in, "%s, %s", call_add(in, format(in, "[%s, %s]", x, x)), call_add(in, format(in, "[%s]", y)));
        const int rc = chard_send(out, many(in, "chain", steps, NULL));
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

static int chord_add(input *in, outcome *out)
{
        const char *x = or_null(argument(in, 0, "x")), *y = or_null(argument(in, 1, "y"));
        const char *part = call_add(in, format(in, "[%s, %s]", x, x));
        const int rc =
                chard_send(out, chord_of(in, many(in, "group", part, NULL), call_add(in, format(in, "[%s]", y))));
        return rc == CHARD_DONE ? chard_result(out, "null") : rc;
}

static int build_chain_inside_task(input *in, outcome *out)
{
        const char *pair = format(in, "%s, %s", call_add(in, "[3]"), call_add(in, "[4]"));
        return chard_send_as_result(out, many(in, "chain",
                                              format(in, "%s, %s, %s, %s", call_add(in, "[1, 1]"), call_add(in, "[2]"),
                                                     many(in, "group", pair, NULL), call_add(in, "[5]")),
                                              NULL));
}

static int add_replaced(input *in, outcome *out)
{
        return chard_replace(out, call_add(in, format(in, "[%s, %s]", or_null(argument(in, 0, "x")),
                                                      or_null(argument(in, 1, "y")))));
}

static int add_replaced_with_chain(input *in, outcome *out)
{
        const char *sum =
                call_add(in, format(in, "[%s, %s]", or_null(argument(in, 0, "x")), or_null(argument(in, 1, "y"))));
        return chard_replace(out,
                             many(in, "chain", format(in, "%s, %s", sum, call(in, "identity", "[]", NULL, 0)), NULL));
}

static int fail_replaced(input *in, outcome *out)
{
        return chard_replace(out, call(in, "fail", or_null(chard_argument_json(in, "/args")), NULL, 1));
}

/* A chain of identity and `then`, with a link or an errback. */
static int replace_with_pair(input *in, outcome *out, const char *then, const char *as)
{
        const char *message = chard_argument_json(in, "/kwargs/link_msg");
        const char *link = is_true(message) ? call(in, "redis_echo", format(in, "[%s]", message), NULL, 1)
                                            : call(in, "redis_echo", "[]", NULL, 0);
        const char *steps =
                format(in, "%s, %s", call(in, "identity", or_null(chard_argument_json(in, "/args")), NULL, 0),
                       call(in, then, "[]", NULL, 0));
        return chard_replace(out, many(in, "chain", steps, format(in, "{\"%s\": [%s]}", as, link)));
}

static int replace_with_chain(input *in, outcome *out)
{
        return replace_with_pair(in, out, "identity", "link");
}

static int replace_with_chain_which_raises(input *in, outcome *out)
{
        return replace_with_pair(in, out, "raise_error", "link_error");
}

static int replace_with_chain_which_contains_a_group(input *in, outcome *out)
{
        const char *pair = format(in, "%s, %s", call_add(in, "[1]"), call_add(in, "[1]"));
        const char *steps = format(in, "%s, %s", call_add(in, "[1, 2]"), many(in, "group", pair, NULL));
        return chard_replace(out, many(in, "chain", steps, NULL));
}

static int replace_with_empty_chain(input *in, outcome *out)
{
        return chard_replace(out, many(in, "chain", "", NULL));
}

/* add(n, val) for each n of `nums`, comma-separated. */
static const char *added_parts(input *in)
{
        const char *at = place_of(in, 0, "nums"), *val = or_null(argument(in, 1, "val")), *parts = "", *value;
        for (int i = 0; (value = chard_argument_json(in, format(in, "%s/%d", at, i))); i++)
                parts = format(in, "%s%s%s", parts, i ? ", " : "", call_add(in, format(in, "[%s, %s]", value, val)));
        return parts;
}

static int add_to_all(input *in, outcome *out)
{
        return chard_replace(out, many(in, "group", added_parts(in), NULL));
}

static int add_to_all_to_chord(input *in, outcome *out)
{
        const char *at = place_of(in, 0, "nums"), *val = or_null(argument(in, 1, "val")), *value;
        for (int i = 0; (value = chard_argument_json(in, format(in, "%s/%d", at, i))); i++) {
                const int rc = chard_add_to_chord(out, call_add(in, format(in, "[%s, %s]", value, val)));
                if (rc != CHARD_DONE)
                        return rc;
        }
        return chard_result(out, "0");
}

static int add_chord_to_chord(input *in, outcome *out)
{
        const char *sum = call(in, "tsum", "[]", NULL, 0);
        const int rc = chard_add_to_chord(out, chord_of(in, many(in, "group", added_parts(in), NULL), sum));
        return rc == CHARD_DONE ? chard_result(out, "0") : rc;
}

static int record_replaced_task_nesting(input *in, outcome *out)
{
        const char *left = argument(in, 0, "replacements"), *before = argument(in, 1, "nesting");
        const char *own = or_null(chard_request_json(in, "/replaced_task_nesting"));
        const char *now = !is_true(before) || strcmp(before, "[]") == 0 ? format(in, "[%s]", own)
                                                                        : plus(in, before, format(in, "[%s]", own));
        if (!is_true(left))
                return chard_result(out, now);
        const char *args = format(in, "[%s, %s]", written(in, number(left) - 1), now);
        return chard_replace(out, call(in, "record_replaced_task_nesting", args, NULL, 0));
}

/* Says "In …", is replaced by `between` and itself, and then says "Out …". */
static int second_order(input *in, outcome *out, const char *self, const char *letter, const char *between)
{
        const int again = is_true(argument(in, 0, "state"));
        const int rc = redis_push(in, "redis-echo", format(in, "%s %s", again ? "Out" : "In", letter));
        if (rc != CHARD_DONE || again)
                return rc == CHARD_DONE ? chard_result(out, "null") : rc;
        const char *steps = format(in, "%s, %s", between, call(in, self, "[]", "{\"state\": true}", 1));
        return chard_replace(out, many(in, "chain", steps, NULL));
}

static int second_order_replace1(input *in, outcome *out)
{
        return second_order(in, out, "second_order_replace1", "A", call(in, "second_order_replace2", "[]", NULL, 0));
}

static int second_order_replace2(input *in, outcome *out)
{
        return second_order(in, out, "second_order_replace2", "B", call(in, "redis_echo", "[\"In/Out C\"]", NULL, 0));
}

static int replaced_with_me(input *in, outcome *out)
{
        (void)in;
        return chard_result(out, "true");
}

static int replace_with_stamped_task(input *in, outcome *out)
{
        return chard_replace(out, format(in, "{\"task\": \"" MODULE ".replaced_with_me\", \"args\": [], \"kwargs\": {},"
                                             " \"options\": {\"stamped_headers\": [\"StampOnReplace\"],"
                                             " \"StampOnReplace\": \"This is the replaced task\"}}"));
}

/* ---- signatures as values ---- */

static const char *nested(input *in, const char *outer, const char *inner)
{
        const char *one = call_add(in, "[]");
        const char *within = strcmp(inner, "chord") == 0 ? chord_of(in, many(in, "group", one, NULL), one)
                                                         : many(in, inner, one, NULL);
        return strcmp(outer, "chord") == 0 ? chord_of(in, many(in, "group", within, NULL), one)
                                           : many(in, outer, within, NULL);
}

#define NESTED(outer, inner)                                                          \
        static int return_nested_signature_##outer##_##inner(input *in, outcome *out) \
        {                                                                             \
                return chard_result(out, nested(in, #outer, #inner));                 \
        }

NESTED(chain, chain)
NESTED(chain, group)
NESTED(chain, chord)
NESTED(group, chain)
NESTED(group, group)
NESTED(group, chord)
NESTED(chord, chain)
NESTED(chord, group)
NESTED(chord, chord)

static int rebuild_at(input *in, const char *at)
{
        const char *inner[] = { "kwargs/tasks", "kwargs/header/kwargs/tasks" };
        if (!chard_argument_text(in, format(in, "%s/task", at)))
                return 0;
        for (int k = 0; k < 2; k++)
                for (int i = 0; chard_argument_json(in, format(in, "%s/%s/%d", at, inner[k], i)); i++)
                        if (!rebuild_at(in, format(in, "%s/%s/%d", at, inner[k], i)))
                                return 0;
        return !chard_argument_json(in, format(in, "%s/kwargs/body", at)) ||
               rebuild_at(in, format(in, "%s/kwargs/body", at));
}

static int rebuild_signature(input *in, outcome *out)
{
        return rebuild_at(in, place_of(in, 0, "sig_dict")) ? chard_result(out, "null")
                                                           : type_error(in, "is not a signature object");
}

/* ---- sleeping: the model's answer takes that long ---- */

static int ask_to_sleep(struct chard_request *request, const char *seconds)
{
        return chard_say(request, "user", CHARD_TEXT, seconds ? seconds : "1");
}

static int sleeping_ask(input *in, struct chard_request *request)
{
        return ask_to_sleep(request, argument(in, 0, "i"));
}

static int sleeping_conclude(input *in, const struct chard_reply *reply, outcome *out)
{
        (void)in, (void)reply;
        return chard_result(out, "null");
}

static int delayed_ask(input *in, struct chard_request *request)
{
        return ask_to_sleep(request, argument(in, 1, "pause_time"));
}

static int delayed_conclude(input *in, const struct chard_reply *reply, outcome *out)
{
        (void)reply;
        return summed(in, out, place_of(in, 0, "numbers"), 0);
}

static int delayed_overdue(input *in, outcome *out)
{
        (void)in;
        return chard_result(out, "0");
}

/* ---- what there is ---- */

#define SHAPE(called) .name = MODULE "." #called, .queue = "celery", .deadline_ms = 10000
#define TASK(called, function, more) \
        static const struct chard_task task_##called = { SHAPE(called), .flags = CHARD_PLAIN | (more), .run = function }
#define ALIKE(called) TASK(called, called, 0)

ALIKE(identity);
ALIKE(add);
ALIKE(mul);
ALIKE(tsum);
ALIKE(xsum);
ALIKE(sum_and_record);
ALIKE(write_to_file_and_return_int);
ALIKE(print_unicode);
ALIKE(return_exception);
ALIKE(add_pydantic);
ALIKE(ids);
ALIKE(collect_ids);
ALIKE(return_priority);
ALIKE(return_properties);
ALIKE(return_request_eta);
ALIKE(raise_error);
ALIKE(fail);
ALIKE(fail_unpickleable);
ALIKE(reject_without_requeue);
ALIKE(reject_then_succeed);
ALIKE(retry);
ALIKE(retry_unpickleable);
ALIKE(retry_once);
ALIKE(retry_once_priority);
ALIKE(retry_once_headers);
ALIKE(redis_echo);
ALIKE(redis_echo_group_id);
ALIKE(redis_count);
ALIKE(errback_old_style);
ALIKE(errback_old_style_with_args);
ALIKE(chain_add);
ALIKE(chord_add);
ALIKE(build_chain_inside_task);
ALIKE(add_replaced);
ALIKE(add_replaced_with_chain);
ALIKE(fail_replaced);
ALIKE(replace_with_chain);
ALIKE(replace_with_chain_which_raises);
ALIKE(replace_with_chain_which_contains_a_group);
ALIKE(replace_with_empty_chain);
ALIKE(add_to_all);
ALIKE(add_to_all_to_chord);
ALIKE(add_chord_to_chord);
ALIKE(record_replaced_task_nesting);
ALIKE(second_order_replace1);
ALIKE(second_order_replace2);
ALIKE(replaced_with_me);
ALIKE(replace_with_stamped_task);
ALIKE(rebuild_signature);
ALIKE(return_nested_signature_chain_chain);
ALIKE(return_nested_signature_chain_group);
ALIKE(return_nested_signature_chain_chord);
ALIKE(return_nested_signature_group_chain);
ALIKE(return_nested_signature_group_group);
ALIKE(return_nested_signature_group_chord);
ALIKE(return_nested_signature_chord_chain);
ALIKE(return_nested_signature_chord_group);
ALIKE(return_nested_signature_chord_chord);
TASK(add_not_typed, add, 0);
TASK(add_ignore_result, add, 0);
TASK(add_with_result, add, 0);
TASK(add_pydantic_string_annotations, add_pydantic, 0);
TASK(retry_once_ignore_result, retry_once, 0);
TASK(retry_once_with_result, retry_once, 0);
TASK(return_request_time_limits, time_limits, 0);
TASK(errback_new_style, errback_new_style, CHARD_ERRBACK);
TASK(errback_new_style_with_args, errback_new_style_with_args, CHARD_ERRBACK);

static const struct chard_task task_auto_retry = { .name = "auto_retry_class_task",
                                                   .queue = "celery",
                                                   .deadline_ms = 10000,
                                                   .flags = CHARD_PLAIN,
                                                   .run = auto_retry };
static const struct chard_task task_declared_limits = { SHAPE(task_with_declared_time_limits), .time_limit_ms = 60000,
                                                        .soft_time_limit_ms = 45000, .flags = CHARD_PLAIN,
                                                        .run = time_limits };

static const struct chard_prompt prompts[] = { { "en", "Answer after so many seconds." }, { NULL, NULL } };

#define SLEEPER(called, asks, concludes, late)                                                        \
        static const struct chard_task task_##called = {                                              \
                .name = MODULE "." #called,                                                           \
                .queue = "celery",                                                                    \
                .deadline_ms = 60000,                                                                 \
                .flags = CHARD_PLAIN,                                                                 \
                .prompts = prompts,                                                                   \
                .schema = "{\"type\": \"object\", \"properties\": {\"ok\": {\"type\": \"boolean\"}}," \
                          " \"required\": [\"ok\"], \"additionalProperties\": false}",                \
                .ask = asks,                                                                          \
                .conclude = concludes,                                                                \
                .overdue = late,                                                                      \
        }

SLEEPER(sleeping, sleeping_ask, sleeping_conclude, NULL);
SLEEPER(delayed_sum, delayed_ask, delayed_conclude, NULL);
SLEEPER(delayed_sum_with_soft_guard, delayed_ask, delayed_conclude, delayed_overdue);

CHARD_PLUGIN(&task_identity, &task_add, &task_mul, &task_tsum, &task_xsum, &task_sum_and_record,
             &task_write_to_file_and_return_int, &task_print_unicode, &task_return_exception, &task_add_pydantic,
             &task_ids, &task_collect_ids, &task_return_priority, &task_return_properties, &task_return_request_eta,
             &task_raise_error, &task_fail, &task_fail_unpickleable, &task_reject_without_requeue,
             &task_reject_then_succeed, &task_retry, &task_retry_unpickleable, &task_retry_once,
             &task_retry_once_priority, &task_retry_once_headers, &task_redis_echo, &task_redis_echo_group_id,
             &task_redis_count, &task_errback_old_style, &task_errback_old_style_with_args, &task_chain_add,
             &task_chord_add, &task_build_chain_inside_task, &task_add_replaced, &task_add_replaced_with_chain,
             &task_fail_replaced, &task_replace_with_chain, &task_replace_with_chain_which_raises,
             &task_replace_with_chain_which_contains_a_group, &task_replace_with_empty_chain, &task_add_to_all,
             &task_add_to_all_to_chord, &task_add_chord_to_chord, &task_record_replaced_task_nesting,
             &task_second_order_replace1, &task_second_order_replace2, &task_replaced_with_me,
             &task_replace_with_stamped_task, &task_rebuild_signature, &task_return_nested_signature_chain_chain,
             &task_return_nested_signature_chain_group, &task_return_nested_signature_chain_chord,
             &task_return_nested_signature_group_chain, &task_return_nested_signature_group_group,
             &task_return_nested_signature_group_chord, &task_return_nested_signature_chord_chain,
             &task_return_nested_signature_chord_group, &task_return_nested_signature_chord_chord, &task_add_not_typed,
             &task_add_ignore_result, &task_add_with_result, &task_add_pydantic_string_annotations,
             &task_retry_once_ignore_result, &task_retry_once_with_result, &task_return_request_time_limits,
             &task_errback_new_style, &task_errback_new_style_with_args, &task_auto_retry, &task_declared_limits,
             &task_sleeping, &task_delayed_sum, &task_delayed_sum_with_soft_guard);
