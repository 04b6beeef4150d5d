/* May this e-mail, or this address, try once more? (token buckets in a table of fixed size) */
#include "auth/internal.h"

#include "base/clock.h"

void limiter_start(struct limiter *limiter, unsigned burst, int64_t refill_ms)
{
    *limiter = (struct limiter){.burst = burst, .refill_ms = refill_ms};
    pthread_mutex_init(&limiter->lock, NULL);
    random_bytes(limiter->key, sizeof(limiter->key));
}

static int64_t spent_now(const struct limiter_bucket *bucket, int64_t now_ms)
{
    int64_t spent = bucket->hash ? bucket->spent_ms - (now_ms - bucket->at_ms) : 0;
    return spent > 0 ? spent : 0;
}

/* The key's bucket. A full set gives up the bucket that has most left: a flood of other keys cannot wash out the one
 * that is being limited. */
static struct limiter_bucket *find(struct limiter *limiter, struct slice key, int64_t now_ms)
{
    uint64_t hash = map_siphash(limiter->key, key) | 1u;
    struct limiter_bucket *set = limiter->buckets[(hash >> 1) % LIMITER_SETS], *best = &set[0];
    for (unsigned i = 0; i < LIMITER_WAYS; i++) {
        if (set[i].hash == hash)
            return &set[i];
        if (spent_now(&set[i], now_ms) < spent_now(best, now_ms))
            best = &set[i];
    }
    *best = (struct limiter_bucket){.hash = hash, .at_ms = now_ms};
    return best;
}

int limiter_take(struct limiter *limiter, struct slice key, struct error *error)
{
    int64_t now_ms = clock_monotonic_ms(), wait_ms = 0;
    pthread_mutex_lock(&limiter->lock);
    struct limiter_bucket *bucket = find(limiter, key, now_ms);
    int64_t spent = spent_now(bucket, now_ms) + limiter->refill_ms;
    wait_ms = spent - limiter->refill_ms * (int64_t)limiter->burst;
    if (wait_ms <= 0) {
        bucket->spent_ms = spent;
        bucket->at_ms = now_ms;
    }
    pthread_mutex_unlock(&limiter->lock);
    if (wait_ms <= 0)
        return 0;
    int code = error_set(error, ERROR_LIMITED, NULL, "too many attempts; try again later");
    if (error)
        error->retry_after_s = (int)((wait_ms + 999) / 1000);
    return code;
}

void limiter_refund(struct limiter *limiter, struct slice key)
{
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&limiter->lock);
    struct limiter_bucket *bucket = find(limiter, key, now_ms);
    int64_t spent = spent_now(bucket, now_ms) - limiter->refill_ms;
    bucket->spent_ms = spent > 0 ? spent : 0;
    bucket->at_ms = now_ms;
    pthread_mutex_unlock(&limiter->lock);
}
