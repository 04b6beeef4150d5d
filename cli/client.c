/* How does a request reach the service, and what did it say? */
#include "cli/client.h"

#include <curl/curl.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "supervisor/rootless.h"

#define CONNECT_TIMEOUT_MS 10000L
#define REQUEST_TIMEOUT_MS 120000L
#define ERROR_BODY_MAX 65536 /* a Status or problem document */

struct client {
    CURL *curl;
    char *socket; /* admin socket, or NULL */
    char *base;   /* "http://localhost" or ATELIER_URL without its last slash */
    char *host;   /* of it, with the port */
    char *authorization;
    char *ca_file, *namespace; /* or NULL */
    bool browser;              /* cookies and the headers below, as pages send them */
    char *origin, *csrf;       /* header lines, or NULL */
};

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int check_token(const char *token, struct error *error)
{
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || *p > '~')
            return error_set(error, ERROR_INVALID, "ATELIER_TOKEN", "a token consists of printable ASCII characters");
    return 0;
}

char *client_base(const char *url)
{
    struct slice base = slice_of(url);
    while (slice_ends(base, "/"))
        base.n--;
    bool web = slice_starts(base, "http://") || slice_starts(base, "https://");
    return web ? memory_text_n(base.p, base.n) : NULL;
}

static int open_remote(struct client *client, const char *url, const char *token, const char *ca_file,
                       struct error *error)
{
    client->base = client_base(url);
    if (!client->base)
        return error_set(error, ERROR_INVALID, "ATELIER_URL", "expected http://HOST or https://HOST");
    int failed = token ? check_token(token, error) : 0;
    if (failed)
        return failed;
    client->authorization = token ? memory_format("Authorization: Bearer %s", token) : NULL;
    client->ca_file = memory_text(ca_file && ca_file[0] ? ca_file : NULL);
    return 0;
}

static int open_environment(struct client *client, const char *url, struct error *error)
{
    const char *token = getenv("ATELIER_TOKEN");
    if (!token || !token[0])
        return error_set(
            error, ERROR_INVALID, "ATELIER_TOKEN",
            "ATELIER_URL is set, so ATELIER_TOKEN must hold an API token (the console or `atelier token create` "
            "makes one)");
    return open_remote(client, url, token, getenv("ATELIER_CA"), error);
}

static int open_context(struct client *client, const struct context *context, struct error *error)
{
    client->namespace = memory_text(context->namespace);
    return open_remote(client, context->url, context->token, context->ca_file, error);
}

static int open_local(struct client *client, struct error *error)
{
    const char *path = getenv("ATELIER_ADMIN_SOCKET");
    struct layout layout;
    if (!path || !path[0]) {
        int failed = layout_find(NULL, NULL, &layout, error);
        if (failed)
            return failed;
        path = layout.admin_socket;
        rootless_enter_existing(&layout);
    }
    if (access(path, R_OK | W_OK) < 0)
        return error_set(
            error, ERROR_UNAVAILABLE, NULL,
            "not signed in: `atelier login URL` signs in to a service elsewhere; the one of this machine cannot be "
            "reached (%s): start it with `make run`, or be root",
            path);
    client->socket = memory_text(path);
    client->base = memory_text("http://localhost");
    return 0;
}

static char *host_of(const char *base)
{
    struct slice rest;
    struct slice host = slice_split(slice_of(strstr(base, "://") + 3), '/', &rest);
    return memory_text_n(host.p, host.n);
}

/* The environment wins; then the context that was named; then the current one; then this machine. */
static int open_any(struct call *call, struct client *client, struct error *error)
{
    const char *url = getenv("ATELIER_URL"), *named = call_option(call, "context"),
               *variable = getenv("ATELIER_CONTEXT");
    struct context context = {0};
    if (!named && url && url[0])
        return open_environment(client, url, error);
    if (!named && variable && variable[0])
        named = variable;
    int failed = context_find(named, &context, error);
    if (!failed)
        failed = context.url ? open_context(client, &context, error) : open_local(client, error);
    context_free(&context);
    return failed;
}

static int keep_client(struct call *call, struct client *client, int failed, struct error *error)
{
    if (!failed && (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(client->curl = curl_easy_init())))
        failed = error_set(error, ERROR_INTERNAL, NULL, "libcurl cannot be initialised");
    if (failed) {
        client_free(client);
        return failed;
    }
    client->host = host_of(client->base);
    call->client = client;
    return 0;
}

