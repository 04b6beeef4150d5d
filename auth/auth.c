/* Which snapshot is in force, and how does the next one come about? (one thread, the refresher, makes and retires them)
 */
#include "auth/internal.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define AUTH_MAGIC 0x61757468u

static struct metric loads =
    METRIC_COUNTER("atelier_auth_policy_loads_total", "Policy snapshots loaded from PostgreSQL");
static struct metric load_failures =
    METRIC_COUNTER("atelier_auth_policy_load_failures_total", "Attempts to load or confirm the policy that failed");
static struct metric load_us =
    METRIC_GAUGE("atelier_auth_policy_load_microseconds", "How long the latest policy snapshot took to load");

/* --- readers --------------------------------------------------------------------------------------------------------
 */

/* The slot cannot vanish (slots live as long as the auth), so counting first and looking again whether it is still the
 * current one suffices: if it is, the refresher sees our count before it would clear the slot; if not, nothing in it
 * was read. Sequentially consistent on purpose: count-then-look here against swap-then-look there is Dekker's pattern.
 */
const struct policy *policy_take(struct auth *auth)
{
    assert(auth->magic == AUTH_MAGIC);
    for (;;) {
        struct policy *policy = atomic_load(&auth->current);
        atomic_fetch_add(&policy->references, 1);
        if (atomic_load(&auth->current) == policy)
            return policy;
        atomic_fetch_sub(&policy->references, 1);
    }
}

void policy_release(const struct policy *policy)
{
    if (policy)
        atomic_fetch_sub(&((struct policy *)(uintptr_t)policy)->references, 1);
}

bool auth_ready(struct auth *auth)
{
    const struct policy *policy = policy_take(auth);
    bool ready = snapshot_fresh(policy);
    policy_release(policy);
    return ready;
}

/* --- the refresher --------------------------------------------------------------------------------------------------
 */

/* A slot that is neither current nor being read; made if there is none. Snapshots that nobody reads any more are
 * cleared on the way. */
static struct policy *free_slot(struct auth *auth)
{
    struct policy *found = NULL, *current = atomic_load(&auth->current);
    for (struct policy *slot = auth->slots; slot; slot = slot->next) {
        if (slot == current || atomic_load(&slot->references) != 0)
            continue;
        snapshot_clear(slot);
        found = slot;
    }
    if (found)
        return found;
    found = memory_get(sizeof(*found));
    found->fresh_until_ms = &auth->fresh_until_ms;
    found->next = auth->slots;
    auth->slots = found;
    return found;
}

static void tell_listeners(struct auth *auth)
{
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        pthread_mutex_lock(&auth->lock);
        struct auth_listener listener = auth->listeners[i];
        auth->telling = listener.changed != NULL;
        pthread_mutex_unlock(&auth->lock);
        if (!listener.changed)
            continue;
        listener.changed(listener.context);
        pthread_mutex_lock(&auth->lock);
        auth->telling = false;
        pthread_cond_broadcast(&auth->done);
        pthread_mutex_unlock(&auth->lock);
    }
}

static int refresh_once(struct auth *auth, struct error *error)
{
    struct policy *current = atomic_load(&auth->current), *slot = free_slot(auth);
    bool expired = clock_wall_ms() >= current->next_expiry_ms, loaded = false;
    int64_t started_ms = clock_monotonic_ms();
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int failed =
        snapshot_load(auth, slot, current, current->filled && !expired ? current->version : -1, &loaded, error);
    if (failed) {
        metric_add(&load_failures, 1);
        return failed;
    }
    bool was_fresh = snapshot_fresh(current);
    atomic_store(&auth->fresh_until_ms, started_ms + auth->options.max_stale_ms);
    if (loaded) {
        clock_gettime(CLOCK_MONOTONIC, &after);
        slot->generation = ++auth->generation;
        atomic_store(&auth->current, slot);
        free_slot(auth); /* the old one goes now if nobody holds it */
        metric_add(&loads, 1);
        metric_set(&load_us, (after.tv_sec - before.tv_sec) * 1000000 + (after.tv_nsec - before.tv_nsec) / 1000);
    }
    if (loaded || !was_fresh)
        tell_listeners(auth);
    return 0;
}

