/* What becomes of a request when the API server is busy, slow, silent, breaks off, or refuses the credential. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "scripted_server.h"

#include "base/clock.h"
#include "base/file.h"
#include "engine/kubernetes/client.h"

#define OK(body, length)                                                                                               \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " length "\r\nConnection: "                  \
    "close\r\n\r\n" body
#define FINE OK("{\"a\":1}", "7")
#define STATUS(code, fields) "HTTP/1.1 " code " x\r\n" fields "Content-Length: 0\r\nConnection: close\r\n\r\n"

struct scene {
    struct scripted_server server;
    struct kube_client *client;
};

static void open_scene(struct scene *scene, const struct step *steps, size_t count, struct kube_config config)
{
    server_start(&scene->server, steps, count);
    AUTO_FREE char *url = memory_format("https://127.0.0.1:%u", scene->server.port);
    config.server = url;
    if (!config.ca)
        config.ca = scene->server.certificate;
    assert_int_equal(kube_client_new(&config, &scene->client, NULL), 0);
}

static void close_scene(struct scene *scene)
{
    kube_client_free(scene->client);
    server_stop(&scene->server);
}

static int ask(struct scene *scene, const struct kube_request *request, struct error *error)
{
    cJSON *answer = NULL;
    int64_t a = 0;
    *error = (struct error){0};
    int r = kube_call(scene->client, request, &answer, error);
    if (r == 0)
        assert_true(json_i64(json_member(answer, "a"), &a) && a == 1);
    cJSON_Delete(answer);
    return r;
}

static size_t requests(struct scene *scene)
{
    size_t count = 0;
    while (server_request(&scene->server, count))
        count++;
    return count;
}

static const struct kube_request get = {.method = "GET", .target = "/api/v1/pods"};

/* --- busy --------------------------------------------------------------------------------------------------------- */

static void waits_as_long_as_a_busy_server_asks(void **state)
{
    const struct step steps[] = {{STATUS("429", "Retry-After: 1\r\n"), STEP_CLOSE, NULL},
                                 {STATUS("503", "Retry-After: 1\r\n"), STEP_CLOSE, NULL},
                                 {FINE, STEP_CLOSE, NULL}};
    const struct kube_request post = {.method = "POST", .target = "/api/v1/pods", .body = SLICE("{}")};
    struct scene scene;
    struct error error;
    struct kube_counts counts;
    (void)state;
    open_scene(&scene, steps, COUNT_OF(steps), (struct kube_config){0});
    int64_t began = clock_monotonic_ms();
    assert_int_equal(ask(&scene, &post, &error), 0); /* turned away before anything was done: a POST may come again */
    assert_true(clock_monotonic_ms() - began >= 2000);
    kube_client_counts(scene.client, &counts);
    assert_int_equal(counts.throttled, 2);
    assert_int_equal(counts.writes, 1);
    assert_int_equal(requests(&scene), 3);
    close_scene(&scene);
}

static void gives_up_when_the_wait_would_outlast_the_deadline(void **state)
{
    const struct step steps[] = {{STATUS("429", "Retry-After: 60\r\n"), STEP_CLOSE, NULL}};
    struct kube_request hasty = get;
    struct scene scene;
    struct error error;
    (void)state;
    open_scene(&scene, steps, COUNT_OF(steps), (struct kube_config){0});
    hasty.deadline_ms = 5000;
    int64_t began = clock_monotonic_ms();
    assert_int_equal(ask(&scene, &hasty, &error), -ERROR_LIMITED);
    assert_true(clock_monotonic_ms() - began < 5000);
    assert_int_equal(error.retry_after_s, 60); /* of the header: the text is plain */
    assert_int_equal(requests(&scene), 1);
    close_scene(&scene);
}

/* --- broken ------------------------------------------------------------------------------------------------------- */