int client_of(struct call *call, struct client **ret, struct error *error)
{
    if (!call->client) {
        struct client *client = memory_get(sizeof(*client));
        int failed = keep_client(call, client, open_any(call, client, error), error);
        if (failed)
            return failed;
    }
    *ret = call->client;
    return 0;
}

int client_use(struct call *call, const struct context *context, struct client **ret, struct error *error)
{
    struct client *client = memory_get(sizeof(*client));
    client_free(call->client);
    call->client = NULL;
    int failed = keep_client(call, client, open_context(client, context, error), error);
    if (!failed)
        *ret = call->client;
    return failed;
}

const char *client_namespace(const struct client *client)
{
    return client->namespace;
}

const char *client_url(const struct client *client)
{
    return client->socket ? NULL : client->base;
}

const char *client_ca_file(const struct client *client)
{
    return client->ca_file;
}

static void drop_token(struct client *client)
{
    if (client->authorization)
        memory_wipe(client->authorization, strlen(client->authorization));
    free(client->authorization);
    client->authorization = NULL;
}

void client_as_browser(struct client *client, const char *csrf)
{
    drop_token(client);
    client->browser = true;
    free(client->origin);
    free(client->csrf);
    client->origin = memory_format("Origin: %s", client->base);
    client->csrf = csrf ? memory_format("X-Atelier-CSRF: %s", csrf) : NULL;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    if (client->curl)
        curl_easy_cleanup(client->curl);
    drop_token(client);
    free(client->origin);
    free(client->csrf);
    free(client->socket);
    free(client->base);
    free(client->host);
    free(client->ca_file);
    free(client->namespace);
    free(client);
}

/* --- one request -------------------------------------------------------------------------------------------------- */

struct transfer {
    struct client *client;
    const char *path; /* what was asked for; NULL: unknown */
    long status;
    struct buffer *body;   /* whole answers */
    struct buffer failure; /* the answer when it is not 2xx */
    client_sink sink;      /* or parts */
    void *context;
    bool stopped, too_large;
};

static size_t take_part(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    size_t total = size * count;
    if (!transfer->status)
        curl_easy_getinfo(transfer->client->curl, CURLINFO_RESPONSE_CODE, &transfer->status);
    if (transfer->status < 200 || transfer->status > 299) {
        size_t room = ERROR_BODY_MAX - transfer->failure.n;
        buffer_add(&transfer->failure, bytes, total < room ? total : room);
        return total;
    }
    if (transfer->sink) {
        transfer->stopped = !transfer->sink(transfer->context, (struct slice){bytes, total});
        return transfer->stopped ? 0 : total;
    }
    if (total > CLIENT_BODY_MAX - transfer->body->n) {
        transfer->too_large = true;
        return 0;
    }
    buffer_add(transfer->body, bytes, total);
    return total;
}

static const struct {
    int status;
    enum error_code code;
} status_codes[] = {
    {400, ERROR_BAD_REQUEST}, {401, ERROR_UNAUTHENTICATED}, {403, ERROR_FORBIDDEN}, {404, ERROR_NOT_FOUND},
    {405, ERROR_METHOD},      {409, ERROR_CONFLICT},        {410, ERROR_GONE},      {413, ERROR_TOO_LARGE},
    {415, ERROR_MEDIA_TYPE},  {422, ERROR_INVALID},         {429, ERROR_LIMITED},   {500, ERROR_INTERNAL},
    {502, ERROR_UPSTREAM},    {503, ERROR_UNAVAILABLE},     {504, ERROR_TIMEOUT},
};

static enum error_code code_of(long status, const char *reason)
{
    if (status == 409 && reason && strcmp(reason, error_reason(ERROR_EXISTS)) == 0)
        return ERROR_EXISTS;
    for (size_t i = 0; i < COUNT_OF(status_codes); i++)
        if (status_codes[i].status == status)
            return status_codes[i].code;
    return ERROR_UPSTREAM;
}

/* What a 404 of the people API is about, which says "not found" only: "/api/atelier/v1/profiles/alice/members" is about
 * the profile "alice". NULL if the path names nothing; malloc'ed. */
