/* How does a request of the API server become a review, and its answer a response? */
#include "base/log.h"
#include "webhook/internal.h"

#define CERTIFICATE_KEY "certificate"

static const struct question {
    const char *path;
    cJSON *(*answer)(struct webhook *webhook, struct review *review);
} questions[] = {
    {"/mutate/pods", review_mutate_pod},
    {"/mutate/workloads", review_mutate_workload},
    {"/validate/workloads", review_validate_workload},
};

static void respond(struct response *response, int status, const cJSON *body)
{
    AUTO_FREE char *text = json_print(body);
    response_status(response, status);
    response_body(response, "application/json", slice_of(text));
}

static void respond_error(struct response *response, const struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    json_set_text(body, "kind", "Status");
    json_set_text(body, "apiVersion", "v1");
    json_set_text(body, "status", "Failure");
    json_set_text(body, "message", error->message);
    json_set_text(body, "reason", error_reason(error->code));
    json_set_i64(body, "code", error_status(error->code));
    respond(response, error_status(error->code), body);
}

static const struct question *find(const struct request *request, struct error *error)
{
    const struct question *question = NULL;
    for (size_t i = 0; i < COUNT_OF(questions) && !question; i++)
        question = slice_is(request->path, questions[i].path) ? &questions[i] : NULL;
    if (!question)
        error_set(error, ERROR_NOT_FOUND, NULL,
                  "only /mutate/pods, /mutate/workloads and /validate/workloads are answered here");
    else if (!slice_is(request->method, "POST"))
        error_set(error, ERROR_METHOD, NULL, "an AdmissionReview is sent with POST");
    else if (!slice_is_nocase(slice_trim(slice_split(request_header(request, "Content-Type"), ';', &(struct slice){0})),
                              "application/json"))
        error_set(error, ERROR_MEDIA_TYPE, NULL, "an AdmissionReview is sent as application/json");
    else
        return question;
    return NULL;
}

void webhook_handle(struct webhook *webhook, const struct request *request, struct response *response)
{
    struct error error = {0};
    struct review review = {0};
    const struct question *question = find(request, &error);
    if (question && review_parse(request->body, &review, &error) == 0) {
        AUTO_JSON cJSON *answer = question->answer(webhook, &review);
        respond(response, 200, answer);
    } else {
        respond_error(response, &error);
    }
    review_clear(&review);
}

bool webhook_looks_at(const struct webhook *webhook, const char *namespace)
{
    return namespace[0] && strncmp(namespace, "kube-", 5) != 0 && strcmp(namespace, webhook->namespace) != 0;
}

void review_warn(struct review *review, const char *text, const struct error *why)
{
    json_push_text(review->warnings, text);
    log_line(LOG_WARN, text, LOG_TEXT("namespace", review->namespace), LOG_TEXT("kind", review->kind), LOG_FAULT(why));
}

/* --- life --------------------------------------------------------------------------------------------------------- */
static int64_t on_key(void *context, const char *key)
{
    int64_t again_ms;
    (void)key;
    webhook_look_after_certificate(context, &again_ms);
    return again_ms;
}

int webhook_new(const struct webhook_options *options, struct webhook **ret, struct error *error)
{
    if (!engine_forwards(options->engine))
        return error_set(error, ERROR_INVALID, "webhook_listen",
                         "webhook_listen (ATELIER_WEBHOOK_LISTEN) needs a cluster: set engine to kubernetes");
    struct webhook *webhook = memory_get(sizeof(*webhook));
    webhook->engine = options->engine;
    snprintf(webhook->namespace, sizeof(webhook->namespace), "%s", options->namespace);
    *ret = webhook;
    return 0;
}

void webhook_start(struct webhook *webhook, struct gateway *gateway)
{
    webhook->gateway = gateway;
    webhook->queue = queue_new("webhook", 1, on_key, webhook);
    queue_add(webhook->queue, "", CERTIFICATE_KEY);
}

void webhook_stop(struct webhook *webhook)
{
    if (webhook && webhook->queue)
        queue_stop(webhook->queue);
}

void webhook_free(struct webhook *webhook)
{
    if (!webhook)
        return;
    queue_free(webhook->queue);
    free(webhook);
}
