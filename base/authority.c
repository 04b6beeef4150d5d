/* How does our own certificate authority come to be, and what does it sign? */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/certificate_internal.h"
#include "base/random.h"

/* Clocks of laptops and of containers that just woke up go slow. */
#define BACKDATE_S 3600
/* X.520 ub-common-name */
#define COMMON_NAME_MAX 64

struct authority {
    X509 *certificate;
    EVP_PKEY *key;
    EVP_PKEY *leaf_key; /* of every certificate it signs here */
};

/* --- parts of a certificate --------------------------------------------------------------------------------------- */

static bool set_serial(X509 *x509)
{
    /* RFC 5280 4.1.2.2: positive, at most 20 bytes; CA/B Forum: 64 bits of randomness at least. */
    unsigned char bytes[16];
    random_bytes(bytes, sizeof(bytes));
    bytes[0] &= 0x7f;
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);
    return ok;
}

static bool set_times(X509 *x509, int64_t lifetime_s, const ASN1_TIME *latest)
{
    if (!X509_gmtime_adj(X509_getm_notBefore(x509), -BACKDATE_S) ||
        !X509_time_adj_ex(X509_getm_notAfter(x509), (int)(lifetime_s / 86400), (long)(lifetime_s % 86400), NULL))
        return false;
    if (latest && ASN1_TIME_compare(X509_get0_notAfter(x509), latest) > 0)
        return X509_set1_notAfter(x509, latest) == 1;
    return true;
}

