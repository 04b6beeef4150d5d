/* How is one attempt of a request made with libcurl, and how did it go? */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/kubernetes/client_internal.h"

#include "base/version.h"

/* --- libcurl's callbacks: on the client's thread, inside curl_multi_perform ------------------------------------------
 */

static int set_socket(void *context, curl_socket_t socket, curlsocktype purpose)
{
    struct kube_client *client = context;
    unsigned timeout = CLIENT_UNACKNOWLEDGED_MS;
    (void)purpose;
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
    if (client->socket_count < CLIENT_SOCKETS_MAX)
        client->sockets[client->socket_count++] = socket;
    return CURL_SOCKOPT_OK;
}

static int close_socket(void *context, curl_socket_t socket)
{
    struct kube_client *client = context;
    for (unsigned i = 0; i < client->socket_count; i++) {
        if (client->sockets[i] == socket) {
            client->sockets[i] = client->sockets[--client->socket_count];
            break;
        }
    }
    return close(socket);
}

static long local_port(int socket)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
        struct sockaddr_storage room;
    } address = {.room = {0}};
    socklen_t size = sizeof(address);
    if (getsockname(socket, &address.any, &size) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.ip6.sin6_port : address.ip4.sin_port);
}

/* By the port at this end: libcurl tells the socket itself only of transfers that are over. */
void transfer_end_silent(const struct kube_stream *stream, int64_t silent_ms)
{
    const struct kube_client *client = stream->client;
    long port = 0;
    if (curl_easy_getinfo(stream->transfer->easy, CURLINFO_LOCAL_PORT, &port) != CURLE_OK || port <= 0)
        return;
    for (unsigned i = 0; i < client->socket_count; i++) {
        struct tcp_info info = {0};
        socklen_t size = sizeof(info);
        if (local_port(client->sockets[i]) == port &&
            getsockopt(client->sockets[i], IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
            info.tcpi_last_data_recv >= silent_ms)
            (void)shutdown(client->sockets[i], SHUT_RDWR);
    }
}

static size_t take_body(char *ret, size_t size, size_t count, void *context)
{
    struct kube_stream *stream = context;
    size_t room = size * count, left = stream->body.n - stream->body_sent;
    size_t taken = left < room ? left : room;
    if (taken)
        memcpy(ret, stream->body.p + stream->body_sent, taken);
    stream->body_sent += taken;
    return taken;
}

/* libcurl repeats a request by itself when a kept connection turns out to be dead, whatever the method. It has to
 * rewind for that: what must not be carried out twice refuses. */
static int rewind_body(void *context, curl_off_t offset, int origin)
{
    struct kube_stream *stream = context;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > stream->body.n)
        return CURL_SEEKFUNC_FAIL;
    if (!stream->repeatable || stream->once)
        return CURL_SEEKFUNC_FAIL;
    stream->body_sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void decide(struct kube_stream *stream)
{
    struct kube_client *client = stream->client;
    client->dice = client->dice * 1664525u + 1013904223u;
    const struct retry_facts facts = {
        .transport = RETRY_ANSWERED,
        .status = stream->status,
        .retry_after_ms = stream->retry_after_ms,
        .repeatable = stream->repeatable,
        .once = stream->once,
        .renewable = true, /* credential_renew says whether it is */
        .renewed = stream->renewed,
        .attempts = stream->attempts,
        .left_ms = stream->deadline_at_ms - client->now_ms,
        .dice = client->dice >> 8,
    };
    stream->verdict = retry_decide(&facts, &stream->verdict_wait_ms);
    stream->failures = credential_failures(client->credential, NULL);
    if (stream->verdict == RETRY_RENEW &&
        !credential_renew(client->credential, stream->credential ? stream->credential->generation : 0))
        stream->verdict = RETRY_DELIVER;
}

static void give_warnings(struct kube_stream *stream)
{
    struct curl_header *header;
    CURL *easy = stream->transfer->easy;
    for (size_t i = 0;
         stream->sink.warn && curl_easy_header(easy, "Warning", i, CURLH_HEADER, -1, &header) == CURLHE_OK; i++)
        stream->sink.warn(stream->sink.context, header->value);
}

static void begin(struct kube_stream *stream)
{
    char *content_type = NULL;
    decide(stream);
    if (stream->verdict != RETRY_DELIVER)
        return;
    curl_easy_getinfo(stream->transfer->easy, CURLINFO_CONTENT_TYPE, &content_type);
    stream->begun = true;
    give_warnings(stream);
    int retry_after_s = stream->retry_after_ms > 0 ? (int)(stream->retry_after_ms / 1000) : 0;
    stream->sink.begin(stream->sink.context, stream->status, content_type ? content_type : "", retry_after_s);
}

/* One header line, its CR LF included; the empty one ends a header. Interim answers (1xx) have one of their own. */
static size_t take_header(char *line, size_t size, size_t count, void *context)
{
    static const char retry_after[] = "retry-after:";
    struct kube_stream *stream = context;
    size_t length = size * count, name = sizeof(retry_after) - 1;
    stream->heard_ms = stream->client->now_ms;
    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        long status = 0;
        curl_easy_getinfo(stream->transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        stream->status = (int)status;
        stream->retry_after_ms = -1;
    } else if (length > name && strncasecmp(line, retry_after, name) == 0) {
        size_t end = length;
        while (end > name && (line[end - 1] == '\n' || line[end - 1] == '\r'))
            end--;
        stream->retry_after_ms = retry_after_parse(line + name, end - name);
    } else if (length <= 2 && stream->status >= 200 && !stream->begun) {
        begin(stream);
    }
    return length;
}

#define UNWANTED_BYTES_MAX ((curl_off_t)64 * 1024) /* of an answer that is not delivered; then the stream is reset */

static size_t take_data(char *bytes, size_t size, size_t count, void *context)
{
    struct kube_stream *stream = context;
    size_t length = size * count;
    stream->heard_ms = stream->client->now_ms;
    if (!stream->begun) {
        curl_off_t before = 0;
        curl_easy_getinfo(stream->transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &before);
        return before > UNWANTED_BYTES_MAX ? 0 : length;
    }
    if (stream->sink.data(stream->sink.context, (struct slice){bytes, length}))
        return length;
    stream->stopped = true;
    return 0;
}

/* --- options -------------------------------------------------------------------------------------------------------
 */

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {(void *)(uintptr_t)pem, pem ? strlen(pem) : 0, CURL_BLOB_COPY};
    curl_easy_setopt(easy, option, pem ? &blob : NULL);
}

