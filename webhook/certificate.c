/* Does the webhook present a certificate that the cluster trusts? */
#include "base/certificate.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "webhook/internal.h"
#include "webhook/secret.h"

#define LOOK_MS 10000         /* at the Secret: how late a replica may present a new certificate */
#define LOOK_SOON_MS 1000     /* while there is none yet, or somebody else has just written it */
#define LOOK_TRUST_MS 60000   /* at the configurations: an upgrade of the chart may have written them */
#define TRUST_HEARD_MS 120000 /* the API servers have all heard of a change of the configurations by then */

static void complain(struct webhook *webhook, const char *text, const struct error *error)
{
    if (!webhook->complained)
        log_line(LOG_WARN, text, LOG_FAULT(error));
    webhook->complained = true;
}

static void hash_of(const struct buffer *text, char ret[2 * DIGEST_SIZE + 1])
{
    digest_sha256_hex(buffer_slice(text), ret);
}

/* The leader writes; *ret is the Secret as it is now. */
static int renew(struct webhook *webhook, cJSON **secret, struct error *error)
{
    struct secret_need need = {.namespace = webhook->namespace,
                               .now_ms = clock_wall_ms(),
                               .trusted = webhook->trusted_ms > 0 &&
                                          clock_monotonic_ms() - webhook->trusted_ms > TRUST_HEARD_MS};
    AUTO_JSON cJSON *fresh = NULL;
    cJSON *stored = NULL;
    int status = secret_renew(*secret, &need, &fresh, error);
    if (status < 0 || !fresh)
        return status;
    status = *secret ? engine_update(webhook->engine, KIND_SECRET, webhook->namespace, WEBHOOK_SECRET, ENGINE_SPEC,
                                     fresh, &stored, error)
                     : engine_create(webhook->engine, KIND_SECRET, webhook->namespace, fresh, &stored, error);
    if (status < 0)
        return status;
    cJSON_Delete(*secret);
    *secret = stored;
    log_line(LOG_INFO, "the webhook's certificate was renewed", LOG_TEXT("secret", WEBHOOK_SECRET));
    return 0;
}

static int present(struct webhook *webhook, const cJSON *secret, struct error *error)
{
    AUTO_BUFFER struct buffer chain = {0};
    AUTO_BUFFER struct buffer key = {0};
    struct certificate *certificate;
    char hash[2 * DIGEST_SIZE + 1];
    int status = 0;
    if (!secret_pair(secret, &chain, &key))
        return error_set(error, ERROR_INVALID, "data", "the Secret " WEBHOOK_SECRET " holds no certificate");
    hash_of(&chain, hash);
    if (strcmp(hash, webhook->presented) != 0) {
        status = certificate_parse(buffer_slice(&chain), buffer_slice(&key), &certificate, error);
        if (status == 0) {
            gateway_webhook_present(webhook->gateway, certificate);
            memcpy(webhook->presented, hash, sizeof(hash));
        }
    }
    memory_wipe(key.p, key.n);
    return status;
}

static int trust(struct webhook *webhook, const cJSON *secret, struct error *error)
{
    AUTO_BUFFER struct buffer bundle = {0};
    char hash[2 * DIGEST_SIZE + 1];
    bool written = false;
    int64_t now_ms = clock_monotonic_ms();
    if (!secret_bundle(secret, &bundle))
        return error_set(error, ERROR_INVALID, "data", "the Secret " WEBHOOK_SECRET " holds no authority");
    hash_of(&bundle, hash);
    bool same = strcmp(hash, webhook->trusted) == 0;
    if (same && now_ms - webhook->looked_ms < LOOK_TRUST_MS)
        return 0;
    int status = engine_trust_webhooks(webhook->engine, buffer_slice(&bundle), &written, error);
    if (status < 0)
        return status;
    webhook->looked_ms = now_ms;
    if (!same || written || webhook->trusted_ms == 0)
        webhook->trusted_ms = now_ms;
    memcpy(webhook->trusted, hash, sizeof(hash));
    return 0;
}

static int look_after(struct webhook *webhook, struct error *error)
{
    AUTO_JSON cJSON *secret = NULL;
    bool leads = engine_leads(webhook->engine);
    int status = engine_get(webhook->engine, KIND_SECRET, webhook->namespace, WEBHOOK_SECRET, &secret, error);
    if (status < 0 && (status != -ERROR_NOT_FOUND || !leads))
        return status;
    if (leads) {
        status = renew(webhook, &secret, error);
        if (status < 0)
            return status;
    } else {
        webhook->trusted_ms = 0; /* whoever leads next looks for itself */
    }
    status = present(webhook, secret, error);
    return status < 0 || !leads ? status : trust(webhook, secret, error);
}

void webhook_look_after_certificate(struct webhook *webhook, int64_t *ret_again_ms)
{
    struct error error = {0};
    int status = look_after(webhook, &error);
    bool waits = status == -ERROR_NOT_FOUND && !webhook->presented[0]; /* for whoever leads to make it */
    bool crossed = waits || status == -ERROR_CONFLICT || status == -ERROR_EXISTS;
    *ret_again_ms = crossed || !webhook->presented[0] ? LOOK_SOON_MS : LOOK_MS;
    if (status == 0)
        webhook->complained = false;
    else if (!crossed)
        complain(webhook, "the webhook has no certificate that the cluster trusts", &error);
}
