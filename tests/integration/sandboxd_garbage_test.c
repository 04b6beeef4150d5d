/* Is a container's log bounded and gone with its pod, and do images go that nobody wants, and no others? */
#include <sys/file.h>

#include "tests/integration/sandboxd_harness.h"

#define LOG_BYTES_MAX (16 << 20)
#define OLD_S (40 * 86400)
#define UNUSED_S (30 * 86400)

static void install(const char *name)
{
    AUTO_FREE char *bin = memory_format("%s/images/%s/venv/bin", bench.directory, name);
    AUTO_FREE char *python = memory_format("%s/python3", bin);
    AUTO_FREE char *description = memory_format("%s/images/%s/image.json", bench.directory, name);
    assert_int_equal(file_make_directories(bin, 0755, NULL), 0);
    if (!file_exists(python))
        assert_int_equal(symlink("/usr/bin/python3", python), 0);
    bench_put(description, "{}");
}

static char *image_file(const char *name, const char *file)
{
    return memory_format("%s/images/%s/%s", bench.directory, name, file);
}

static bool has(const char *name, const char *file)
{
    AUTO_FREE char *path = image_file(name, file);
    return file_exists(path);
}

static void age(const char *name, const char *file, int64_t seconds)
{
    AUTO_FREE char *path = image_file(name, file);
    time_t then = (time_t)(clock_wall_ms() / 1000 - seconds);
    const struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The names that went, separated by spaces; <keep> is one name, or "". */
static char *prune(const char *keep)
{
    struct error error = {0};
    AUTO_JSON cJSON *names = json_array(), *removed = NULL;
    AUTO_BUFFER struct buffer text = {0};
    const cJSON *name;
    json_push_text(names, "plain");
    if (*keep)
        json_push_text(names, keep);
    if (sandbox_images_prune(bench.client, names, UNUSED_S, &removed, &error) < 0)
        fail_msg("%s", error.message);
    buffer_add_text(&text, "");
    cJSON_ArrayForEach(name, removed) buffer_add_format(&text, "%s%s", text.n ? " " : "", name->valuestring);
    return memory_text_n(text.p ? text.p : "", text.n);
}

static void only_what_is_old_and_unwanted_goes(void **state)
{
    (void)state;
    install("old");
    install("young");
    install("kept");
    age("old", "image.json", OLD_S);
    age("kept", "image.json", OLD_S);
    AUTO_FREE char *first = prune("kept");
    assert_string_equal(first, "old");
    assert_false(has("old", "image.json") || has("old", "venv"));
    assert_true(has("young", "venv/bin/python3") && has("kept", "venv/bin/python3") && has("plain", "image.json"));
    AUTO_FREE char *second = prune(""); /* it was kept a moment ago */
    assert_string_equal(second, "");
    age("kept", ".used", OLD_S);
    AUTO_FREE char *third = prune("");
    assert_string_equal(third, "kept");
    install("kept"); /* built again: it is young */
    AUTO_FREE char *fourth = prune("");
    assert_string_equal(fourth, "");
}

static void what_a_pod_has_stays(void **state)
{
    (void)state;
    install("busy");
    age("busy", "image.json", OLD_S);
    cJSON *spec = bench_pod("u", "echo up; sleep 60");
    json_set_text(bench_container(spec), "image", "busy");
    cJSON_Delete(bench_start("alice", "p", spec));
    AUTO_FREE char *held = prune("");
    assert_string_equal(held, "");
    assert_true(has("busy", "image.json"));
    bench_remove("alice", "p");
    AUTO_FREE char *young = prune(""); /* the pod had it until now */
    assert_string_equal(young, "");
    age("busy", ".used", OLD_S);
    AUTO_FREE char *gone = prune("");
    assert_string_equal(gone, "busy");
}

static void nothing_goes_while_an_image_is_built(void **state)
{
    (void)state;
    install("stale");
    install("building");
    age("stale", "image.json", OLD_S);
    AUTO_FREE char *path = image_file("building", ".lock");
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(flock(lock, LOCK_EX), 0); /* as scripts/image-build.sh holds it */
    AUTO_FREE char *during = prune("");
    assert_string_equal(during, "");
    assert_true(has("stale", "venv/bin/python3"));
    close(lock);
    AUTO_FREE char *after = prune("");
    assert_string_equal(after, "stale");
}

static void a_removal_that_was_killed_goes_on(void **state)
{
    (void)state;
    install("half");
    AUTO_FREE char *from = image_file("half", "image.json");
    AUTO_FREE char *to = image_file("half", ".image.json.going");
    assert_int_equal(rename(from, to), 0);
    AUTO_FREE char *gone = prune("");
    assert_string_equal(gone, "half");
    assert_false(has("half", "venv") || has("half", ".image.json.going"));
}

static void names_are_checked(void **state)
{
    (void)state;
    struct error error = {0};
    AUTO_JSON cJSON *names = json_array(), *removed = NULL;
    json_push_text(names, "../etc");
    assert_int_equal(sandbox_images_prune(bench.client, names, UNUSED_S, &removed, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "keep");
    error = (struct error){0};
    cJSON_DeleteItemFromArray(names, 0);
    assert_int_equal(sandbox_images_prune(bench.client, names, -1, &removed, &error), -ERROR_INVALID);
    assert_string_equal(error.field, "unused_s");
}

static void a_log_is_bounded_and_goes_with_its_pod(void **state)
{
    (void)state;
    struct stat status;
    AUTO_FREE char *log = bench_path("data/logs/alice/chatty/main.log");
    cJSON_Delete(bench_start("alice", "chatty",
                             bench_pod("u", "yes $(head -c 200 /dev/zero | tr '\\0' x) | head -c 50M;"
                                            "echo the end")));
    cJSON_Delete(bench_wait("alice", "chatty", "stopped"));
    assert_int_equal(stat(log, &status), 0);
    assert_in_range(status.st_size, 1, LOG_BYTES_MAX);
    AUTO_FREE char *text = bench_output("alice", "chatty");
    assert_non_null(strstr(text, "the end\n")); /* the newest is what is kept */
    bench_remove("alice", "chatty");
    assert_int_equal(stat(log, &status), -1);
}

static int setup(void **state)
{
    if (bench_setup(state) < 0)
        return -1;
    bench_sandbox("alice");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_old_and_unwanted_goes),
        cmocka_unit_test(what_a_pod_has_stays),
        cmocka_unit_test(nothing_goes_while_an_image_is_built),
        cmocka_unit_test(a_removal_that_was_killed_goes_on),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(a_log_is_bounded_and_goes_with_its_pod),
    };
    return cmocka_run_group_tests(tests, setup, bench_teardown);
}
