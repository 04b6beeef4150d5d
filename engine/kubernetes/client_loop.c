/* Which request is sent now, which waits for what, and when does one end? (the client's thread) */
#include "base/clock.h"
#include "engine/kubernetes/client_internal.h"

#define POLL_MAX_MS 60000
#define NEVER INT64_MAX

/* --- lists ---------------------------------------------------------------------------------------------------------
 */

void stream_append(struct stream_list *list, struct kube_stream *stream)
{
    stream->next = NULL;
    stream->previous = list->last;
    if (list->last)
        list->last->next = stream;
    else
        list->first = stream;
    list->last = stream;
}

void stream_remove(struct stream_list *list, struct kube_stream *stream)
{
    if (stream->previous)
        stream->previous->next = stream->next;
    else
        list->first = stream->next;
    if (stream->next)
        stream->next->previous = stream->previous;
    else
        list->last = stream->previous;
    stream->next = stream->previous = NULL;
}

void client_wake(struct kube_client *client)
{
    if (client->polling) {
        client->polling = false;
        curl_multi_wakeup(client->multi);
    }
}

/* --- states --------------------------------------------------------------------------------------------------------
 */

static void leave(struct kube_stream *stream)
{
    struct kube_client *client = stream->client;
    if (stream->state == STREAM_WAITING)
        stream_remove(&client->waiting, stream);
    if (stream->state == STREAM_RUNNING) {
        stream_remove(&client->running, stream);
        transfer_end(stream);
    }
}

/* The one way out. <error> NULL: the answer was complete. */
static void end(struct kube_stream *stream, const struct error *error)
{
    static const struct error complete;
    struct kube_client *client = stream->client;
    struct kube_sink sink = stream->sink;
    leave(stream);
    stream->state = STREAM_ENDED;
    sink.end(sink.context, error ? -(int)error->code : 0, error ? error : &complete);
    if (stream->endless)
        atomic_fetch_sub_explicit(&client->endless, 1, memory_order_relaxed);
    pthread_mutex_lock(&client->lock);
    for (struct kube_stream **at = &client->cancelled; stream->in_cancelled && *at; at = &(*at)->next_cancelled) {
        if (*at == stream) {
            *at = stream->next_cancelled;
            break;
        }
    }
    pthread_mutex_unlock(&client->lock);
    stream_free(stream);
}

static void wait_for(struct kube_stream *stream, int64_t due_ms, bool for_credential)
{
    leave(stream);
    stream->due_ms = due_ms;
    stream->for_credential = for_credential;
    stream->state = STREAM_WAITING;
    stream_append(&stream->client->waiting, stream);
}

/* <failures> as they were before a newer one was asked for. What came between that and now would not be told again. */
static void wait_for_credential(struct kube_stream *stream, uint64_t generation, uint64_t failures)
{
    struct kube_client *client = stream->client;
    stream->generation = generation;
    stream->failures = failures;
    wait_for(stream, stream->deadline_at_ms, true);
    pthread_mutex_lock(&client->lock);
    client->renewed = true;
    pthread_mutex_unlock(&client->lock);
}

/* A stream without a deadline of its own is not to wait for ever before it has begun either. */
static void run_attempt(struct kube_stream *stream)
{
    struct kube_client *client = stream->client;
    struct error error = {0};
    leave(stream);
    stream->state = STREAM_ENDED;
    uint64_t failures = credential_failures(client->credential, NULL);
    stream->credential = credential_current(client->credential);
    if (!stream->credential) {
        wait_for_credential(stream, 0, failures);
        return;
    }
    if (transfer_start(stream, &error) < 0) {
        credential_release(TAKE_POINTER(stream->credential));
        end(stream, &error);
        return;
    }
    stream->state = STREAM_RUNNING;
    stream_append(&client->running, stream);
    if (stream->silence_ms && client->now_ms + stream->silence_ms < client->silence_due_ms)
        client->silence_due_ms = client->now_ms + stream->silence_ms;
}

/* --- attempts that are over ----------------------------------------------------------------------------------------
 */

static void retry_broken(struct kube_stream *stream, enum retry_transport transport, const struct error *error)
{
    struct kube_client *client = stream->client;
    client->dice = client->dice * 1664525u + 1013904223u;
    const struct retry_facts facts = {
        .transport = transport,
        .repeatable = stream->repeatable,
        .once = stream->once,
        .attempts = stream->attempts,
        .left_ms = stream->deadline_at_ms - client->now_ms,
        .dice = client->dice >> 8,
    };
    int64_t wait = 0;
    if (retry_decide(&facts, &wait) != RETRY_AFTER) {
        end(stream, error);
        return;
    }
    atomic_fetch_add_explicit(&client->retries, 1, memory_order_relaxed);
    wait_for(stream, client->now_ms + wait, false);
}

static void repeat_answered(struct kube_stream *stream)
{
    struct kube_client *client = stream->client;
    atomic_fetch_add_explicit(&client->retries, 1, memory_order_relaxed);
    if (stream->verdict == RETRY_RENEW) {
        stream->renewed = true;
        wait_for_credential(stream, stream->credential->generation, stream->failures);
        return;
    }
    atomic_fetch_add_explicit(&client->throttled, 1, memory_order_relaxed);
    wait_for(stream, client->now_ms + stream->verdict_wait_ms, false);
}

static void attempt_over(struct kube_stream *stream, CURLcode code)
{
    struct error error = {0};
    enum retry_transport transport = transfer_result(stream, code, &error);
    if (transport != RETRY_ANSWERED)
        retry_broken(stream, transport, &error);
    else if (stream->verdict != RETRY_DELIVER)
        repeat_answered(stream);
    else
        end(stream, NULL);
}

