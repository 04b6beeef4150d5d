/* How is the head of a Ray cluster asked for something? */
#include "engine/local/rayask.h"

#include <curl/curl.h>
#include <pthread.h>

#include "base/json_mend.h"
#include "engine/local/raypods.h"

enum { ANSWER_BYTES_MAX = 1 << 20, DEADLINE_MS = 10 * 1000 };
/* What stops an answer without end that only its tail is kept of. */
static const uint64_t answer_total_max = UINT64_C(4) << 30;
static const struct json_limits answer_limits = {
    .bytes = ANSWER_BYTES_MAX, .depth = 64, .values = 100000, .keys = 4096};

struct object *ray_find_head(struct local *local, const struct object *cluster)
{
    AUTO_OBJECT_LIST struct object_list pods = {0};
    objects_select(local->objects, KIND_POD, cluster->namespace, NULL, &pods);
    for (size_t i = 0; i < pods.count; i++) {
        const cJSON *labels = json_at(pods.items[i]->body, "metadata", "labels", NULL);
        if (object_controlled_by(pods.items[i], cluster->uid) && !object_terminating(pods.items[i]) &&
            strcmp(json_text_or("", labels, RAY_LABEL_TYPE, NULL), "head") == 0)
            return object_ref(pods.items[i]);
    }
    return NULL;
}

char *ray_token_line(struct local *local, const struct object *cluster)
{
    AUTO_FREE char *name = ray_secret_name(cluster);
    AUTO_OBJECT struct object *secret = objects_find(local->objects, KIND_SECRET, cluster->namespace, name);
    return secret
               ? text_secret_line("X-Ray-Authorization: Bearer ", json_text(secret->body, "data", "auth_token", NULL))
               : NULL;
}

/* --- one exchange, over a socket that sandboxd connected ---------------------------------------------------------- */

struct exchange {
    int fd; /* -1 once libcurl has it */
    struct ray_answer answer;
    size_t keep_bytes;
    uint64_t total;
    struct curl_slist *headers;
};

static curl_socket_t hand_over(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *exchange = context;
    (void)purpose;
    (void)address;
    int fd = TAKE_FD(exchange->fd);
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int is_connected(void *context, curl_socket_t fd, curlsocktype purpose)
{
    (void)context;
    (void)fd;
    (void)purpose;
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct exchange *exchange = context;
    struct buffer *body = &exchange->answer.body;
    size_t n = size * count;
    exchange->total += n;
    if (exchange->keep_bytes ? exchange->total > answer_total_max : body->n + n > ANSWER_BYTES_MAX)
        return 0; /* libcurl ends the exchange */
    buffer_add(body, bytes, n);
    if (exchange->keep_bytes && body->n > 2 * exchange->keep_bytes) {
        buffer_drop(body, body->n - exchange->keep_bytes);
        exchange->answer.cut = true;
    }
    return n;
}

static void add_header(struct exchange *exchange, const char *line)
{
    struct curl_slist *longer = curl_slist_append(exchange->headers, line);
    if (!longer)
        memory_oom(strlen(line));
    exchange->headers = longer;
}

static void set_options(CURL *curl, struct exchange *exchange, const struct ray_question *question, const char *url)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, question->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->headers);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, hand_over);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, is_connected);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(question->deadline_ms ? question->deadline_ms : DEADLINE_MS));
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the environment's is not for this */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

static int perform(CURL *curl, struct exchange *exchange, struct error *error)
{
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(error, ERROR_TIMEOUT, NULL, "the head of the Ray cluster did not answer in time");
    if (code == CURLE_WRITE_ERROR)
        return error_set(error, ERROR_UPSTREAM, NULL, "the answer of the Ray cluster's head is too large");
    if (code != CURLE_OK)
        return error_set(error, code == CURLE_UNSUPPORTED_PROTOCOL ? ERROR_INTERNAL : ERROR_UNAVAILABLE, NULL,
                         "the head of the Ray cluster does not answer: %s", curl_easy_strerror(code));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange->answer.status);
    return 0;
}

static void end_exchange(struct exchange *exchange)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    for (struct curl_slist *line = exchange->headers; line; line = line->next)
        memory_wipe(line->data, strlen(line->data)); /* one of them is the token */
    curl_slist_free_all(exchange->headers);
    buffer_free(&exchange->answer.body);
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void start_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int exchange_with(struct exchange *exchange, const char *address, uint16_t port,
                         const struct ray_question *question, struct error *error)
{
    AUTO_FREE char *url = memory_format("http://%s:%u%s", address, (unsigned)port, question->path);
    AUTO_FREE char *body = question->body ? json_print(question->body) : NULL;
    pthread_once(&curl_once, start_curl);
    CURL *curl = curl_easy_init();
    if (!curl)
        return error_set(error, ERROR_INTERNAL, NULL, "no HTTP client can be made");
    add_header(exchange, "Expect:");
    if (body) {
        add_header(exchange, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
    }
    set_options(curl, exchange, question, url);
    int r = perform(curl, exchange, error);
    curl_easy_cleanup(curl);
    return r;
}

int ray_ask(struct local *local, const struct object *cluster, const struct ray_question *question,
            struct ray_answer *ret, struct error *error)
{
    AUTO_OBJECT struct object *head = ray_find_head(local, cluster);
    const char *address = head ? json_text_or("", head->body, "status", "podIP", NULL) : "";
    struct exchange exchange = {.fd = -1, .keep_bytes = question->keep_bytes};
    char *token = ray_token_line(local, cluster);
    bool runs = address[0] && token;
    if (runs && !question->port)
        add_header(&exchange, token);
    if (token)
        memory_wipe(token, strlen(token));
    free(token);
    if (!runs)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "the Ray cluster %s has no running head", cluster->name);
    uint16_t port = question->port ? question->port : ray_head_port(cluster, "dashboard-port", RAY_DASHBOARD);
    int r = sandbox_dial(local->sandbox, cluster->namespace, address, port, &exchange.fd, error);
    if (r == 0)
        r = exchange_with(&exchange, address, port, question, error);
    if (r == 0 && exchange.keep_bytes && exchange.answer.body.n > exchange.keep_bytes) {
        buffer_drop(&exchange.answer.body, exchange.answer.body.n - exchange.keep_bytes);
        exchange.answer.cut = true;
    }
    if (r == 0) {
        *ret = exchange.answer;
        exchange.answer.body = (struct buffer){0};
    }
    end_exchange(&exchange);
    return r;
}

int ray_ask_json(struct local *local, const struct object *cluster, const struct ray_question *question,
                 long *ret_status, cJSON **ret, char **ret_text, struct error *error)
{
    struct ray_answer answer;
    cJSON *json = NULL;
    int r = ray_ask(local, cluster, question, &answer, error);
    if (r < 0)
        return r;
    json_mend_escapes(&answer.body);
    if (json_parse(buffer_slice(&answer.body), &answer_limits, &json, NULL) < 0 || !cJSON_IsObject(json)) {
        cJSON_Delete(json);
        json = NULL;
    }
    if (ret_text)
        *ret_text = json ? NULL : buffer_take(&answer.body);
    buffer_free(&answer.body);
    *ret_status = answer.status;
    *ret = json;
    return 0;
}
