/* Where do unguessable bytes, digests and comparisons that tell nothing come from? */
#include "base/random.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/random.h>

void random_bytes(void *ret, size_t count)
{
    unsigned char *at = ret;
    while (count) {
        ssize_t got = getrandom(at, count, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort(); /* a predictable secret is worse than none */
        at += got;
        count -= (size_t)got;
    }
}

char *random_token(size_t bytes)
{
    unsigned char *raw = memory_get(bytes);
    random_bytes(raw, bytes);
    char *token = text_base64url(raw, bytes);
    memory_wipe(raw, bytes);
    free(raw);
    return token;
}

void random_uuid(char ret[RANDOM_UUID_SIZE])
{
    uint8_t raw[16];
    char hex[2 * sizeof(raw) + 1];
    random_bytes(raw, sizeof(raw));
    raw[6] = (uint8_t)((raw[6] & 0x0F) | 0x40);
    raw[8] = (uint8_t)((raw[8] & 0x3F) | 0x80);
    text_hex(raw, sizeof(raw), hex);
    snprintf(ret, RANDOM_UUID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

void random_suffix(char ret[6])
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    const unsigned letters = sizeof(alphabet) - 1;
    for (size_t n = 0; n < 5;) {
        uint8_t byte;
        random_bytes(&byte, 1);
        if (byte < 256 / letters * letters) /* otherwise the first letters would come up more often */
            ret[n++] = alphabet[byte % letters];
    }
    ret[5] = '\0';
}

/* Looked up once for the process: OpenSSL 3 otherwise does it for each digest, which costs more than a short one. */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

void digest_sha256(struct slice data, uint8_t ret[DIGEST_SIZE])
{
    pthread_once(&sha256_once, fetch_sha256);
    if (!sha256 || EVP_Digest(data.n ? data.p : "", data.n, ret, NULL, sha256, NULL) != 1)
        abort(); /* only a broken OpenSSL; going on would compare garbage */
}

void digest_sha256_hex(struct slice data, char ret[2 * DIGEST_SIZE + 1])
{
    uint8_t digest[DIGEST_SIZE];
    digest_sha256(data, digest);
    text_hex(digest, sizeof(digest), ret);
}

bool digest_equal(const void *a, const void *b, size_t count)
{
    return CRYPTO_memcmp(a, b, count) == 0;
}
