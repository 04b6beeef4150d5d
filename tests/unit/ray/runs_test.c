/* Is what a Ray job leaves found and kept while its cluster, or only the pod that submitted it, still knows? */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/engine_internal.h"
#include "ray/ray.h"
#include "tests/unit/documents.h"

#define JOB(state, deployment)                                                                                         \
    "{\"metadata\":{\"name\":\"train\",\"namespace\":\"alice\",\"uid\":\"u1\"},\"spec\":{\"entrypoint\":\"python "     \
    "train.py\"},\"status\":{\"jobId\":\"train-x2v7k\",\"rayClusterName\":\"train-abcde\",\"jobStatus\":\"" state      \
    "\",\"jobDeploymentStatus\":\"" deployment "\"}}"
#define CLUSTER                                                                                                        \
    "{\"metadata\":{\"name\":\"train-abcde\"},\"spec\":{\"authOptions\":{\"mode\":\"token\",\"secretName\":\"ray-"     \
    "auth\"}},"                                                                                                        \
    "\"status\":{\"head\":{\"serviceName\":\"train-abcde-head-svc\"}}}"

static struct {
    struct engine base;
    const char *job;
    const char *logs;      /* of the head, as JSON; NULL: it does not answer */
    const char *submitter; /* what the pod wrote; NULL: there is none */
    char heard[1024];      /* by the head */
    pthread_mutex_t lock;
    cJSON *kept; /* runs, as they are listed; guarded by <lock> */
    _Atomic int keeps, tidied;
    char *log; /* of the last that was kept */
    struct engine_watch watch;
} fake;

static int fake_get(struct engine *engine, enum engine_kind kind, const char *namespace, const char *name, cJSON **ret,
                    struct error *error)
{
    (void)engine;
    (void)namespace;
    const char *text = kind == KIND_RAYJOB ? fake.job : NULL;
    if (kind == KIND_RAYCLUSTER && strcmp(name, "train-abcde") == 0)
        text = CLUSTER;
    if (kind == KIND_SECRET && strcmp(name, "ray-auth") == 0)
        text = "{\"data\":{\"auth_token\":\"dG9rZW4=\"}}";
    if (!text)
        return error_set(error, ERROR_NOT_FOUND, NULL, "not found");
    *ret = from_json(text);
    return 0;
}

static int fake_list(struct engine *engine, enum engine_kind kind, const char *namespace,
                     const struct engine_list_options *options, cJSON **ret, struct error *error)
{
    (void)engine;
    (void)namespace;
    (void)error;
    bool pods = kind == KIND_POD && fake.submitter && strcmp(options->label_selector, "job-name=train") == 0;
    bool events = kind == KIND_EVENT && strstr(options->field_selector, "involvedObject.kind=RayCluster");
    *ret =
        from_json(pods ? "{\"items\":[{\"metadata\":{\"name\":\"old\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}},"
                         "{\"metadata\":{\"name\":\"new\",\"creationTimestamp\":\"2026-01-02T00:00:00Z\"}}]}"
                  : events ? "{\"items\":[{\"type\":\"Normal\",\"reason\":\"CreatedHeadPod\",\"message\":\"m\"}]}"
                           : "{\"items\":[]}");
    return 0;
}