/* Connections are kept apart by these: one with the old certificate is not used with the new one. */
static void set_credential(struct transfer *transfer, const struct credential_view *view)
{
    if (transfer->generation == view->generation)
        return;
    transfer->generation = view->generation;
    set_blob(transfer->easy, CURLOPT_SSLCERT_BLOB, view->certificate);
    set_blob(transfer->easy, CURLOPT_SSLKEY_BLOB, view->key);
    if (view->ca)
        set_blob(transfer->easy, CURLOPT_CAINFO_BLOB, view->ca);
}

static void set_connection(CURL *easy, struct kube_client *client)
{
    const struct kube_config *config = &client->config;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy_url ? config->proxy_url : "");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->insecure ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)CLIENT_KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)CLIENT_KEEPALIVE_S / 3);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, set_socket);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, client);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
    if (!config->uncompressed)
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (client->connect_to.data)
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, &client->connect_to);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "atelier/" ATELIER_VERSION);
}

static struct transfer *transfer_new(struct kube_client *client)
{
    struct transfer *transfer = memory_get(sizeof(*transfer));
    transfer->easy = curl_easy_init();
    if (!transfer->easy) {
        free(transfer);
        return NULL;
    }
    set_connection(transfer->easy, client);
    curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, transfer->message);
    curl_easy_setopt(transfer->easy, CURLOPT_READFUNCTION, take_body);
    curl_easy_setopt(transfer->easy, CURLOPT_SEEKFUNCTION, rewind_body);
    curl_easy_setopt(transfer->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, take_data);
    return transfer;
}

static void set_method(CURL *easy, const struct kube_stream *stream)
{
    bool head = strcmp(stream->method, "HEAD") == 0, body = stream->body.n > 0 || strcmp(stream->method, "POST") == 0;
    curl_easy_setopt(easy, CURLOPT_NOBODY, head ? 1L : 0L);
    if (body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)stream->body.n);
    } else if (!head) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, head ? NULL : stream->method);
}

static void set_request(struct transfer *transfer, struct kube_stream *stream)
{
    CURL *easy = transfer->easy;
    int64_t left = stream->deadline_at_ms - stream->client->now_ms;
    set_method(easy, stream);
    /* The first line is this attempt's credential; the others stay as they were asked. */
    stream->lines[0].data = stream->credential->header;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, stream->credential->header ? stream->lines : stream->lines + 1);
    curl_easy_setopt(easy, CURLOPT_URL, stream->url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, stream->endless ? 0L : (long)(left < 1 ? 1 : left));
    curl_easy_setopt(easy, CURLOPT_READDATA, stream);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, stream);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, stream);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, stream);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, stream);
}