/* How long the refresher may sleep, in monotonic milliseconds: until something expires, or the next poll. */
static int64_t next_due_ms(struct auth *auth, bool failed)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t poll_ms = auth->options.max_stale_ms / 3 < POLL_MS ? auth->options.max_stale_ms / 3 : POLL_MS;
    int64_t expiry_ms = atomic_load(&auth->current)->next_expiry_ms - clock_wall_ms();
    if (failed)
        return now_ms + RETRY_MS;
    if (expiry_ms < poll_ms)
        poll_ms = expiry_ms;
    return now_ms + (poll_ms > 10 ? poll_ms : 10); /* expiries in a burst share a load */
}

static bool sleep_until(struct auth *auth, int64_t due_ms)
{
    struct timespec until = {.tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000};
    int late = 0;
    while (!auth->stopping && late != ETIMEDOUT && auth->served >= auth->wanted)
        late = pthread_cond_timedwait(&auth->work, &auth->lock, &until);
    return !auth->stopping;
}

/* After a failure the writers that waited are told; the clock, or somebody new, brings the next try. */
static void settle(struct auth *auth, uint64_t ticket, int failed, const struct error *error)
{
    if (failed && !auth->failing)
        log_line(LOG_WARN, "the policy could not be refreshed", LOG_FAULT(error));
    auth->failing = failed != 0;
    auth->served = ticket;
    if (failed)
        auth->failure = *error;
    else
        auth->confirmed = ticket;
    pthread_cond_broadcast(&auth->done);
}

static void upkeep(struct auth *auth, int64_t *seen_due_ms, int64_t *purge_due_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms >= *seen_due_ms) {
        upkeep_seen(auth, atomic_load(&auth->current));
        *seen_due_ms = now_ms + SEEN_EVERY_MS;
    }
    if (now_ms >= *purge_due_ms) {
        upkeep_purge(auth);
        *purge_due_ms = now_ms + PURGE_EVERY_MS;
    }
}

static void *refresher_run(void *argument)
{
    struct auth *auth = argument;
    int64_t due_ms = 0, seen_due_ms = clock_monotonic_ms() + SEEN_EVERY_MS, purge_due_ms = seen_due_ms;
    pthread_mutex_lock(&auth->lock);
    while (sleep_until(auth, due_ms)) {
        struct error error = {0};
        uint64_t ticket = auth->wanted;
        pthread_mutex_unlock(&auth->lock);
        int failed = refresh_once(auth, &error);
        if (!failed)
            upkeep(auth, &seen_due_ms, &purge_due_ms);
        due_ms = next_due_ms(auth, failed != 0);
        pthread_mutex_lock(&auth->lock);
        settle(auth, ticket, failed, &error);
    }
    pthread_mutex_unlock(&auth->lock);
    return NULL;
}

static void hint(void *context, const char *channel, const char *payload)
{
    struct auth *auth = context;
    (void)channel;
    (void)payload;
    pthread_mutex_lock(&auth->lock);
    auth->wanted++;
    pthread_cond_signal(&auth->work);
    pthread_mutex_unlock(&auth->lock);
}

int auth_refresh(struct auth *auth, struct error *error)
{
    int64_t deadline_ms = clock_monotonic_ms() + REFRESH_WAIT_MS;
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    int failed = 0, late = 0;
    pthread_mutex_lock(&auth->lock);
    uint64_t ticket = ++auth->wanted; /* whoever else comes before the load starts shares it */
    pthread_cond_signal(&auth->work);
    while (auth->served < ticket && late != ETIMEDOUT && !auth->stopping)
        late = pthread_cond_timedwait(&auth->done, &auth->lock, &until);
    if (auth->served < ticket)
        failed = error_set(error, ERROR_UNAVAILABLE, NULL, "the policy is being reloaded; try again shortly");
    else if (auth->confirmed < ticket)
        failed = error_set(error, auth->failure.code, NULL, "%s", auth->failure.message);
    pthread_mutex_unlock(&auth->lock);
    return failed;
}

