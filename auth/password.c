/* Is this the password, and how is one kept? (scrypt, RFC 7914; a bounded number at a time) */
#include "auth/internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <time.h>

#include "base/clock.h"

/* OWASP's cheat sheet: N=2^15 r=8 p=3 or N=2^17 r=8 p=1 ...; 2^15/8/1 is 32 MiB and about 0.1 s on the machines we run
 * on. The parameters are stored with every hash, so they can be raised without losing anybody. */
#define SCRYPT_LOG_N 15
#define SCRYPT_R 8
#define SCRYPT_P 1
#define SALT_SIZE 16
#define WAIT_MS 10000

static struct {
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t left;
    unsigned running, waiting;
} desk = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

static int enter(struct error *error)
{
    int late = 0;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&desk.lock);
    if (desk.running >= HASHES_AT_ONCE && desk.waiting >= HASHES_WAITING)
        late = ETIMEDOUT;
    desk.waiting++;
    while (desk.running >= HASHES_AT_ONCE && late != ETIMEDOUT)
        late = pthread_cond_timedwait(&desk.left, &desk.lock, &until);
    desk.waiting--;
    if (late != ETIMEDOUT)
        desk.running++;
    pthread_mutex_unlock(&desk.lock);
    if (late != ETIMEDOUT)
        return 0;
    int code = error_set(error, ERROR_LIMITED, NULL, "too many people are signing in at this moment");
    if (error)
        error->retry_after_s = 2;
    return code;
}

static void leave(void)
{
    pthread_mutex_lock(&desk.lock);
    desk.running--;
    pthread_cond_signal(&desk.left);
    pthread_mutex_unlock(&desk.lock);
}

struct parameters {
    int log_n, r, p;
    uint8_t salt[SALT_SIZE], key[DIGEST_SIZE];
};

static int derive(struct slice password, const struct parameters *with, uint8_t ret[DIGEST_SIZE], struct error *error)
{
    uint64_t n = (uint64_t)1 << with->log_n;
    uint64_t memory = 128 * (uint64_t)with->r * (n + (uint64_t)with->p + 2) + 65536;
    int failed = enter(error);
    if (failed)
        return failed;
    int made = EVP_PBE_scrypt(password.n ? password.p : "", password.n, with->salt, SALT_SIZE, n, (uint64_t)with->r,
                              (uint64_t)with->p, memory, ret, DIGEST_SIZE);
    leave();
    return made == 1 ? 0 : error_set(error, ERROR_INTERNAL, NULL, "the password could not be processed");
}

static size_t characters(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.n; i++)
        count += ((unsigned char)text.p[i] & 0xC0) != 0x80;
    return count;
}

int password_check(struct slice password, const char *field, struct error *error)
{
    if (password.n > PASSWORD_BYTES_MAX || !text_is_utf8(password) ||
        memchr(password.n ? password.p : "", 0, password.n) || characters(password) < PASSWORD_MIN ||
        characters(password) > PASSWORD_MAX)
        return error_set(error, ERROR_INVALID, field, "expected %d to %d characters", PASSWORD_MIN, PASSWORD_MAX);
    return 0;
}

int password_hash(struct slice password, char ret[PASSWORD_HASH_SIZE], struct error *error)
{
    struct parameters with = {.log_n = SCRYPT_LOG_N, .r = SCRYPT_R, .p = SCRYPT_P};
    random_bytes(with.salt, sizeof(with.salt));
    int failed = derive(password, &with, with.key, error);
    if (failed)
        return failed;
    AUTO_FREE char *salt = text_base64(with.salt, sizeof(with.salt));
    AUTO_FREE char *key = text_base64(with.key, sizeof(with.key));
    snprintf(ret, PASSWORD_HASH_SIZE, "scrypt$%d$%d$%d$%s$%s", with.log_n, with.r, with.p, salt, key);
    memory_wipe(&with, sizeof(with));
    return 0;
}

static bool parse_bytes(struct slice text, uint8_t *ret, size_t size)
{
    AUTO_BUFFER struct buffer bytes = {.max = 64};
    if (!text_unbase64(text, &bytes) || bytes.n != size)
        return false;
    memcpy(ret, bytes.p, size);
    return true;
}

static bool parse(const char *stored, struct parameters *ret)
{
    struct slice rest = slice_of(stored);
    int64_t log_n, r, p;
    if (!slice_is(slice_split(rest, '$', &rest), "scrypt") ||
        !text_parse_i64(slice_split(rest, '$', &rest), 10, 20, &log_n) ||
        !text_parse_i64(slice_split(rest, '$', &rest), 1, 32, &r) ||
        !text_parse_i64(slice_split(rest, '$', &rest), 1, 16, &p) ||
        !parse_bytes(slice_split(rest, '$', &rest), ret->salt, SALT_SIZE) || !parse_bytes(rest, ret->key, DIGEST_SIZE))
        return false;
    ret->log_n = (int)log_n;
    ret->r = (int)r;
    ret->p = (int)p;
    return true;
}

int password_verify(const char *stored, struct slice password, bool *ret_right, struct error *error)
{
    struct parameters with = {.log_n = SCRYPT_LOG_N, .r = SCRYPT_R, .p = SCRYPT_P};
    uint8_t key[DIGEST_SIZE];
    /* HMAC pads its key with zeros, so "x" and "x\0" would derive the same: a NUL is never right. */
    bool known =
        stored && parse(stored, &with) && !memchr(password.n ? password.p : "x", 0, password.n ? password.n : 1);
    if (!known) /* as much work as for a real one: who asks learns nothing from the time */
        with = (struct parameters){.log_n = SCRYPT_LOG_N, .r = SCRYPT_R, .p = SCRYPT_P};
    int failed = derive(password, &with, key, error);
    if (failed)
        return failed;
    bool equal = digest_equal(key, with.key, sizeof(key));
    memory_wipe(key, sizeof(key));
    *ret_right = known && equal;
    return 0;
}
