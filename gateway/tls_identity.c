/* What does a TLS listener present, and where is it kept? */
#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "gateway/tls.h"
#include "gateway/tls_lifetimes.h"

#define PEM_MAX (256 << 10) /* a chain of sixteen RSA-4096 certificates is half of it */

struct tls_identity {
    struct tls_identity_parts parts;
    struct buffer authority_pem;
    atomic_uint holders;
};

const struct tls_identity_parts *tls_identity_parts(const struct tls_identity *identity)
{
    return &identity->parts;
}

static struct tls_identity *identity_new(struct certificate *certificate, struct authority *authority,
                                         const char *base_domain)
{
    struct tls_identity *identity = memory_get(sizeof(*identity));
    identity->parts = (struct tls_identity_parts){certificate, authority, memory_text(base_domain)};
    if (authority)
        authority_print(authority, &identity->authority_pem, NULL);
    atomic_init(&identity->holders, 1);
    return identity;
}

struct tls_identity *tls_identity_of(struct certificate *certificate)
{
    return identity_new(certificate, NULL, "");
}

void tls_main_names(const char *base_domain, const char *ret[MAIN_NAMES])
{
    size_t count = 0;
    ret[count++] = base_domain;
    if (strcmp(base_domain, "localhost") != 0)
        ret[count++] = "localhost";
    ret[count++] = "127.0.0.1";
    ret[count++] = "::1";
    ret[count] = NULL;
}

int tls_identity_minted(struct authority *authority, const char *base_domain, struct tls_identity **ret,
                        struct error *error)
{
    const char *names[MAIN_NAMES];
    struct certificate *main_certificate;
    tls_main_names(base_domain, names);
    int status = authority_mint(authority, names, LEAF_LIFETIME_S, &main_certificate, error);
    if (status < 0) {
        authority_free(authority);
        return status;
    }
    *ret = identity_new(main_certificate, authority, base_domain);
    return 0;
}

struct tls_identity *tls_identity_take(struct tls_identity *identity)
{
    atomic_fetch_add(&identity->holders, 1);
    return identity;
}

void tls_identity_free(struct tls_identity *identity)
{
    if (!identity || atomic_fetch_sub(&identity->holders, 1) > 1)
        return;
    certificate_free(identity->parts.certificate);
    authority_free(identity->parts.authority);
    free((char *)(uintptr_t)identity->parts.base_domain);
    buffer_free(&identity->authority_pem);
    free(identity);
}

const char *tls_identity_authority(const struct tls_identity *identity)
{
    return identity && identity->authority_pem.p ? identity->authority_pem.p : "";
}

/* --- given files -------------------------------------------------------------------------------------------------- */

int tls_identity_from_files(const char *certificate_file, const char *key_file, struct tls_identity **ret,
                            struct error *error)
{
    AUTO_BUFFER struct buffer chain = {0}, key = {0};
    struct certificate *certificate;
    int status = file_read(certificate_file, PEM_MAX, &chain, error);
    if (status == 0)
        status = file_read(key_file, PEM_MAX, &key, error);
    if (status == 0) {
        status = certificate_parse(buffer_slice(&chain), buffer_slice(&key), &certificate, error);
        if (status < 0)
            error_wrap(error, "%s", error && strcmp(error->field, "key") == 0 ? key_file : certificate_file);
    }
    if (key.p)
        memory_wipe(key.p, key.n);
    if (status < 0)
        return status;
    *ret = tls_identity_of(certificate);
    return 0;
}

/* --- an authority in a directory ---------------------------------------------------------------------------------- */

struct paths {
    char *certificate, *key, *old;
};

static int make_authority(const struct paths *paths, const char *base_domain, struct authority **ret,
                          struct error *error)
{
    AUTO_BUFFER struct buffer certificate = {0}, key = {0};
    char text[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(), text);
    AUTO_FREE char *name = memory_format("Atelier local CA %.10s", text);
    struct authority_options options = {.name = name,
                                        .domains = (const char *const[]){"localhost", base_domain, NULL},
                                        .networks = (const char *const[]){"127.0.0.1", "::1", NULL},
                                        .lifetime_s = AUTHORITY_LIFETIME_S};
    int status = authority_new(&options, ret, error);
    if (status < 0)
        return status;
    authority_print(*ret, &certificate, &key);
    /* The key first: a certificate without its key would look like one that was tampered with. */
    status = file_write(paths->key, buffer_slice(&key), 0600, error);
    if (status == 0)
        status = file_write(paths->certificate, buffer_slice(&certificate), 0644, error);
    memory_wipe(key.p, key.n);
    if (status < 0)
        authority_free(*ret);
    else
        log_line(LOG_INFO, "made a certificate authority", LOG_TEXT("file", paths->certificate));
    return status;
}

static int read_authority(const struct paths *paths, struct authority **ret, struct error *error)
{
    AUTO_BUFFER struct buffer certificate = {0}, key = {0};
    int status = file_read(paths->certificate, PEM_MAX, &certificate, error);
    if (status == 0)
        status = file_read(paths->key, PEM_MAX, &key, error);
    if (status == 0)
        status = authority_parse(buffer_slice(&certificate), buffer_slice(&key), ret, error);
    if (key.p)
        memory_wipe(key.p, key.n);
    return status < 0 ? error_wrap(error, "%s", paths->certificate) : 0;
}

static int replace_authority(const struct paths *paths, const char *base_domain, const char *why,
                             struct authority **ret, struct error *error)
{
    log_line(LOG_WARN, "the certificate authority is made anew: whoever trusted the old one must trust the new one",
             LOG_TEXT("why", why), LOG_TEXT("file", paths->certificate));
    if (rename(paths->certificate, paths->old) < 0)
        return error_set(error, ERROR_INTERNAL, NULL, "%s cannot be renamed: %s", paths->certificate,
                         strerrordesc_np(errno));
    return make_authority(paths, base_domain, ret, error);
}

static int open_authority(const struct paths *paths, const char *base_domain, struct tls_identity **ret,
                          struct error *error)
{
    struct authority *authority = NULL;
    bool there = file_exists(paths->certificate);
    int status =
        there ? read_authority(paths, &authority, error) : make_authority(paths, base_domain, &authority, error);
    if (status == 0 && authority_not_after_ms(authority) - clock_wall_ms() < AUTHORITY_RENEW_S * 1000) {
        authority_free(authority);
        status = replace_authority(paths, base_domain, "it ends soon", &authority, error);
    }
    if (status == 0)
        status = tls_identity_minted(authority, base_domain, ret, error);
    if (status != -ERROR_FORBIDDEN)
        return status;
    status = replace_authority(paths, base_domain, "it was made for another base domain", &authority, error);
    return status < 0 ? status : tls_identity_minted(authority, base_domain, ret, error);
}

int tls_identity_from_authority(const char *directory, const char *base_domain, struct tls_identity **ret,
                                struct error *error)
{
    AUTO_FREE char *certificate = memory_format("%s/ca.crt", directory);
    AUTO_FREE char *key = memory_format("%s/ca.key", directory);
    AUTO_FREE char *old = memory_format("%s/ca.crt.old", directory);
    struct paths paths = {certificate, key, old};
    int status = file_make_directories(directory, 0700, error);
    return status < 0 ? status : open_authority(&paths, base_domain, ret, error);
}