static void repeats_only_what_may_be_done_twice(void **state)
{
    const struct step steps[] = {{"", STEP_CUT, NULL}, {FINE, STEP_CLOSE, NULL}};
    const struct {
        struct kube_request request;
        bool again;
    } rows[] = {
        {{.method = "GET", .target = "/x"}, true},
        {{.method = "GET", .target = "/x", .once = true}, false},
        {{.method = "PUT", .target = "/x", .body = SLICE("{}")}, true},
        {{.method = "DELETE", .target = "/x"}, true},
        {{.method = "POST", .target = "/x", .body = SLICE("{}")}, false},
        {{.method = "PATCH", .target = "/x", .body = SLICE("{}"), .content_type = "application/apply-patch+yaml"},
         true},
        {{.method = "PATCH", .target = "/x", .body = SLICE("{}"), .content_type = "application/merge-patch+json"},
         false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scene scene;
        struct error error;
        open_scene(&scene, steps, COUNT_OF(steps), (struct kube_config){0});
        int r = ask(&scene, &rows[i].request, &error);
        if (r != (rows[i].again ? 0 : -ERROR_UNAVAILABLE) || requests(&scene) != (rows[i].again ? 2u : 1u))
            fail_msg("%s, row %zu: %d (%s) after %zu requests", rows[i].request.method, i, r, error.message,
                     requests(&scene));
        close_scene(&scene);
    }
}

static void ends_a_call_that_takes_too_long(void **state)
{
    const struct step steps[] = {{"", STEP_STALL, NULL}};
    struct kube_request hasty = get;
    struct scene scene;
    struct error error;
    (void)state;
    open_scene(&scene, steps, COUNT_OF(steps), (struct kube_config){0});
    hasty.deadline_ms = 1500;
    assert_int_equal(ask(&scene, &hasty, &error), -ERROR_TIMEOUT);
    close_scene(&scene);
}

static void talks_only_to_the_authority_it_was_given(void **state)
{
    const struct step steps[] = {{FINE, STEP_CLOSE, NULL}};
    char *certificate, *key;
    struct scene scene;
    struct error error;
    (void)state;
    make_certificate("another", &certificate, &key);
    open_scene(&scene, steps, COUNT_OF(steps), (struct kube_config){.ca = certificate, .token = "secret-token"});
    assert_int_equal(ask(&scene, &get, &error), -ERROR_UNAVAILABLE);
    assert_null(strstr(error.message, "secret-token"));
    assert_int_equal(requests(&scene), 0);
    close_scene(&scene);
    free(certificate);
    free(key);
}

/* --- streams ------------------------------------------------------------------------------------------------------ */

struct watcher {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t news;
    int status, result;
    struct buffer bytes;
    bool ended;
};

static void watch_begin(void *context, int status, const char *content_type, int retry_after_s)
{
    struct watcher *watcher = context;
    (void)content_type;
    (void)retry_after_s;
    pthread_mutex_lock(&watcher->lock);
    watcher->status = status;
    pthread_cond_signal(&watcher->news);
    pthread_mutex_unlock(&watcher->lock);
}

static bool watch_data(void *context, struct slice bytes)
{
    struct watcher *watcher = context;
    pthread_mutex_lock(&watcher->lock);
    buffer_add_slice(&watcher->bytes, bytes);
    pthread_mutex_unlock(&watcher->lock);
    return true;
}

static void watch_end(void *context, int result, const struct error *error)
{
    struct watcher *watcher = context;
    (void)error;
    pthread_mutex_lock(&watcher->lock);
    watcher->result = result;
    watcher->ended = true;
    pthread_cond_signal(&watcher->news);
    pthread_mutex_unlock(&watcher->lock);
}

enum then { THEN_WAIT, THEN_CANCEL, THEN_CLOSE };

/* A watch on one answer, until its end; what came is "{}" each time. Returns the result. */
static int watch(const struct step *step, int64_t silence_ms, enum then then)
{
    struct scene scene;
    struct kube_stream *stream;
    struct watcher watcher = {0};
    const struct kube_sink sink = {.begin = watch_begin, .data = watch_data, .end = watch_end, .context = &watcher};
    struct kube_request request = get;
    pthread_mutex_init(&watcher.lock, NULL);
    pthread_cond_init(&watcher.news, NULL);
    request.deadline_ms = -1;
    request.silence_ms = silence_ms;
    open_scene(&scene, step, 1, (struct kube_config){0});
    assert_int_equal(kube_stream_start(scene.client, &request, &sink, &stream, NULL), 0);
    pthread_mutex_lock(&watcher.lock);
    while (!watcher.status)
        pthread_cond_wait(&watcher.news, &watcher.lock);
    if (then == THEN_CANCEL)
        kube_stream_cancel(stream);
    while (then != THEN_CLOSE && !watcher.ended)
        pthread_cond_wait(&watcher.news, &watcher.lock);
    pthread_mutex_unlock(&watcher.lock);
    close_scene(&scene);
    assert_true(watcher.ended);
    assert_int_equal(watcher.status, 200);
    if (then == THEN_WAIT)
        assert_string_equal(watcher.bytes.p, "{}");
    buffer_free(&watcher.bytes);
    pthread_cond_destroy(&watcher.news);
    pthread_mutex_destroy(&watcher.lock);
    return watcher.result;
}

#define CHUNK "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"

static void knows_a_watch_that_ended_from_one_that_was_cut(void **state)
{
    (void)state;
    assert_int_equal(watch(&(struct step){CHUNK "0\r\n\r\n", STEP_CLOSE, NULL}, 0, THEN_WAIT), 0);
    assert_int_equal(watch(&(struct step){CHUNK, STEP_CLOSE, NULL}, 0, THEN_WAIT), -ERROR_UNAVAILABLE);
    assert_int_equal(watch(&(struct step){CHUNK, STEP_CUT, NULL}, 0, THEN_WAIT), -ERROR_UNAVAILABLE);
    assert_int_equal(watch(&(struct step){OK("{}", "20"), STEP_CUT, NULL}, 0, THEN_WAIT), -ERROR_UNAVAILABLE);
}

static void ends_a_watch_that_is_silent(void **state)
{
    (void)state;
    assert_int_equal(watch(&(struct step){CHUNK, STEP_STALL, NULL}, 1000, THEN_WAIT), -ERROR_TIMEOUT);
}

static void ends_streams_for_who_cancels_and_for_who_closes(void **state)
{
    (void)state;
    assert_int_equal(watch(&(struct step){CHUNK, STEP_STALL, NULL}, 0, THEN_CANCEL), -ERROR_UNAVAILABLE);
    assert_int_equal(watch(&(struct step){CHUNK, STEP_STALL, NULL}, 0, THEN_CLOSE), -ERROR_UNAVAILABLE);
}

/* --- credentials -------------------------------------------------------------------------------------------------- */

static const struct step refused_once[] = {{STATUS("401", ""), STEP_CLOSE, NULL}, {FINE, STEP_CLOSE, NULL}};

static void assert_sent(struct scene *scene, size_t at, const char *line)
{
    const char *request = server_request(&scene->server, at);
    assert_non_null(request);
    if (!strstr(request, line))
        fail_msg("request %zu lacks \"%s\":\n%s", at, line, request);
}

static void reads_a_rotated_token_when_the_old_one_is_refused(void **state)
{
    char path[] = "/tmp/atelier-token-XXXXXX";
    struct scene scene;
    struct error error;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_write(path, SLICE("first\n"), 0600, NULL), 0);
    open_scene(&scene, refused_once, COUNT_OF(refused_once), (struct kube_config){.token_file = path});
    assert_int_equal(file_write(path, SLICE("second\n"), 0600, NULL), 0);
    assert_int_equal(ask(&scene, &get, &error), 0);
    assert_sent(&scene, 0, "Authorization: Bearer first\r\n");
    assert_sent(&scene, 1, "Authorization: Bearer second\r\n");
    close_scene(&scene);
    /* Nothing newer there: the caller is told, once, and not asked to wait. */
    open_scene(&scene, refused_once, COUNT_OF(refused_once), (struct kube_config){.token_file = path});
    assert_int_equal(ask(&scene, &get, &error), -ERROR_UNAVAILABLE);
    assert_int_equal(requests(&scene), 1);
    assert_null(strstr(error.message, "second"));
    close_scene(&scene);
    unlink(path);
}