static void reap(struct kube_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        struct kube_stream *stream = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (void *)&stream);
        attempt_over(stream, code);
    }
}

/* --- time and messages ---------------------------------------------------------------------------------------------
 */

/* True if it no longer waits. */
static bool credential_has_come(struct kube_stream *stream, uint64_t generation, uint64_t failures,
                                const struct error *error)
{
    if (generation > stream->generation) {
        run_attempt(stream);
        return true;
    }
    if (failures > stream->failures) {
        struct error unavailable;
        error_set(&unavailable, ERROR_UNAVAILABLE, NULL, "%s", error->message);
        end(stream, &unavailable);
        return true;
    }
    return false;
}

static void credential_changed(struct kube_client *client)
{
    struct error error = {0};
    uint64_t failures = credential_failures(client->credential, &error);
    struct credential_view *view = credential_current(client->credential);
    uint64_t generation = view ? view->generation : 0;
    credential_release(view);
    for (struct kube_stream *stream = client->waiting.first, *next; stream; stream = next) {
        next = stream->next;
        if (stream->for_credential)
            credential_has_come(stream, generation, failures, &error);
    }
}

static void end_timed_out(struct kube_stream *stream)
{
    struct error error;
    error_set(&error, ERROR_TIMEOUT, NULL, "no credential for the Kubernetes API came in time");
    end(stream, &error);
}

static void run_due(struct kube_client *client)
{
    for (struct kube_stream *stream = client->waiting.first, *next; stream; stream = next) {
        next = stream->next;
        if (stream->due_ms > client->now_ms)
            continue;
        if (stream->for_credential)
            end_timed_out(stream);
        else
            run_attempt(stream);
    }
}

/* Ends what has been silent for too long, with its connection if that was, and says when to look again. */
static void check_silence(struct kube_client *client)
{
    if (client->now_ms < client->silence_due_ms)
        return;
    int64_t due = NEVER;
    for (struct kube_stream *stream = client->running.first, *next; stream; stream = next) {
        next = stream->next;
        if (!stream->silence_ms)
            continue;
        int64_t until = stream->heard_ms + stream->silence_ms;
        if (until <= client->now_ms) {
            struct error error;
            error_set(&error, ERROR_TIMEOUT, NULL, "nothing has come from the Kubernetes API for %lld ms",
                      (long long)stream->silence_ms);
            transfer_end_silent(stream, stream->silence_ms);
            end(stream, &error);
        } else if (until < due) {
            due = until;
        }
    }
    client->silence_due_ms = due;
}

static int poll_timeout(const struct kube_client *client)
{
    int64_t due = client->silence_due_ms;
    for (const struct kube_stream *stream = client->waiting.first; stream; stream = stream->next)
        due = stream->due_ms < due ? stream->due_ms : due;
    int64_t wait = due == NEVER ? POLL_MAX_MS : due - clock_monotonic_ms();
    return wait < 0 ? 0 : wait > POLL_MAX_MS ? POLL_MAX_MS : (int)wait;
}

static void end_cancelled(struct kube_stream *cancelled)
{
    for (struct kube_stream *stream = cancelled, *next; stream; stream = next) {
        struct error error;
        next = stream->next_cancelled;
        error_set(&error, ERROR_UNAVAILABLE, NULL, "the call was ended by its caller");
        end(stream, &error);
    }
}

/* Takes what other threads left. False when it is time to stop. */
static bool take_messages(struct kube_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool stopping = client->stopping, renewed = client->renewed;
    struct stream_list submitted = client->submitted;
    struct kube_stream *cancelled = client->cancelled;
    client->polling = client->renewed = false;
    client->submitted = (struct stream_list){0};
    client->cancelled = NULL;
    for (struct kube_stream *stream = cancelled; stream; stream = stream->next_cancelled)
        stream->in_cancelled = false;
    pthread_mutex_unlock(&client->lock);
    for (struct kube_stream *stream = submitted.first, *next; stream; stream = next) {
        next = stream->next;
        stream->state = STREAM_ENDED; /* in no list of ours yet */
        wait_for(stream, 0, false);
    }
    end_cancelled(cancelled);
    if (renewed)
        credential_changed(client);
    return !stopping;
}

/* True if nothing was left meanwhile: whoever leaves something from now on wakes the poll. */
static bool may_poll(struct kube_client *client)
{
    pthread_mutex_lock(&client->lock);
    bool nothing = !client->stopping && !client->renewed && !client->submitted.first && !client->cancelled;
    client->polling = nothing;
    pthread_mutex_unlock(&client->lock);
    return nothing;
}

static void end_everything(struct kube_client *client)
{
    struct error error;
    error_set(&error, ERROR_UNAVAILABLE, NULL, "the connection to the Kubernetes API is being closed");
    while (client->waiting.first)
        end(client->waiting.first, &error);
    while (client->running.first)
        end(client->running.first, &error);
}

void *client_run(void *context)
{
    struct kube_client *client = context;
    int running;
    client->silence_due_ms = NEVER;
    for (;;) {
        client->now_ms = clock_monotonic_ms();
        if (!take_messages(client))
            break;
        run_due(client);
        curl_multi_perform(client->multi, &running);
        client->now_ms = clock_monotonic_ms();
        reap(client);
        check_silence(client);
        if (may_poll(client))
            curl_multi_poll(client->multi, NULL, 0, poll_timeout(client), NULL);
    }
    end_everything(client);
    transfers_free(client);
    return NULL;
}