/* --- an attempt ----------------------------------------------------------------------------------------------------
 */

int transfer_start(struct kube_stream *stream, struct error *error)
{
    struct kube_client *client = stream->client;
    struct transfer *transfer = client->idle;
    if (transfer) {
        client->idle = transfer->next;
        client->idle_count--;
    } else if (!(transfer = transfer_new(client))) {
        return error_set(error, ERROR_INTERNAL, NULL, "libcurl gives no handle");
    }
    stream->transfer = transfer;
    transfer->message[0] = '\0';
    set_credential(transfer, stream->credential);
    set_request(transfer, stream);
    stream->body_sent = 0;
    stream->status = 0;
    stream->retry_after_ms = -1;
    stream->heard_ms = client->now_ms;
    stream->verdict = RETRY_DELIVER;
    stream->attempts++;
    CURLMcode code = curl_multi_add_handle(client->multi, transfer->easy);
    if (code == CURLM_OK)
        return 0;
    transfer_end(stream);
    return error_set(error, ERROR_INTERNAL, NULL, "libcurl: %s", curl_multi_strerror(code));
}

static void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    free(transfer);
}

void transfer_end(struct kube_stream *stream)
{
    struct kube_client *client = stream->client;
    struct transfer *transfer = TAKE_POINTER(stream->transfer);
    if (!transfer)
        return;
    curl_multi_remove_handle(client->multi, transfer->easy);
    credential_release(TAKE_POINTER(stream->credential));
    if (client->idle_count >= CLIENT_IDLE_TRANSFERS_MAX) {
        transfer_free(transfer);
        return;
    }
    transfer->next = client->idle;
    client->idle = transfer;
    client->idle_count++;
}

void transfers_free(struct kube_client *client)
{
    while (client->idle) {
        struct transfer *next = client->idle->next;
        transfer_free(client->idle);
        client->idle = next;
    }
}

/* --- how it went ---------------------------------------------------------------------------------------------------
 */

static int unavailable(const struct kube_stream *stream, CURLcode code, struct error *error)
{
    const char *message = stream->transfer->message;
    return error_set(error, ERROR_UNAVAILABLE, NULL, "the Kubernetes API at %s: %s", stream->client->config.server,
                     message[0] ? message : curl_easy_strerror(code));
}

static bool is_connected(const struct kube_stream *stream)
{
    curl_off_t us = 0;
    return curl_easy_getinfo(stream->transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK && us > 0;
}

/* A call that ran out of time, and with it everything else on its connection heard nothing: the next call, and the
 * watches, are better off on another one. */
static void end_deaf(const struct kube_stream *stream)
{
    curl_off_t us = 0;
    if (curl_easy_getinfo(stream->transfer->easy, CURLINFO_TOTAL_TIME_T, &us) == CURLE_OK &&
        us / 1000 >= CLIENT_DEAF_MS)
        transfer_end_silent(stream, us / 1000);
}

enum retry_transport transfer_result(const struct kube_stream *stream, CURLcode code, struct error *error)
{
    if (!stream->begun && stream->verdict != RETRY_DELIVER)
        return RETRY_ANSWERED; /* whatever became of a body that nobody wants */
    if (stream->stopped) {
        error_set(error, ERROR_UNAVAILABLE, NULL, "the call was ended by its caller");
        return RETRY_HOPELESS;
    }
    switch (code) {
    case CURLE_OK:
        if (stream->status >= 200)
            return RETRY_ANSWERED;
        break;
    case CURLE_OPERATION_TIMEDOUT:
        if (!is_connected(stream) && stream->client->now_ms < stream->deadline_at_ms) {
            unavailable(stream, code, error);
            return RETRY_NOT_SENT;
        }
        end_deaf(stream);
        error_set(error, ERROR_TIMEOUT, NULL, "the Kubernetes API at %s did not answer in time",
                  stream->client->config.server);
        return RETRY_HOPELESS;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        unavailable(stream, code, error);
        return RETRY_NOT_SENT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_OUT_OF_MEMORY:
        unavailable(stream, code, error);
        return RETRY_HOPELESS;
    default:
        break;
    }
    unavailable(stream, code, error);
    return stream->begun ? RETRY_HOPELESS : RETRY_BROKEN;
}
