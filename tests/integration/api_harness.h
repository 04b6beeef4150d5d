/*
 * A whole control plane in the test's process: real PostgreSQL, real gateway on loopback, real engine over a sandboxd
 * in memory, and people with tokens; plus the raw HTTP client that talks to it.
 *
 * admin: platform admin. alice: owns the profile alice. ed: editor, vi: viewer, max: admin of it. one: editor of its
 * notebook nb1 only. bob: a stranger.
 */
#ifndef ATELIER_TESTS_API_HARNESS_H
#define ATELIER_TESTS_API_HARNESS_H

#include "tests/integration/postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/un.h>
#include <cmocka.h>

#include "base/clock.h"
#include "controlplane/server.h"
#include "tests/integration/fake_sandbox.h"
#include "tests/integration/ports.h"

/* How long a test waits for what must come: a slow machine, or one under sanitizers, is not a defect. */
enum { PATIENCE_MS = 60000 };

enum person { ANONYMOUS, ADMIN, ALICE, MAX, ED, VI, ONE, BOB, PERSON_COUNT };
static const char *const person_names[] = {"anonymous", "admin", "alice", "max", "ed", "vi", "one", "bob"};

static struct {
    struct server server;
    char directory[64], port[8], first_link[64];
    char tokens[PERSON_COUNT][96];
} api;

/* --- HTTP --------------------------------------------------------------------------------------------------------- */
struct answer {
    int status;
    struct buffer raw; /* everything that came */
    const char *head, *body;
};
static inline void answer_free(struct answer *answer)
{
    buffer_free(&answer->raw);
}
#define AUTO_ANSWER __attribute__((cleanup(answer_free)))

/* A header's value; malloc'ed; NULL if absent. */
static inline char *answer_header(const struct answer *answer, const char *name)
{
    AUTO_FREE char *needle = memory_format("\r\n%s: ", name);
    const char *at = strcasestr(answer->head, needle);
    if (!at || at > answer->body)
        return NULL;
    at += strlen(needle);
    return memory_text_n(at, strcspn(at, "\r"));
}

static inline int api_connect(bool local)
{
    int fd = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed;
    if (local) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/admin.sock", api.directory);
        failed = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)strtol(api.port, NULL, 10)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        failed = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    }
    if (failed)
        fail_msg("connect: %s", strerror(errno));
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

