/* Does this replica lead? */
#include "engine/kubernetes/lease.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/"
#define CALL_MS 5000 /* a renewal that takes longer is of no use */

struct lease {
    struct kube_client *client;
    char *target, *collection, *namespace, *identity;
    pthread_t thread;
    bool started;
    _Atomic int64_t until_ms; /* leads until then, monotonic; 0: does not */
    pthread_mutex_t lock;     /* guards stop */
    pthread_cond_t changed;
    bool stop;
    pthread_mutex_t telling; /* guards the listeners, and is held while they are called */
    struct listener {
        void (*begun)(void *context);
        void *context;
    } listeners[LEASE_LISTENERS_MAX];
    /* The thread's: the lease as this replica's last write left it, or NULL; what was last seen of another holder, and
     * until when that is in force. */
    cJSON *written;
    char seen[256];
    int64_t seen_until_ms;
};

bool lease_held(const struct lease *lease)
{
    return clock_monotonic_ms() < atomic_load(&lease->until_ms);
}

/* --- the object --------------------------------------------------------------------------------------------------- */

static void set_time(cJSON *spec, const char *key)
{
    char text[CLOCK_TEXT_SIZE];
    clock_format_micro(clock_wall_ms(), text);
    json_set_text(spec, key, text);
}

/* <current> NULL: a new one. <holder> "": given back. */
static cJSON *lease_of(const struct lease *lease, const cJSON *current, const char *holder)
{
    cJSON *object = current ? json_copy(current) : json_object();
    cJSON *spec = json_object_in(object, "spec");
    int64_t transitions = 0;
    bool mine = strcmp(json_text_or("", spec, "holderIdentity", NULL), holder) == 0;
    json_set_text(object, "apiVersion", "coordination.k8s.io/v1");
    json_set_text(object, "kind", "Lease");
    json_set_text(json_object_in(object, "metadata"), "name", LEASE_NAME);
    json_set_text(json_object_in(object, "metadata"), "namespace", lease->namespace);
    (void)json_i64(json_member(spec, "leaseTransitions"), &transitions);
    json_set_text(spec, "holderIdentity", holder);
    json_set_i64(spec, "leaseDurationSeconds", *holder ? LEASE_DURATION_S : 1);
    set_time(spec, "renewTime");
    if (!mine && *holder) {
        set_time(spec, "acquireTime");
        json_set_i64(spec, "leaseTransitions", transitions + (current ? 1 : 0));
    }
    return object;
}

static int write_lease(struct lease *lease, const cJSON *current, const char *holder, cJSON **ret, struct error *error)
{
    AUTO_JSON cJSON *object = lease_of(lease, current, holder);
    AUTO_FREE char *text = json_print(object);
    return kube_call(lease->client,
                     &(struct kube_request){.method = current ? "PUT" : "POST",
                                            .target = current ? lease->target : lease->collection,
                                            .content_type = "application/json",
                                            .body = slice_of(text),
                                            .deadline_ms = CALL_MS,
                                            .once = true},
                     ret, error);
}

/* --- rounds ------------------------------------------------------------------------------------------------------- */

/* Whether somebody else holds it, as far as this clock can tell. */
static bool is_taken(struct lease *lease, const cJSON *current)
{
    const char *holder = json_text_or("", current, "spec", "holderIdentity", NULL);
    int64_t seconds = LEASE_DURATION_S;
    char seen[sizeof(lease->seen)];
    if (!*holder || strcmp(holder, lease->identity) == 0)
        return false;
    (void)json_i64(json_at(current, "spec", "leaseDurationSeconds", NULL), &seconds);
    snprintf(seen, sizeof(seen), "%.120s %.120s", holder, json_text_or("", current, "spec", "renewTime", NULL));
    if (strcmp(seen, lease->seen) != 0) {
        memcpy(lease->seen, seen, sizeof(seen));
        lease->seen_until_ms = clock_monotonic_ms() + seconds * 1000;
    }
    return clock_monotonic_ms() < lease->seen_until_ms;
}

/* --- who is told -------------------------------------------------------------------------------------------------- */

void lease_on_begin(struct lease *lease, void (*begun)(void *context), void *context)
{
    pthread_mutex_lock(&lease->telling);
    struct listener *free_one = NULL;
    for (size_t i = 0; i < COUNT_OF(lease->listeners); i++)
        if (!lease->listeners[i].begun)
            free_one = &lease->listeners[i];
    if (!free_one)
        abort(); /* a room more than this was made for */
    *free_one = (struct listener){begun, context};
    pthread_mutex_unlock(&lease->telling);
}

void lease_off_begin(struct lease *lease, void *context)
{
    pthread_mutex_lock(&lease->telling);
    for (size_t i = 0; i < COUNT_OF(lease->listeners); i++)
        if (lease->listeners[i].context == context)
            lease->listeners[i] = (struct listener){0};
    pthread_mutex_unlock(&lease->telling);
}

static void tell(struct lease *lease)
{
    pthread_mutex_lock(&lease->telling);
    for (size_t i = 0; i < COUNT_OF(lease->listeners); i++)
        if (lease->listeners[i].begun)
            lease->listeners[i].begun(lease->listeners[i].context);
    pthread_mutex_unlock(&lease->telling);
}

