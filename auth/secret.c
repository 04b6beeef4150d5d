/* How are the secrets made that we hand out, and what is derived from them? */
#include "auth/internal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void encode(const uint8_t bytes[DIGEST_SIZE], char ret[SECRET_SIZE])
{
    char *text = text_base64url(bytes, DIGEST_SIZE);
    memcpy(ret, text, SECRET_SIZE);
    memory_wipe(text, SECRET_LENGTH);
    free(text);
}

void secret_new(char ret[SECRET_SIZE])
{
    uint8_t bytes[DIGEST_SIZE];
    random_bytes(bytes, sizeof(bytes));
    encode(bytes, ret);
    memory_wipe(bytes, sizeof(bytes));
}

bool secret_well_formed(struct slice secret)
{
    if (secret.n != SECRET_LENGTH)
        return false;
    for (size_t i = 0; i < secret.n; i++) {
        char c = secret.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static void hmac(const void *key, size_t key_size, struct slice text, uint8_t ret[DIGEST_SIZE])
{
    if (!HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text.p, text.n, ret, NULL))
        abort(); /* only a broken OpenSSL */
}

/* Runs once a request, so it is one digest of a fixed-size text rather than an HMAC; the secret has 256 random bits. */
void secret_csrf(struct slice session_secret, char ret[SECRET_SIZE])
{
    static const char label[] = "atelier csrf 1:";
    char text[sizeof(label) - 1 + SECRET_LENGTH];
    uint8_t digest[DIGEST_SIZE];
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    memcpy(text, label, sizeof(label) - 1);
    memcpy(text + sizeof(label) - 1, session_secret.p, SECRET_LENGTH);
    digest_sha256((struct slice){text, sizeof(text)}, digest);
    for (size_t i = 0; i < SECRET_LENGTH; i++) { /* base64url without the heap: this is the hot path */
        size_t bit = i * 6, byte = bit / 8;
        unsigned pair = (unsigned)digest[byte] << 8 | (byte + 1 < DIGEST_SIZE ? digest[byte + 1] : 0u);
        ret[i] = alphabet[pair >> (10 - bit % 8) & 63u];
    }
    ret[SECRET_LENGTH] = '\0';
}

void secret_of_link(const uint8_t key[DIGEST_SIZE], int64_t link_id, char ret[SECRET_SIZE])
{
    char text[64];
    uint8_t digest[DIGEST_SIZE];
    int n = snprintf(text, sizeof(text), "atelier link 1:%lld", (long long)link_id);
    hmac(key, DIGEST_SIZE, (struct slice){text, (size_t)n}, digest);
    encode(digest, ret);
}