static char *const no_environment[] = {NULL};

static void runs_the_plugin_again_when_its_token_is_refused(void **state)
{
    char path[] = "/tmp/atelier-runs-XXXXXX";
    struct scene scene;
    struct error error;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    AUTO_FREE char *script =
        memory_format("echo run >> %s; n=$(wc -l < %s); echo '{\"kind\":\"ExecCredential\","
                      "\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":\"'run-$n'\"}}'",
                      path, path);
    char *arguments[] = {(char[]){"-c"}, script, NULL};
    open_scene(&scene, refused_once, COUNT_OF(refused_once),
               (struct kube_config){.exec_command = (char[]){"sh"},
                                    .exec_args = arguments,
                                    .exec_env = (char **)(uintptr_t)no_environment,
                                    .exec_api_version = (char[]){"client.authentication.k8s.io/v1"}});
    assert_int_equal(ask(&scene, &get, &error), 0);
    assert_sent(&scene, 0, "Authorization: Bearer run-1\r\n");
    assert_sent(&scene, 1, "Authorization: Bearer run-2\r\n");
    close_scene(&scene);
    unlink(path);
}

static void says_why_there_is_no_credential(void **state)
{
    char *arguments[] = {(char[]){"-c"}, (char[]){"echo sign in first >&2; exit 1"}, NULL};
    struct scene scene;
    struct error error;
    (void)state;
    open_scene(&scene, NULL, 0,
               (struct kube_config){.exec_command = (char[]){"sh"},
                                    .exec_args = arguments,
                                    .exec_api_version = (char[]){"client.authentication.k8s.io/v1"}});
    assert_int_equal(ask(&scene, &get, &error), -ERROR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "sign in first"));
    close_scene(&scene);
    open_scene(&scene, NULL, 0,
               (struct kube_config){.exec_command = (char[]){"no-such-plugin-here"},
                                    .exec_api_version = (char[]){"client.authentication.k8s.io/v1"},
                                    .exec_install_hint = (char[]){"install it with apt-get"}});
    assert_int_equal(ask(&scene, &get, &error), -ERROR_UNAVAILABLE);
    assert_non_null(strstr(error.message, "install it with apt-get"));
    close_scene(&scene);
}

