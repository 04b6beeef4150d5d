/* When are the webhook's certificate and its authority replaced, and by what? */
#include "webhook/secret.h"

#include "base/certificate.h"
#include "base/random.h"

#define DAY_S (24 * 3600LL)
#define AUTHORITY_S (730 * DAY_S)
#define AUTHORITY_RENEW_MS (180 * DAY_S * 1000) /* left: far more than a certificate of it lives */
#define CERTIFICATE_S (90 * DAY_S)
#define CERTIFICATE_RENEW_MS (30 * DAY_S * 1000)
#define SIGNED_BY "atelier.dev/signed-by" /* annotation: hash of the authority that signed tls.crt */

static bool read_key(const cJSON *secret, const char *key, struct buffer *ret)
{
    const char *text = json_text(secret, "data", key, NULL);
    return text && text_unbase64(slice_of(text), ret) && ret->n > 0;
}

bool secret_bundle(const cJSON *secret, struct buffer *ret)
{
    return read_key(secret, "ca.crt", ret) &&
           (!json_text(secret, "data", "ca-before.crt", NULL) || read_key(secret, "ca-before.crt", ret));
}

bool secret_pair(const cJSON *secret, struct buffer *ret_chain, struct buffer *ret_key)
{
    return read_key(secret, "tls.crt", ret_chain) && read_key(secret, "tls.key", ret_key);
}

static void write_key(cJSON *secret, const char *key, const struct buffer *value)
{
    AUTO_FREE char *text = text_base64(value->p, value->n);
    json_set_text(json_object_in(secret, "data"), key, text);
}

static void wipe(struct buffer *buffer)
{
    memory_wipe(buffer->p, buffer->n);
}

/* --- the authority ------------------------------------------------------------------------------------------------ */
struct names {
    char service[160], short_name[160], long_name[192];
    const char *all[7];
};

/* What the API server calls us: by the Service, or, where a configuration has a url (tests, one machine), by loopback.
 */
static void make_names(const char *namespace, struct names *ret)
{
    snprintf(ret->service, sizeof(ret->service), WEBHOOK_SECRET ".%.63s.svc", namespace);
    snprintf(ret->short_name, sizeof(ret->short_name), WEBHOOK_SECRET ".%.63s", namespace);
    snprintf(ret->long_name, sizeof(ret->long_name), WEBHOOK_SECRET ".%.63s.svc.cluster.local", namespace);
    const char *all[] = {ret->service, ret->short_name, ret->long_name, "localhost", "127.0.0.1", "::1", NULL};
    memcpy(ret->all, all, sizeof(all));
}

static int make_authority(const char *namespace, struct authority **ret, struct error *error)
{
    static const char *const networks[] = {"127.0.0.1", "::1", NULL};
    struct names names;
    make_names(namespace, &names);
    const char *domains[] = {names.service, names.short_name, names.long_name, "localhost", NULL};
    return authority_new(
        &(struct authority_options){
            .name = "Atelier webhook", .domains = domains, .networks = networks, .lifetime_s = AUTHORITY_S},
        ret, error);
}

static struct authority *read_authority(const cJSON *secret)
{
    AUTO_BUFFER struct buffer certificate = {0};
    AUTO_BUFFER struct buffer key = {0};
    struct authority *authority = NULL;
    if (read_key(secret, "ca.crt", &certificate) && read_key(secret, "ca.key", &key) &&
        authority_parse(buffer_slice(&certificate), buffer_slice(&key), &authority, NULL) < 0)
        authority = NULL;
    wipe(&key);
    return authority;
}

/* <secret> gets a new authority; the one before, if it is to be <kept>, stays trusted. */
static int replace_authority(cJSON *secret, const char *namespace, bool kept, struct authority **ret,
                             struct error *error)
{
    AUTO_BUFFER struct buffer certificate = {0};
    AUTO_BUFFER struct buffer key = {0};
    int status = make_authority(namespace, ret, error);
    if (status < 0)
        return status;
    const char *before = kept ? json_text(secret, "data", "ca.crt", NULL) : NULL;
    json_set_text(json_object_in(secret, "data"), "ca-before.crt", before);
    authority_print(*ret, &certificate, &key);
    write_key(secret, "ca.crt", &certificate);
    write_key(secret, "ca.key", &key);
    wipe(&key);
    return 0;
}

