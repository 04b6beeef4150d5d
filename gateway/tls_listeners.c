/* Which TLS listeners are there, what do they present, and has that changed? */
#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "gateway/internal.h"

static bool is_given(const struct gateway *gateway)
{
    const struct gateway_tls *tls = &gateway->options.tls;
    return tls->certificate_file[0] || tls->key_file[0];
}

/* What tells one state of the files from another: also a Secret's volume, where only a link on the way changes. */
static void read_stamp(const struct gateway *gateway, char *ret, size_t size)
{
    struct stat certificate = {0}, key = {0};
    if (stat(gateway->options.tls.certificate_file, &certificate) < 0 || stat(gateway->options.tls.key_file, &key) < 0)
        certificate.st_ino = key.st_ino = 0;
    snprintf(ret, size, "%llu %lld.%09ld %llu %lld.%09ld", (unsigned long long)certificate.st_ino,
             (long long)certificate.st_mtim.tv_sec, certificate.st_mtim.tv_nsec, (unsigned long long)key.st_ino,
             (long long)key.st_mtim.tv_sec, key.st_mtim.tv_nsec);
}

static int make_identity(struct gateway *gateway, struct tls_identity **ret, struct error *error)
{
    const struct gateway_tls *tls = &gateway->options.tls;
    if (!is_given(gateway))
        return tls_identity_from_authority(tls->directory, gateway->options.base_domain, ret, error);
    if (!tls->certificate_file[0] || !tls->key_file[0])
        return error_set(error, ERROR_INVALID, "tls_certificate",
                         "a certificate's file and its key's file are given together or not at all");
    return tls_identity_from_files(tls->certificate_file, tls->key_file, ret, error);
}

static int open_https(struct gateway *gateway, struct error *error)
{
    const struct gateway_tls *tls = &gateway->options.tls;
    int64_t port = 0;
    int result = listener_bind_tcp(&gateway->listeners[LISTENER_TLS], tls->listen, error);
    if (result < 0) {
        if (error)
            snprintf(error->field, sizeof(error->field), "tls_listen");
        return result;
    }
    read_stamp(gateway, gateway->tls_stamp, sizeof(gateway->tls_stamp));
    result = make_identity(gateway, &gateway->tls_identity, error);
    if (result < 0)
        return result;
    const char *colon = strrchr(tls->listen, ':');
    text_parse_i64(slice_of(colon ? colon + 1 : ""), 0, 65535, &port);
    gateway->https_port = (unsigned)port;
    gateway->https_redirect = tls->redirect;
    return tls_server_new(tls_identity_take(gateway->tls_identity), &gateway->tls[LISTENER_TLS], error);
}

int tls_listeners_open(struct gateway *gateway, struct error *error)
{
    int result = gateway->options.tls.listen[0] ? open_https(gateway, error) : 0;
    if (result < 0 || !gateway->options.webhook_listen[0])
        return result;
    result = listener_bind_tcp(&gateway->listeners[LISTENER_WEBHOOK], gateway->options.webhook_listen, error);
    if (result < 0)
        return error_wrap(error, "webhook_listen");
    result = tls_server_new(tls_identity_of(NULL), &gateway->tls[LISTENER_WEBHOOK], error);
    if (result == 0 && gateway->options.webhook_client_ca[0])
        result = tls_server_authenticate(gateway->tls[LISTENER_WEBHOOK], gateway->options.webhook_client_ca, error);
    return result < 0 ? error_wrap(error, "webhook_client_ca") : 0;
}

void tls_listeners_close(struct gateway *gateway)
{
    for (size_t i = 0; i < LISTENER_COUNT; i++)
        tls_server_free(gateway->tls[i]);
    tls_identity_free(gateway->tls_identity);
}

const char *gateway_tls_authority(const struct gateway *gateway)
{
    return tls_identity_authority(gateway->tls_identity);
}

int gateway_tls_refresh(struct gateway *gateway, struct error *error)
{
    char stamp[sizeof(gateway->tls_stamp)];
    struct tls_identity *fresh;
    if (!gateway->tls[LISTENER_TLS] || !is_given(gateway))
        return 0;
    read_stamp(gateway, stamp, sizeof(stamp));
    if (strcmp(stamp, gateway->tls_stamp) == 0)
        return 0;
    int result = make_identity(gateway, &fresh, error);
    if (result < 0)
        return result; /* the two files may be halfway through a change: the stamp stays, so the next call looks again
                        */
    memcpy(gateway->tls_stamp, stamp, sizeof(stamp));
    log_line(LOG_INFO, "certificate reloaded", LOG_TEXT("file", gateway->options.tls.certificate_file));
    tls_server_present(gateway->tls[LISTENER_TLS], gateway, fresh);
    return 0;
}

void gateway_webhook_present(struct gateway *gateway, struct certificate *certificate)
{
    if (!gateway->tls[LISTENER_WEBHOOK]) {
        certificate_free(certificate);
        return;
    }
    tls_server_present(gateway->tls[LISTENER_WEBHOOK], gateway, tls_identity_of(certificate));
}
