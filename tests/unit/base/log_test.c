/* The log: one whole JSON line a call, whatever the values hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

static int captured = -1, kept_stderr = -1;

static void capture(void)
{
    char path[] = "/tmp/atelier-log-test-XXXXXX";
    captured = mkostemp(path, O_CLOEXEC);
    unlink(path);
    kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(captured, STDERR_FILENO);
    log_start("test", LOG_INFO);
}

static void release(struct buffer *ret)
{
    char bytes[4096];
    ssize_t count;
    off_t at = 0;
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    while ((count = pread(captured, bytes, sizeof(bytes), at)) > 0) {
        buffer_add(ret, bytes, (size_t)count);
        at += count;
    }
    close(captured);
}

static void writes_json(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    capture();
    log_line(LOG_DEBUG, "below the minimum");
    errno = ENOENT;
    log_line(LOG_WARN, "pod \"x\"\nstarted", LOG_TEXT("name", "a\n{\"level\":\"forged\"}\x1b[2J"),
             LOG_NUMBER("pid", -12), LOG_SLICE("raw", SLICE("\xFF\0<")), LOG_TEXT("none", NULL));
    assert_int_equal(errno, ENOENT);
    log_line(LOG_ERROR, "bare");
    release(&text);
    struct slice rest, line = slice_split(buffer_slice(&text), '\n', &rest);
    AUTO_JSON cJSON *value = NULL;
    int64_t number, time;
    assert_int_equal(json_parse(line, NULL, &value, NULL), 0);
    assert_true(clock_parse(slice_of(json_text(value, "time", NULL)), &time));
    assert_string_equal(json_text(value, "level", NULL), "warn");
    assert_string_equal(json_text(value, "program", NULL), "test");
    assert_string_equal(json_text(value, "message", NULL), "pod \"x\"\\x0astarted");
    assert_string_equal(json_text(value, "name", NULL), "a\\x0a{\"level\":\"forged\"}\\x1b[2J");
    assert_true(json_i64(json_at(value, "pid", NULL), &number) && number == -12);
    assert_string_equal(json_text(value, "raw", NULL), "\\xff\\x00<");
    assert_string_equal(json_text(value, "none", NULL), "");
    AUTO_JSON cJSON *second = NULL;
    assert_int_equal(json_parse(slice_split(rest, '\n', &rest), NULL, &second, NULL), 0);
    assert_string_equal(json_text(second, "message", NULL), "bare");
    assert_int_equal(rest.n, 0);
}

static void bounds_lines(void **state)
{
    (void)state;
    static char huge[100000];
    AUTO_BUFFER struct buffer text = {0};
    memset(huge, '"', sizeof(huge) - 1);
    capture();
    log_line(LOG_INFO, huge, LOG_TEXT("a", huge), LOG_TEXT("b", huge), LOG_TEXT("c", huge), LOG_TEXT("d", huge));
    release(&text);
    assert_true(text.n <= 16384);
    AUTO_JSON cJSON *value = NULL;
    assert_int_equal(json_parse(buffer_slice(&text), NULL, &value, NULL), 0);
}

static void *log_much(void *argument)
{
    for (int i = 0; i < 200; i++)
        log_line(LOG_INFO, "a line", LOG_NUMBER("i", i), LOG_TEXT("thread", argument));
    return NULL;
}

static void lines_stay_whole_between_threads(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer text = {0};
    pthread_t threads[4];
    char *names[] = {"a", "b", "c", "d"};
    capture();
    int flags = fcntl(captured, F_GETFL);
    fcntl(captured, F_SETFL, flags | O_APPEND);
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_much, names[i]);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    release(&text);
    struct slice rest = buffer_slice(&text);
    size_t lines = 0;
    while (rest.n) {
        AUTO_JSON cJSON *value = NULL;
        assert_int_equal(json_parse(slice_split(rest, '\n', &rest), NULL, &value, NULL), 0);
        lines++;
    }
    assert_int_equal(lines, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_json),
        cmocka_unit_test(bounds_lines),
        cmocka_unit_test(lines_stay_whole_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