/* --- the certificate ---------------------------------------------------------------------------------------------- */
static void hash_authority(const cJSON *secret, char ret[2 * DIGEST_SIZE + 1])
{
    digest_sha256_hex(slice_of(json_text_or("", secret, "data", "ca.crt", NULL)), ret);
}

/* How long the certificate is still good; 0 if it is none, or none of ours any more. */
static int64_t certificate_left_ms(const cJSON *secret, int64_t now_ms)
{
    AUTO_BUFFER struct buffer chain = {0};
    AUTO_BUFFER struct buffer key = {0};
    struct certificate *certificate = NULL;
    int64_t left_ms = 0;
    if (secret_pair(secret, &chain, &key) &&
        certificate_parse(buffer_slice(&chain), buffer_slice(&key), &certificate, NULL) == 0) {
        left_ms = certificate_not_after_ms(certificate) - now_ms;
        certificate_free(certificate);
    }
    wipe(&key);
    return left_ms > 0 ? left_ms : 0;
}

static int replace_certificate(cJSON *secret, const struct authority *authority, const char *namespace,
                               struct error *error)
{
    AUTO_BUFFER struct buffer chain = {0};
    AUTO_BUFFER struct buffer key = {0};
    struct certificate *certificate;
    struct names names;
    char hash[2 * DIGEST_SIZE + 1];
    make_names(namespace, &names);
    int status = authority_mint(authority, names.all, CERTIFICATE_S, &certificate, error);
    if (status < 0)
        return status;
    certificate_print(certificate, &chain, &key);
    certificate_free(certificate);
    write_key(secret, "tls.crt", &chain);
    write_key(secret, "tls.key", &key);
    wipe(&key);
    hash_authority(secret, hash);
    json_set_text(json_object_in(json_object_in(secret, "metadata"), "annotations"), SIGNED_BY, hash);
    return 0;
}

static bool is_signed_by_present_authority(const cJSON *secret)
{
    char hash[2 * DIGEST_SIZE + 1];
    hash_authority(secret, hash);
    return strcmp(json_text_or("", secret, "metadata", "annotations", SIGNED_BY, NULL), hash) == 0;
}

/* --- both --------------------------------------------------------------------------------------------------------- */
static cJSON *make_secret(const struct secret_need *need)
{
    cJSON *secret = json_object(), *metadata = json_object_in(secret, "metadata");
    json_set_text(secret, "apiVersion", "v1");
    json_set_text(secret, "kind", "Secret");
    json_set_text(secret, "type", "kubernetes.io/tls");
    json_set_text(metadata, "name", WEBHOOK_SECRET);
    json_set_text(metadata, "namespace", need->namespace);
    json_set_text(json_object_in(metadata, "labels"), "app.kubernetes.io/managed-by", "atelier");
    return secret;
}

int secret_renew(const cJSON *secret, const struct secret_need *need, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *fresh = secret ? json_copy(secret) : make_secret(need);
    struct authority *authority = read_authority(secret);
    int64_t left_ms = certificate_left_ms(secret, need->now_ms);
    bool changed = false;
    int status = 0;
    *ret = NULL;
    if (!authority || authority_not_after_ms(authority) - need->now_ms < AUTHORITY_RENEW_MS) {
        bool kept = authority != NULL; /* one that cannot be read vouches for nothing any more */
        left_ms = kept ? left_ms : 0;
        authority_free(authority);
        authority = NULL;
        changed = true;
        status = replace_authority(fresh, need->namespace, kept, &authority, error);
    }
    /* A certificate that is good is kept until the cluster trusts whoever signs the next one. */
    bool due = left_ms < CERTIFICATE_RENEW_MS || !is_signed_by_present_authority(fresh);
    if (status == 0 && due && (left_ms == 0 || (need->trusted && !changed))) {
        changed = true;
        status = replace_certificate(fresh, authority, need->namespace, error);
    }
    authority_free(authority);
    if (status < 0 || !changed)
        return status;
    *ret = fresh;
    fresh = NULL;
    return 0;
}