static void *answer(void *context)
{
    int fd = (int)(intptr_t)context;
    AUTO_FREE char *text =
        memory_format("HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(fake.logs), fake.logs);
    ssize_t n = read(fd, fake.heard, sizeof(fake.heard) - 1);
    fake.heard[n > 0 ? n : 0] = '\0';
    for (size_t at = 0, length = strlen(text); at < length && n > 0; at += (size_t)n)
        n = send(fd, text + at, length - at, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static int fake_dial(struct engine *engine, const char *namespace, const char *service, const char *port, int *ret_fd,
                     struct error *error)
{
    int pair[2];
    pthread_t thread;
    (void)engine;
    (void)namespace;
    if (!fake.logs || strcmp(service, "train-abcde-head-svc") != 0 || strcmp(port, "8265") != 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "nobody there");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    *ret_fd = pair[0];
    assert_int_equal(pthread_create(&thread, NULL, answer, (void *)(intptr_t)pair[1]), 0);
    pthread_detach(thread);
    return 0;
}

static int fake_log_open(struct engine *engine, const char *namespace, const char *pod, const char *container,
                         int *ret_fd, bool *ret_live, struct error *error)
{
    (void)engine;
    (void)namespace;
    (void)container;
    (void)error;
    assert_string_equal(pod, "new");
    *ret_live = false;
    *ret_fd = memfd_create("log", MFD_CLOEXEC);
    assert_int_equal(write(*ret_fd, fake.submitter, strlen(fake.submitter)), strlen(fake.submitter));
    assert_int_equal(lseek(*ret_fd, 0, SEEK_SET), 0);
    return 0;
}

static int fake_history(struct engine *engine, const char *namespace, const char *name, cJSON **ret,
                        struct error *error)
{
    (void)engine;
    (void)error;
    assert_string_equal(namespace, "alice");
    assert_string_equal(name, "train");
    pthread_mutex_lock(&fake.lock);
    *ret = json_object();
    json_set(*ret, "items", json_copy(fake.kept));
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

static int fake_keep(struct engine *engine, const struct engine_run *run, struct error *error)
{
    (void)engine;
    (void)error;
    pthread_mutex_lock(&fake.lock);
    cJSON *kept = json_object();
    json_set_text(kept, "uid", json_text(run->job, "metadata", "uid", NULL));
    json_set_text(kept, "jobId", json_text(run->status, "jobId", NULL));
    json_set(kept, "status", json_copy(run->status));
    json_set(kept, "events", json_copy(run->events));
    json_set_i64(kept, "logBytes", run->log ? (int64_t)strlen(run->log) : cJSON_GetArraySize(fake.kept) ? 5 : 0);
    cJSON_Delete(fake.kept);
    fake.kept = json_array();
    json_push(fake.kept, kept);
    if (run->log) {
        free(fake.log);
        fake.log = memory_text(run->log);
    }
    pthread_mutex_unlock(&fake.lock);
    fake.keeps++;
    return 0;
}

static int fake_tidy(struct engine *engine, struct error *error)
{
    (void)engine;
    (void)error;
    fake.tidied++;
    return 0;
}

static int fake_job_log(struct engine *engine, const char *namespace, const char *name, const char *job_id, char **ret,
                        bool *ret_cut, struct error *error)
{
    (void)engine;
    (void)namespace;
    (void)name;
    (void)job_id;
    (void)error;
    *ret = memory_text("kept\n");
    *ret_cut = false;
    return 0;
}

static bool fake_has(struct engine *engine, enum engine_kind kind)
{
    (void)engine;
    (void)kind;
    return true;
}

static const struct engine_traits *fake_traits(struct engine *engine)
{
    static const struct engine_traits traits = {.name = "fake", .ray_by_kuberay = true};
    (void)engine;
    return &traits;
}

static int fake_watch(struct engine *engine, enum engine_kind kind, const char *namespace,
                      const struct engine_list_options *options, const char *version, engine_watcher watcher,
                      void *context, struct engine_watch **ret, struct error *error)
{
    AUTO_JSON cJSON *job = from_json(fake.job);
    (void)namespace;
    (void)options;
    (void)version;
    (void)error;
    assert_int_equal(kind, KIND_RAYJOB);
    fake.watch.engine = engine;
    *ret = &fake.watch;
    watcher(context, ENGINE_ADDED, job);
    return 0;
}

static void fake_unwatch(struct engine_watch *watch)
{
    (void)watch;
}

static const struct engine_operations operations = {.has = fake_has,
                                                    .traits = fake_traits,
                                                    .get = fake_get,
                                                    .list = fake_list,
                                                    .watch = fake_watch,
                                                    .unwatch = fake_unwatch,
                                                    .dial = fake_dial,
                                                    .log_open = fake_log_open,
                                                    .job_history = fake_history,
                                                    .job_log = fake_job_log,
                                                    .job_keep = fake_keep,
                                                    .job_tidy = fake_tidy};

static int start(void **state)
{
    (void)state;
    fake.base.operations = &operations;
    fake.kept = json_array();
    fake.keeps = fake.tidied = 0;
    fake.job = JOB("RUNNING", "Running");
    fake.logs = "{\"logs\":\"one\\ntwo\\n\"}";
    fake.submitter = NULL;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    cJSON_Delete(fake.kept);
    free(TAKE_POINTER(fake.log));
    return 0;
}

static char *log_of(const char *run, bool *ret_cut)
{
    struct error error = {0};
    char *text = NULL;
    if (ray_job_log(&fake.base, "alice", "train", run, &text, ret_cut, &error) < 0)
        fail_msg("%s", error.message);
    return text;
}

/* --- what is printed ---------------------------------------------------------------------------------------------- */

static void one_that_runs_is_asked_of_its_head(void **state)
{
    (void)state;
    bool cut = true;
    AUTO_FREE char *text = log_of(NULL, &cut);
    assert_string_equal(text, "one\ntwo\n");
    assert_false(cut);
    assert_non_null(strstr(fake.heard, "GET /api/jobs/train-x2v7k/logs "));
    assert_non_null(strstr(fake.heard, "Authorization: Bearer token\r\n"));
    AUTO_FREE char *other = log_of("train-before", &cut); /* of an earlier try */
    assert_string_equal(other, "kept\n");
    fake.job = JOB("SUCCEEDED", "Complete");
    AUTO_FREE char *ended = log_of("train-x2v7k", &cut);
    assert_string_equal(ended, "kept\n");
}

static void its_submitter_knows_when_no_head_answers(void **state)
{
    (void)state;
    bool cut = true;
    struct error error = {0};
    char *none = NULL;
    fake.logs = NULL;
    assert_int_equal(ray_job_log(&fake.base, "alice", "train", NULL, &none, &cut, &error), -ERROR_UNAVAILABLE);
    fake.submitter = "2026-01-02T00:00:00Z stdout F one\n2026-01-02T00:00:01Z stdout F \n"
                     "2026-01-02T00:00:01Z stdout F not \xff text\n2026-01-02T00:00:02Z stdout F two words\n";
    AUTO_FREE char *text = log_of(NULL, &cut);
    assert_string_equal(text, "one\n\ntwo words\n");
    assert_false(cut);
}

static void of_a_long_one_the_end_is_given(void **state)
{
    (void)state;
    AUTO_BUFFER struct buffer logs = {0};
    bool cut = false;
    buffer_add_text(&logs, "{\"logs\":\"");
    while (logs.n < 3 << 20)
        buffer_add_text(&logs, "a line of forty bytes, or almost so\\n");
    buffer_add_text(&logs, "the last\\n\"}");
    fake.logs = logs.p;
    AUTO_FREE char *text = log_of(NULL, &cut);
    assert_true(cut);
    assert_true(strlen(text) <= ENGINE_RUN_LOG_BYTES && strlen(text) > ENGINE_RUN_LOG_BYTES - 64);
    assert_int_equal(strncmp(text, "a line of", 9), 0); /* whole lines */
    assert_string_equal(text + strlen(text) - 9, "the last\n");
}

/* --- what is kept ------------------------------------------------------------------------------------------------- */

static void keep_all(int keeps)
{
    struct ray_runs *runs = ray_runs_new(&fake.base);
    for (int i = 0; i < 500 && (fake.keeps < keeps || fake.tidied == 0); i++)
        clock_sleep_ms(10);
    clock_sleep_ms(50); /* for what should not be */
    ray_runs_free(runs);
}

static void the_end_is_kept_once_and_its_log_from_the_first_word(void **state)
{
    (void)state;
    keep_all(0);
    assert_int_equal(fake.keeps, 0);        /* it runs */
    fake.job = JOB("SUCCEEDED", "Running"); /* Ray says so first: now its head still stands */
    keep_all(1);
    assert_int_equal(fake.keeps, 1);
    assert_string_equal(fake.log, "one\ntwo\n");
    assert_int_equal(cJSON_GetArraySize(json_member(fake.kept->child, "events")), 1);
    fake.logs = NULL; /* and now it does not */
    fake.job = JOB("SUCCEEDED", "Complete");
    keep_all(2);
    assert_int_equal(fake.keeps, 2);
    assert_string_equal(fake.log, "one\ntwo\n");
    assert_string_equal(json_text(fake.kept->child, "status", "jobDeploymentStatus", NULL), "Complete");
    keep_all(2); /* another replica, or the same after a restart */
    assert_int_equal(fake.keeps, 2);
}

static void a_run_without_a_log_is_kept_too(void **state)
{
    (void)state;
    fake.logs = NULL;
    fake.job = JOB("", "Failed");
    keep_all(1);
    assert_int_equal(fake.keeps, 1);
    assert_null(fake.log);
    assert_string_equal(json_text(fake.kept->child, "status", "jobDeploymentStatus", NULL), "Failed");
}

int main(void)
{
    pthread_mutex_init(&fake.lock, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_runs_is_asked_of_its_head, start, stop),
        cmocka_unit_test_setup_teardown(its_submitter_knows_when_no_head_answers, start, stop),
        cmocka_unit_test_setup_teardown(of_a_long_one_the_end_is_given, start, stop),
        cmocka_unit_test_setup_teardown(the_end_is_kept_once_and_its_log_from_the_first_word, start, stop),
        cmocka_unit_test_setup_teardown(a_run_without_a_log_is_kept_too, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