static bool set_name(X509 *x509, const char *common_name)
{
    X509_NAME *name = X509_get_subject_name(x509);
    if (X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Atelier", -1, -1, 0) != 1)
        return false;
    unsigned char address[16];
    /* Nobody reads it where there are alternative names, and OpenSSL takes an address for a DNS name in it. */
    if (strlen(common_name) > COMMON_NAME_MAX || inet_pton(AF_INET, common_name, address) == 1 ||
        inet_pton(AF_INET6, common_name, address) == 1)
        return true;
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1;
}

static bool add_extension(X509 *x509, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    bool ok = extension && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

static GENERAL_NAME *name_of(const char *text, bool as_network)
{
    unsigned char address[32];
    int size = inet_pton(AF_INET, text, address) == 1 ? 4 : inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = size ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (!name || !value)
        memory_oom(sizeof(*name));
    memset(address + size, 0xff, (size_t)size); /* a network of one address */
    int length = size == 0 ? (int)strlen(text) : as_network ? 2 * size : size;
    if (ASN1_STRING_set(value, size ? (const void *)address : text, length) != 1)
        memory_oom((size_t)length);
    GENERAL_NAME_set0_value(name, size ? GEN_IPADD : GEN_DNS, value);
    return name;
}

static bool add_alternative_names(X509 *x509, const char *const *names)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    for (size_t i = 0; all && names[i]; i++)
        sk_GENERAL_NAME_push(all, name_of(names[i], false));
    bool ok = all && X509_add1_ext_i2d(x509, NID_subject_alt_name, all, 0, 0) == 1;
    GENERAL_NAMES_free(all);
    return ok;
}

static void permit(NAME_CONSTRAINTS *constraints, const char *const *names)
{
    for (size_t i = 0; names && names[i]; i++) {
        GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
        if (!tree)
            memory_oom(sizeof(*tree));
        GENERAL_NAME_free(tree->base);
        tree->base = name_of(names[i], true);
        sk_GENERAL_SUBTREE_push(constraints->permittedSubtrees, tree);
    }
}

static bool add_constraints(X509 *x509, const struct authority_options *options)
{
    NAME_CONSTRAINTS *constraints = NAME_CONSTRAINTS_new();
    if (!constraints || !(constraints->permittedSubtrees = sk_GENERAL_SUBTREE_new_null()))
        memory_oom(sizeof(*constraints));
    permit(constraints, options->domains);
    permit(constraints, options->networks);
    /* Names of a kind that is not mentioned would be free: no address means no address at all. */
    if (!options->networks || !options->networks[0])
        permit(constraints, (const char *const[]){"0.0.0.0", NULL});
    bool ok = X509_add1_ext_i2d(x509, NID_name_constraints, constraints, 1, 0) == 1;
    NAME_CONSTRAINTS_free(constraints);
    return ok;
}

/* --- an authority ------------------------------------------------------------------------------------------------- */

static EVP_PKEY *new_key(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static bool fill_authority(X509 *x509, EVP_PKEY *key, const struct authority_options *options)
{
    return X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
           set_times(x509, options->lifetime_s, NULL) && set_name(x509, options->name) &&
           X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 && X509_set_pubkey(x509, key) == 1 &&
           add_extension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(x509, x509, NID_subject_key_identifier, "hash") && add_constraints(x509, options) &&
           X509_sign(x509, key, EVP_sha256()) > 0;
}

static struct authority *authority_of(X509 *certificate, EVP_PKEY *key)
{
    struct authority *authority = memory_get(sizeof(*authority));
    authority->certificate = certificate;
    authority->key = key;
    authority->leaf_key = new_key();
    if (!authority->leaf_key)
        memory_oom(0);
    return authority;
}

int authority_new(const struct authority_options *options, struct authority **ret, struct error *error)
{
    ERR_clear_error();
    EVP_PKEY *key = new_key();
    X509 *x509 = X509_new();
    if (!key || !x509 || !fill_authority(x509, key, options)) {
        EVP_PKEY_free(key);
        X509_free(x509);
        return certificate_fault(error, ERROR_INTERNAL, NULL, "a certificate authority cannot be made");
    }
    *ret = authority_of(x509, key);
    return 0;
}

int authority_parse(struct slice certificate_pem, struct slice key_pem, struct authority **ret, struct error *error)
{
    struct certificate *parsed;
    int status = certificate_parse(certificate_pem, key_pem, &parsed, error);
    if (status < 0)
        return status;
    X509 *x509 = sk_X509_value(parsed->chain, 0);
    if (X509_check_ca(x509) != 1)
        status = error_set(error, ERROR_INVALID, "certificate", "the certificate is not an authority's");
    else {
        X509_up_ref(x509);
        EVP_PKEY_up_ref(parsed->key);
        *ret = authority_of(x509, parsed->key);
    }
    certificate_free(parsed);
    return status;
}

void authority_free(struct authority *authority)
{
    if (!authority)
        return;
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
    EVP_PKEY_free(authority->leaf_key);
    free(authority);
}

void authority_print(const struct authority *authority, struct buffer *ret_certificate, struct buffer *ret_key)
{
    certificate_print_x509(authority->certificate, ret_certificate);
    if (ret_key)
        certificate_print_key(authority->key, ret_key);
}

int64_t authority_not_after_ms(const struct authority *authority)
{
    return certificate_time_ms(X509_get0_notAfter(authority->certificate));
}

/* --- what it signs ------------------------------------------------------------------------------------------------ */

static bool fill_leaf(X509 *x509, const struct authority *authority, const char *const *names, int64_t lifetime_s)
{
    X509 *issuer = authority->certificate;
    return X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
           set_times(x509, lifetime_s, X509_get0_notAfter(issuer)) && set_name(x509, names[0]) &&
           X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
           X509_set_pubkey(x509, authority->leaf_key) == 1 &&
           add_extension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x509, issuer, NID_ext_key_usage, "serverAuth") &&
           add_extension(x509, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(x509, issuer, NID_authority_key_identifier, "keyid:always") &&
           add_alternative_names(x509, names) && X509_sign(x509, authority->key, EVP_sha256()) > 0;
}

static bool is_covered(const struct authority *authority, X509 *x509)
{
    NAME_CONSTRAINTS *constraints = X509_get_ext_d2i(authority->certificate, NID_name_constraints, NULL, NULL);
    /* A copy has been through the encoding: only that fills what OpenSSL looks its names up in. */
    X509 *copy = X509_dup(x509);
    bool covered = copy && X509_check_purpose(copy, -1, 0) == 1 &&
                   (!constraints || NAME_CONSTRAINTS_check(copy, constraints) == X509_V_OK);
    NAME_CONSTRAINTS_free(constraints);
    X509_free(copy);
    return covered;
}

int authority_mint(const struct authority *authority, const char *const *names, int64_t lifetime_s,
                   struct certificate **ret, struct error *error)
{
    ERR_clear_error();
    X509 *x509 = X509_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    if (!x509 || !chain || !names[0] || !fill_leaf(x509, authority, names, lifetime_s)) {
        X509_free(x509);
        sk_X509_free(chain);
        return certificate_fault(error, ERROR_INTERNAL, NULL, "a certificate cannot be made");
    }
    if (!is_covered(authority, x509)) {
        X509_free(x509);
        sk_X509_free(chain);
        return error_set(error, ERROR_FORBIDDEN, "names", "this authority may not vouch for %s", names[0]);
    }
    if (sk_X509_push(chain, x509) <= 0)
        memory_oom(sizeof(void *));
    EVP_PKEY_up_ref(authority->leaf_key);
    *ret = certificate_of(chain, authority->leaf_key);
    return 0;
}