static inline void send_all(int fd, const char *text, size_t count)
{
    while (count) {
        ssize_t sent = send(fd, text, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* refused early: the answer says why */
        text += sent;
        count -= (size_t)sent;
    }
}

static inline void parse_answer(struct answer *answer)
{
    if (!answer->raw.n)
        fail_msg("the connection was closed without an answer");
    answer->head = answer->raw.p;
    const char *end = strstr(answer->raw.p, "\r\n\r\n");
    answer->body = end ? end + 4 : answer->raw.p + answer->raw.n;
    answer->status = (int)strtol(answer->raw.p + 9, NULL, 10);
}

/* One whole exchange of raw bytes; the connection ends with it. */
static inline struct answer exchange(bool local, const char *request)
{
    struct answer answer = {0};
    char chunk[8192];
    int fd = api_connect(local);
    send_all(fd, request, strlen(request));
    ssize_t count;
    while ((count = recv(fd, chunk, sizeof(chunk), 0)) > 0)
        buffer_add(&answer.raw, chunk, (size_t)count);
    close(fd);
    parse_answer(&answer);
    return answer;
}

static inline char *request_text(const char *credentials, const char *method, const char *path, const char *more,
                                 const char *body)
{
    return memory_format("%s %s HTTP/1.1\r\nHost: localhost:%s\r\nConnection: close\r\n%s%s"
                         "Content-Length: %zu\r\n\r\n%s",
                         method, path, api.port, credentials, more ? more : "", body ? strlen(body) : 0,
                         body ? body : "");
}

static inline char *bearer(enum person person)
{
    return person == ANONYMOUS ? memory_text("") : memory_format("Authorization: Bearer %s\r\n", api.tokens[person]);
}

/* <more>: header lines; NULL: JSON if there is a body. */
static inline struct answer ask_with(enum person person, const char *method, const char *path, const char *more,
                                     const char *body)
{
    AUTO_FREE char *credentials = bearer(person);
    AUTO_FREE char *text = request_text(credentials, method, path, more, body);
    return exchange(false, text);
}

static inline struct answer ask(enum person person, const char *method, const char *path, const char *body)
{
    bool patch = strcmp(method, "PATCH") == 0 && strncmp(path, "/api/atelier/", 13) != 0;
    return ask_with(person, method, path,
                    !body   ? NULL
                    : patch ? "Content-Type: application/merge-patch+json\r\n"
                            : "Content-Type: application/json\r\n",
                    body);
}

static inline cJSON *answer_json(const struct answer *answer)
{
    cJSON *value = NULL;
    struct error error = {0};
    if (json_parse(slice_of(answer->body), &json_limits_default, &value, &error) < 0)
        fail_msg("not JSON (%s): %s", error.message, answer->raw.p);
    return value;
}

/* Asks, expects that status, and gives the JSON (NULL if there is no body). */
#define EXPECT(status_, person, method, path, body_)                                                                   \
    ({                                                                                                                 \
        AUTO_ANSWER struct answer answer_ = ask((person), (method), (path), (body_));                                  \
        if (answer_.status != (status_))                                                                               \
            fail_msg("%s: %s %s: expected %d:\n%s", person_names[person], (method), (path), (status_), answer_.raw.p); \
        *answer_.body ? answer_json(&answer_) : NULL;                                                                  \
    })
#define DO(status_, person, method, path, body_) cJSON_Delete(EXPECT(status_, person, method, path, body_))

/* --- the world ---------------------------------------------------------------------------------------------------- */
static const char *api_variable(const char *name)
{
    static char listen[32], metrics[32], images[128];
    static char *url;
    snprintf(listen, sizeof(listen), "127.0.0.1:%s", api.port);
    snprintf(images, sizeof(images), "%s/images", api.directory);
    if (!url)
        url = postgres_database("api");
    if (strcmp(name, "ATELIER_LISTEN") == 0)
        return listen;
    if (strcmp(name, "ATELIER_METRICS_LISTEN") == 0)
        return metrics;
    if (strcmp(name, "ATELIER_RUN_DIR") == 0 || strcmp(name, "ATELIER_DATA") == 0)
        return api.directory;
    if (strcmp(name, "ATELIER_TLS_LISTEN") == 0)
        return "";
    if (strcmp(name, "ATELIER_SAMPLE_S") == 0)
        return "1";
    if (strcmp(name, "ATELIER_IMAGES") == 0)
        return images;
    return strcmp(name, "DATABASE_URL") == 0 ? url : NULL;
}

static inline void write_image(void)
{
    AUTO_FREE char *directory = memory_format("%s/images/ray-2.60", api.directory);
    AUTO_FREE char *path = memory_format("%s/image.json", directory);
    AUTO_FREE char *text = memory_format("{\"name\":\"ray-2.60\",\"aliases\":[\"rayproject/ray:2.60.0\"],"
                                         "\"rayVersion\":\"2.60.0\",\"path\":\"%s\"}",
                                         directory);
    assert_int_equal(file_make_directories(directory, 0755, NULL), 0);
    assert_int_equal(file_write(path, slice_of(text), 0644, NULL), 0);
}

static inline void make_person(enum person person)
{
    char link[64], *token = api.tokens[person];
    AUTO_JSON cJSON *user = NULL, *row = NULL;
    AUTO_FREE char *email = memory_format("%s@%s", person_names[person], person == ADMIN ? "localhost" : "example.com");
    struct error error = {0};
    int status = person == ADMIN ? 0 : auth_user_create(api.server.auth, email, false, link, &user, &error);
    if (status == 0)
        status = auth_token_create(api.server.auth, email, "test", 0, NULL, token, &row, &error);
    if (status < 0)
        fail_msg("%s: %s", email, error.message);
}

static inline void wait_until(enum person person, const char *path, const char *text)
{
    for (int64_t until = clock_monotonic_ms() + PATIENCE_MS;;) {
        AUTO_ANSWER struct answer answer = ask(person, "GET", path, NULL);
        if (answer.status == 200 && strstr(answer.body, text))
            return;
        if (clock_monotonic_ms() > until)
            fail_msg("%s never has %s: %s", path, text, answer.raw.p);
        clock_sleep_ms(25);
    }
}

static inline void api_start_server(void)
{
    struct error error = {0};
    if (config_load(SLICE(""), api_variable, &api.server.config, &error) < 0)
        fail_msg("%s", error.message);
    if (server_start(&api.server, &error) < 0)
        fail_msg("%s", error.message);
}

static inline void api_start(void)
{
    log_start("api_test", LOG_ERROR);
    signal(SIGPIPE, SIG_IGN);
    snprintf(api.directory, sizeof(api.directory), "/tmp/atelier-api-XXXXXX");
    assert_non_null(mkdtemp(api.directory));
    snprintf(api.port, sizeof(api.port), "%u", free_port());
    fake_reset();
    write_image();
    api_start_server();
    /* The first link makes the admin's account. */
    assert_int_equal(auth_first_link(api.server.auth, api.first_link, NULL), 0);
    for (enum person person = ADMIN; person < PERSON_COUNT; person++)
        make_person(person);
}

static inline void api_stop(void)
{
    server_stop(&api.server);
    config_free(&api.server.config);
    file_remove_tree(api.directory, NULL);
}

#define PROFILE "{\"apiVersion\":\"kubeflow.org/v1\",\"kind\":\"Profile\",\"metadata\":{\"name\":\"alice\"}}"
#define NOTEBOOK                                                                                                       \
    "{\"metadata\":{\"name\":\"nb1\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"nb1\"}]}}}}"
#define NOTEBOOKS "/apis/kubeflow.org/v1/namespaces/alice/notebooks"
#define MEMBERS "/api/atelier/v1/profiles/alice/members"

/* Suspended, so that nothing of them runs. */
#define RAY_HEAD                                                                                                       \
    "\"headGroupSpec\":{\"rayStartParams\":{},\"template\":{\"spec\":{\"containers\":[{\"name\":\"ray-head\","         \
    "\"image\":\"ray-2.60\"}]}}}"
#define RAY_CLUSTER "{\"metadata\":{\"name\":\"rc\"},\"spec\":{\"suspend\":true," RAY_HEAD "}}"
#define RAY_SERVICE                                                                                                    \
    "{\"metadata\":{\"name\":\"shop\"},\"spec\":{\"suspend\":true,\"serveConfigV2\":\"applications: [{import_path: "   \
    "a:b}]\","                                                                                                         \
    "\"rayClusterConfig\":{" RAY_HEAD "}}}"
#define RAY_CLUSTERS "/apis/ray.io/v1/namespaces/alice/rayclusters"
#define RAY_SERVICES "/apis/ray.io/v1/namespaces/alice/rayservices"

/* The profile with its notebook nb1, and everybody's role. */
static inline void api_populate(void)
{
    DO(201, ALICE, "POST", "/apis/kubeflow.org/v1/profiles", PROFILE);
    wait_until(ALICE, "/apis/kubeflow.org/v1/profiles/alice", "\"phase\":\"Ready\"");
    DO(201, ALICE, "POST", NOTEBOOKS, NOTEBOOK);
    wait_until(ALICE, "/api/v1/namespaces/alice/pods", "\"nb1-0\"");
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"max@example.com\"},\"role\":\"admin\"}");
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"ed@example.com\"},\"role\":\"editor\"}");
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"vi@example.com\"},\"role\":\"viewer\"}");
    DO(201, ALICE, "POST", MEMBERS,
       "{\"subject\":{\"kind\":\"User\",\"name\":\"one@example.com\"},\"role\":\"editor\","
       "\"resource\":{\"kind\":\"Notebook\",\"name\":\"nb1\"}}");
}

/* For cmocka_run_group_tests: a populated server for the whole program. */
static inline int api_group_start(void **state)
{
    (void)state;
    api_start();
    api_populate();
    return 0;
}

static inline int api_group_stop(void **state)
{
    (void)state;
    api_stop();
    return 0;
}

#endif