void auth_on_change(struct auth *auth, void (*changed)(void *context), void *context)
{
    unsigned at = 0;
    pthread_mutex_lock(&auth->lock);
    while (at < LISTENERS_MAX && auth->listeners[at].changed)
        at++;
    assert(at < LISTENERS_MAX);
    auth->listeners[at] = (struct auth_listener){changed, context};
    pthread_mutex_unlock(&auth->lock);
}

void auth_off_change(struct auth *auth, const void *context)
{
    pthread_mutex_lock(&auth->lock);
    for (unsigned i = 0; i < LISTENERS_MAX; i++) {
        if (auth->listeners[i].changed && auth->listeners[i].context == context)
            auth->listeners[i] = (struct auth_listener){0};
    }
    while (auth->telling) /* perhaps it is this one that is being called just now */
        pthread_cond_wait(&auth->done, &auth->lock);
    pthread_mutex_unlock(&auth->lock);
}

/* --- making and freeing ---------------------------------------------------------------------------------------------
 */

static void start_locks(struct auth *auth)
{
    pthread_mutex_init(&auth->lock, NULL);
    clock_condition(&auth->work);
    clock_condition(&auth->done);
    limiter_start(&auth->by_email, SIGN_IN_EMAIL_BURST, SIGN_IN_EMAIL_REFILL_MS);
    limiter_start(&auth->by_peer, SIGN_IN_PEER_BURST, SIGN_IN_PEER_REFILL_MS);
}

int auth_new(const struct auth_options *options, struct auth **ret, struct error *error)
{
    char admin_email[EMAIL_MAX + 1];
    int failed = auth_email_check(slice_of(options->admin_email), admin_email, error);
    if (failed)
        return error_wrap(error, "ATELIER_ADMIN_EMAIL");
    if (options->max_stale_ms <= 0 || options->session_ttl_ms <= 0)
        return error_set(error, ERROR_INVALID, "max_stale_ms", "expected a positive time");
    struct auth *auth = memory_get(sizeof(*auth));
    auth->magic = AUTH_MAGIC;
    auth->options = *options;
    memcpy(auth->admin_email, admin_email, sizeof(admin_email));
    auth->options.admin_email = auth->admin_email;
    start_locks(auth);
    atomic_store(&auth->current, free_slot(auth)); /* empty: everything is refused */
    atomic_load(&auth->current)->next_expiry_ms = INT64_MAX;
    auth->audit = audit_new(options->store);
    if (pthread_create(&auth->refresher, NULL, refresher_run, auth) != 0)
        memory_oom(0);
    failed = store_listen(options->store, "atelier_policy", hint, auth, error);
    if (failed) {
        auth_free(auth);
        return failed;
    }
    *ret = auth;
    return 0;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    assert(auth->magic == AUTH_MAGIC);
    store_unlisten(auth->options.store, auth);
    pthread_mutex_lock(&auth->lock);
    auth->stopping = true;
    pthread_cond_broadcast(&auth->work);
    pthread_cond_broadcast(&auth->done);
    pthread_mutex_unlock(&auth->lock);
    pthread_join(auth->refresher, NULL);
    audit_free(auth->audit);
    while (auth->slots) {
        struct policy *slot = auth->slots;
        auth->slots = slot->next;
        assert(atomic_load(&slot->references) == 0);
        snapshot_clear(slot);
        free(slot);
    }
    pthread_cond_destroy(&auth->work);
    pthread_cond_destroy(&auth->done);
    pthread_mutex_destroy(&auth->lock);
    pthread_mutex_destroy(&auth->by_email.lock);
    pthread_mutex_destroy(&auth->by_peer.lock);
    auth->magic = 0;
    free(auth);
}