static char *absent_of(const char *path)
{
    static const char people[] = "/api/atelier/v1/";
    AUTO_BUFFER struct buffer plain = {0};
    struct slice query, kind = {0}, name = {0};
    if (!path || strncmp(path, people, sizeof(people) - 1) != 0)
        return NULL;
    for (struct slice rest = slice_split(slice_of(path + sizeof(people) - 1), '?', &query); rest.n;) {
        struct slice first = slice_split(rest, '/', &rest), second = slice_split(rest, '/', &rest);
        if (second.n) {
            kind = first;
            name = second;
        }
    }
    if (!name.n || !text_unpercent(name, &plain))
        return NULL;
    kind.n -= slice_ends(kind, "s") ? 1 : 0;
    return memory_format("%.*s \"%.*s\" not found", (int)kind.n, kind.p, (int)plain.n, plain.p);
}

/* A Kubernetes Status, an RFC 9457 problem, or plain text from something in between. */
static int explain(const struct transfer *transfer, struct error *error)
{
    AUTO_JSON cJSON *document = NULL;
    json_parse(buffer_slice(&transfer->failure), &json_limits_default, &document, NULL);
    const cJSON *cause = cJSON_GetArrayItem(json_at(document, "details", "causes", NULL), 0);
    const char *message = json_text(document, "message", NULL), *field = json_text(document, "field", NULL);
    if (!message)
        message = json_text(document, "detail", NULL);
    if (!field)
        field = json_text(cause, "field", NULL);
    enum error_code code = code_of(transfer->status, json_text(document, "reason", NULL));
    bool bare = code == ERROR_NOT_FOUND && message && strcmp(message, error_text(code)) == 0;
    AUTO_FREE char *absent = bare ? absent_of(transfer->path) : NULL;
    if (absent)
        return error_set(error, code, NULL, "%s", absent);
    if (code == ERROR_EXISTS)
        field = NULL; /* the message names what exists */
    if (message && transfer->status == 401 && transfer->client && transfer->client->authorization)
        return error_set(error, code, field, "%s: sign in again with `atelier login URL`, or set another ATELIER_TOKEN",
                         message);
    if (message)
        return error_set(error, code, field, "%s", message);
    char shown[300];
    struct slice text = buffer_slice(&transfer->failure), rest;
    text_printable(slice_split(text, '\n', &rest), shown, sizeof(shown));
    return error_set(error, code, field, "the service answered %ld%s%s", transfer->status, shown[0] ? ": " : "", shown);
}

int client_explain(int status, struct slice body, struct error *error)
{
    struct transfer transfer = {.status = status};
    buffer_add_slice(&transfer.failure, body);
    int failed = explain(&transfer, error);
    buffer_free(&transfer.failure);
    return failed;
}

static int explain_transport(const struct client *client, CURLcode code, struct error *error)
{
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "%s does not answer: %s",
                         client->socket ? client->socket : client->base,
                         client->socket ? "is it running? `atelier local status` tells" : curl_easy_strerror(code));
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(error, ERROR_TIMEOUT, NULL, "%s did not answer in time",
                         client->socket ? client->socket : client->base);
    return error_set(error, ERROR_UPSTREAM, NULL, "the connection to %s failed: %s",
                     client->socket ? client->socket : client->base, curl_easy_strerror(code));
}

static struct curl_slist *headers_of(const struct client *client, const struct client_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json, */*;q=0.5");
    list = curl_slist_append(list, "Expect:");
    if (client->authorization)
        list = curl_slist_append(list, client->authorization);
    if (client->origin)
        list = curl_slist_append(list, client->origin);
    if (client->csrf)
        list = curl_slist_append(list, client->csrf);
    AUTO_FREE char *type =
        request->type ? memory_format("Content-Type: %s", request->type) : memory_text("Content-Type:");
    return curl_slist_append(list, type);
}

/* Where to, and by which transport: what one request and a connection of its own have in common. */
static void set_place(const struct client *client, CURL *curl, const char *url)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "atelier");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (client->socket) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* http_proxy of the environment is not meant for this */
    } else {
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    }
    if (client->ca_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
    if (client->browser)
        curl_easy_setopt(curl, CURLOPT_COOKIEFILE, ""); /* kept in memory, with the handle */
}

static void set_target(struct client *client, const struct client_request *request, const char *url)
{
    CURL *curl = client->curl;
    curl_easy_reset(curl);
    set_place(client, curl, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body.p || strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p ? request->body.p : "");
    }
}

static int take_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    (void)down_total;
    (void)down;
    (void)up_total;
    progress_bytes(context, up);
    return 0;
}

/* The text of `299 - "…"`, as API servers and this service warn. */
static void tell_warning(const char *value)
{
    AUTO_BUFFER struct buffer text = {0};
    const char *at = strchr(value, '"');
    for (at = at ? at + 1 : ""; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1])
            at++;
        buffer_add(&text, at, 1);
    }
    if (text.n)
        say("Warning: %s", text.p);
}

