/* Which authority does the cluster trust when it asks our webhooks? */
#include "engine/kubernetes/webhooks.h"

#define CONFIGURATIONS "/apis/admissionregistration.k8s.io/v1/"

static const char *const configurations[] = {CONFIGURATIONS "mutatingwebhookconfigurations/atelier",
                                             CONFIGURATIONS "validatingwebhookconfigurations/atelier"};

static void add_operation(cJSON *patch, const char *operation, const char *path, const char *value)
{
    cJSON *entry = json_push(patch, json_object());
    json_set_text(entry, "op", operation);
    json_set_text(entry, "path", path);
    json_set_text(entry, "value", value);
}

/* What is to be changed, as a JSON Patch that fails if somebody else has changed anything; NULL if nothing is. */
static cJSON *make_patch(const cJSON *configuration, const char *bundle)
{
    cJSON *patch = json_array();
    const cJSON *webhook;
    int at = 0, wrong = 0;
    add_operation(patch, "test", "/metadata/resourceVersion",
                  json_text_or("", configuration, "metadata", "resourceVersion", NULL));
    cJSON_ArrayForEach(webhook, json_member(configuration, "webhooks"))
    {
        AUTO_FREE char *path = memory_format("/webhooks/%d/clientConfig/caBundle", at++);
        if (strcmp(json_text_or("", webhook, "clientConfig", "caBundle", NULL), bundle) == 0)
            continue;
        add_operation(patch, "add", path, bundle);
        wrong++;
    }
    if (wrong > 0)
        return patch;
    cJSON_Delete(patch);
    return NULL;
}

static int write_patch(struct kube_client *client, const char *target, const cJSON *patch, struct error *error)
{
    AUTO_FREE char *body = json_print(patch);
    AUTO_FREE char *where = memory_format("%s?fieldManager=atelier", target);
    return kube_call(
        client,
        &(struct kube_request){
            .method = "PATCH", .target = where, .content_type = "application/json-patch+json", .body = slice_of(body)},
        NULL, error);
}

static int trust_one(struct kube_client *client, const char *target, const char *bundle, bool *ret_written,
                     struct error *error)
{
    AUTO_JSON cJSON *configuration = NULL;
    int status = kube_call(client, &(struct kube_request){.method = "GET", .target = target}, &configuration, error);
    if (status < 0)
        return status;
    AUTO_JSON cJSON *patch = make_patch(configuration, bundle);
    if (!patch)
        return 0;
    status = write_patch(client, target, patch, error);
    *ret_written = *ret_written || status == 0;
    return status;
}

int webhooks_trust(struct kube_client *client, struct slice ca_pem, bool *ret_written, struct error *error)
{
    AUTO_FREE char *bundle = text_base64(ca_pem.p, ca_pem.n);
    size_t absent = 0;
    *ret_written = false;
    for (size_t i = 0; i < COUNT_OF(configurations); i++) {
        struct error why = {0};
        int status = trust_one(client, configurations[i], bundle, ret_written, &why);
        if (status == -ERROR_NOT_FOUND) {
            absent++;
        } else if (status < 0) {
            if (error)
                *error = why;
            return status;
        }
    }
    if (absent == COUNT_OF(configurations))
        return error_set(error, ERROR_NOT_FOUND, NULL, "there is no webhook configuration named \"atelier\"");
    return 0;
}