/* --- what is sent ------------------------------------------------------------------------------------------------- */

static void sends_in_whose_name_and_nothing_more(void **state)
{
    const struct step steps[] = {{FINE, STEP_CLOSE, NULL}};
    const char *const headers[] = {"Impersonate-User: system:serviceaccount:atelier-tenants:alice.editor", NULL};
    struct kube_request request = get;
    struct scene scene;
    struct error error;
    (void)state;
    request.headers = headers;
    open_scene(&scene, steps, COUNT_OF(steps), (struct kube_config){.token = (char[]){"platform"}});
    assert_int_equal(ask(&scene, &request, &error), 0);
    assert_sent(&scene, 0, "GET /api/v1/pods HTTP/1.1\r\n");
    assert_sent(&scene, 0, "Impersonate-User: system:serviceaccount:atelier-tenants:alice.editor\r\n");
    assert_sent(&scene, 0, "Authorization: Bearer platform\r\n");
    assert_null(strstr(server_request(&scene.server, 0), "Content-Type"));
    close_scene(&scene);
}

static void refuses_requests_that_would_say_something_else(void **state)
{
    static const char *const split[] = {"Accept: x\r\nImpersonate-User: root", NULL}, *const bare[] = {"Accept", NULL};
    const struct kube_request wrong[] = {
        {.method = "GET", .target = "/a b"},
        {.method = "GET", .target = "/a\r\nImpersonate-User: root"},
        {.method = "GET", .target = "//evil.example.com\\"},
        {.method = "GET", .target = "@evil.example.com/"},
        {.method = "GET", .target = "/a#b"},
        {.method = "GET /b HTTP/1.1", .target = "/a"},
        {.method = "GET", .target = "/a", .accept = "x\r\nImpersonate-User: root"},
        {.method = "POST", .target = "/a", .content_type = "x\nImpersonate-User: root"},
        {.method = "GET", .target = "/a", .headers = split},
        {.method = "GET", .target = "/a", .headers = bare},
        {.method = "POST", .target = "/a", .body = {"", (size_t)9 << 20}}, /* never read */
    };
    struct scene scene;
    struct error error;
    (void)state;
    open_scene(&scene, NULL, 0, (struct kube_config){0});
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_not_equal(ask(&scene, &wrong[i], &error), 0);
    assert_int_equal(requests(&scene), 0);
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_as_long_as_a_busy_server_asks),
        cmocka_unit_test(gives_up_when_the_wait_would_outlast_the_deadline),
        cmocka_unit_test(repeats_only_what_may_be_done_twice),
        cmocka_unit_test(ends_a_call_that_takes_too_long),
        cmocka_unit_test(talks_only_to_the_authority_it_was_given),
        cmocka_unit_test(knows_a_watch_that_ended_from_one_that_was_cut),
        cmocka_unit_test(ends_a_watch_that_is_silent),
        cmocka_unit_test(ends_streams_for_who_cancels_and_for_who_closes),
        cmocka_unit_test(reads_a_rotated_token_when_the_old_one_is_refused),
        cmocka_unit_test(runs_the_plugin_again_when_its_token_is_refused),
        cmocka_unit_test(says_why_there_is_no_credential),
        cmocka_unit_test(sends_in_whose_name_and_nothing_more),
        cmocka_unit_test(refuses_requests_that_would_say_something_else),
    };
    signal(SIGPIPE, SIG_IGN); /* a server whose client hangs up */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