/* --- leading ------------------------------------------------------------------------------------------------------ */

static void note(struct lease *lease, bool leads)
{
    bool led = atomic_load(&lease->until_ms) != 0;
    if (leads != led)
        log_line(LOG_INFO, leads ? "this replica leads" : "this replica no longer leads",
                 LOG_TEXT("identity", lease->identity));
}

static int read_lease(struct lease *lease, cJSON **ret, struct error *error)
{
    const struct kube_request get = {.method = "GET", .target = lease->target, .deadline_ms = CALL_MS, .once = true};
    return kube_call(lease->client, &get, ret, error);
}

/* Whoever holds it knows how it is, and the API server refuses the write (CONFLICT) if somebody else has written since.
 */
static int renew(struct lease *lease, struct error *error)
{
    AUTO_JSON cJSON *current = TAKE_POINTER(lease->written);
    return current ? write_lease(lease, current, lease->identity, &lease->written, error)
                   : error_set(error, ERROR_CONFLICT, NULL, "the lease is not known");
}

static int acquire(struct lease *lease, bool *ret_taken, struct error *error)
{
    AUTO_JSON cJSON *current = NULL;
    int r = read_lease(lease, &current, error);
    *ret_taken = r == 0 && is_taken(lease, current);
    return (r == 0 && !*ret_taken) || r == -ERROR_NOT_FOUND
               ? write_lease(lease, current, lease->identity, &lease->written, error)
               : r;
}

static void try_once(struct lease *lease)
{
    struct error error = {0};
    int64_t began_ms = clock_monotonic_ms();
    bool taken = false;
    int r = renew(lease, &error);
    if (r == -ERROR_CONFLICT || r == -ERROR_NOT_FOUND)
        r = acquire(lease, &taken, &error);
    if (r == 0 && !taken) {
        note(lease, true);
        int64_t led_until_ms = atomic_exchange(&lease->until_ms, began_ms + LEASE_HOLD_MS);
        if (clock_monotonic_ms() >= led_until_ms) /* somebody may have asked in between */
            tell(lease);
        return;
    }
    /* It may have been written and the answer lost: what this replica had stays in force until it ends. */
    if (taken || !lease_held(lease)) {
        note(lease, false);
        atomic_store(&lease->until_ms, 0);
    }
    if (r < 0 && r != -ERROR_CONFLICT && r != -ERROR_EXISTS)
        log_line(LOG_WARN, "the lease cannot be renewed", LOG_FAULT(&error));
}

static bool pause_ms(struct lease *lease, int64_t delay_ms)
{
    struct timespec until;
    clock_after(delay_ms, &until);
    pthread_mutex_lock(&lease->lock);
    int r = 0;
    while (!lease->stop && r == 0)
        r = pthread_cond_timedwait(&lease->changed, &lease->lock, &until);
    bool stop = lease->stop;
    pthread_mutex_unlock(&lease->lock);
    return !stop;
}

static void give_back(struct lease *lease)
{
    AUTO_JSON cJSON *current = NULL;
    struct error error = {0};
    bool held = lease_held(lease);
    atomic_store(&lease->until_ms, 0);
    if (held && read_lease(lease, &current, &error) == 0 &&
        strcmp(json_text_or("", current, "spec", "holderIdentity", NULL), lease->identity) == 0)
        (void)write_lease(lease, current, "", NULL, &error);
}

/* Whoever waits for another's to end is there when it does. */
static int64_t until_next_ms(const struct lease *lease)
{
    int64_t left_ms = lease->seen_until_ms - clock_monotonic_ms() + 1;
    return left_ms > 0 && left_ms < LEASE_RENEW_MS ? left_ms : LEASE_RENEW_MS;
}

static void *run(void *context)
{
    struct lease *lease = context;
    do
        try_once(lease);
    while (pause_ms(lease, until_next_ms(lease)));
    give_back(lease);
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

struct lease *lease_new(struct kube_client *client, const char *namespace, const char *identity)
{
    struct lease *lease = memory_get(sizeof(*lease));
    lease->client = client;
    lease->collection = memory_format(LEASES "%s/leases", namespace);
    lease->target = memory_format(LEASES "%s/leases/" LEASE_NAME, namespace);
    lease->namespace = memory_text(namespace);
    lease->identity = memory_text(identity);
    pthread_mutex_init(&lease->lock, NULL);
    pthread_mutex_init(&lease->telling, NULL);
    clock_condition(&lease->changed);
    lease->started = pthread_create(&lease->thread, NULL, run, lease) == 0;
    if (!lease->started)
        log_line(LOG_ERROR, "leader election cannot be started: this replica never leads");
    return lease;
}

void lease_free(struct lease *lease)
{
    if (!lease)
        return;
    pthread_mutex_lock(&lease->lock);
    lease->stop = true;
    pthread_cond_signal(&lease->changed);
    pthread_mutex_unlock(&lease->lock);
    if (lease->started)
        pthread_join(lease->thread, NULL);
    pthread_mutex_destroy(&lease->lock);
    pthread_mutex_destroy(&lease->telling);
    pthread_cond_destroy(&lease->changed);
    cJSON_Delete(lease->written);
    free(lease->collection);
    free(lease->target);
    free(lease->namespace);
    free(lease->identity);
    free(lease);
}