static void tell_warnings(CURL *curl)
{
    struct curl_header *header;
    for (size_t i = 0; curl_easy_header(curl, "Warning", i, CURLH_HEADER, -1, &header) == CURLHE_OK; i++)
        tell_warning(header->value);
}

static int perform(struct transfer *transfer, const struct client_request *request, struct error *error)
{
    struct client *client = transfer->client;
    transfer->path = request->path;
    AUTO_FREE char *url = memory_format("%s%s", client->base, request->path);
    set_target(client, request, url);
    struct curl_slist *headers = headers_of(client, request);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_part);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, transfer);
    if (!transfer->sink)
        curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS,
                         request->timeout_ms ? (long)request->timeout_ms : REQUEST_TIMEOUT_MS);
    if (request->progress) {
        curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, take_progress);
        curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, request->progress);
    }
    CURLcode code = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (transfer->stopped)
        return 0;
    if (transfer->too_large)
        return error_set(error, ERROR_TOO_LARGE, NULL, "the answer is larger than %zu MiB", CLIENT_BODY_MAX >> 20);
    if (code != CURLE_OK)
        return explain_transport(client, code, error);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &transfer->status);
    tell_warnings(client->curl);
    return transfer->status >= 200 && transfer->status <= 299 ? 0 : explain(transfer, error);
}

int client_send(struct call *call, const struct client_request *request, struct buffer *ret, struct error *error)
{
    AUTO_BUFFER struct buffer body = {0};
    struct transfer transfer = {.body = &body};
    int failed = client_of(call, &transfer.client, error);
    if (!failed)
        failed = perform(&transfer, request, error);
    buffer_free(&transfer.failure);
    if (!failed && ret) {
        buffer_add(&body, NULL, 0);
        buffer_free(ret);
        *ret = body;
        body = (struct buffer){0};
    }
    return failed;
}

int client_connect(const struct client *client, void **ret_curl, struct error *error)
{
    CURL *curl = curl_easy_init();
    AUTO_FREE char *url = memory_format("%s/", client->base);
    if (!curl)
        return error_set(error, ERROR_INTERNAL, NULL, "libcurl cannot be initialised");
    set_place(client, curl, url);
    curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        curl_easy_cleanup(curl);
        return explain_transport(client, code, error);
    }
    *ret_curl = curl;
    return 0;
}

const char *client_host(const struct client *client)
{
    return client->host;
}

const char *client_authorization(const struct client *client)
{
    return client->authorization;
}

int client_stream(struct call *call, const char *path, client_sink sink, void *context, struct error *error)
{
    struct transfer transfer = {.sink = sink, .context = context};
    struct client_request request = {.method = "GET", .path = path};
    int failed = client_of(call, &transfer.client, error);
    if (!failed)
        failed = perform(&transfer, &request, error);
    buffer_free(&transfer.failure);
    return failed;
}

int client_get(struct call *call, const char *path, struct buffer *ret, struct error *error)
{
    return client_send(call, &(struct client_request){.method = "GET", .path = path}, ret, error);
}

int client_json(struct call *call, const char *method, const char *path, const cJSON *body, cJSON **ret,
                struct error *error)
{
    static const struct json_limits limits = {CLIENT_BODY_MAX, 64, 4000000, 65536}; /* lists of everything */
    AUTO_FREE char *text = body ? json_print(body) : NULL;
    AUTO_BUFFER struct buffer answer = {0};
    struct client_request request = {.method = method, .path = path, .body = slice_of(text)};
    bool is_object = strncmp(path, "/api/atelier/", 13) != 0; /* only those are patched the Kubernetes way */
    if (body)
        request.type = is_object && strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : "application/json";
    int failed = client_send(call, &request, &answer, error);
    if (failed || !ret)
        return failed;
    failed = json_parse(buffer_slice(&answer), &limits, ret, error);
    return failed ? error_wrap(error, "the service's answer is not JSON") : 0;
}

char *client_path(const char *first, ...)
{
    AUTO_BUFFER struct buffer path = {0};
    va_list arguments;
    buffer_add_text(&path, first);
    va_start(arguments, first);
    for (const char *segment; (segment = va_arg(arguments, const char *));) {
        buffer_add_text(&path, "/");
        text_percent(slice_of(segment), &path);
    }
    va_end(arguments);
    return buffer_take(&path);
}
