/* Which credential is presented now, and when is it renewed? */
#include "engine/kubernetes/credential.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/kubernetes/config_internal.h"
#include "engine/kubernetes/exec_credential.h"
#include "engine/kubernetes/pem.h"

#define FILES_EVERY_MS 60000   /* the kubelet renews a projected token at 80 % of its hour, and CAs rarely */
#define EXPIRY_MARGIN_MS 30000 /* renewed so long before it expires */
#define RENEW_PAUSE_MS 2000    /* between two runs, however many requests ask */
#define FAILED_PAUSE_MS 10000
#define NEVER INT64_MAX

struct credential {
    struct kube_config config;
    void (*changed)(void *context);
    void *context;
    bool renewable;
    pthread_t thread;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t asked;
    bool stopping, wanted;
    struct credential_view *view;
    uint64_t failures;
    struct error error;
};

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

static void wipe(char *text)
{
    if (text)
        memory_wipe(text, strlen(text));
    free(text);
}

void credential_release(struct credential_view *view)
{
    if (!view || atomic_fetch_sub_explicit(&view->references, 1, memory_order_acq_rel) != 1)
        return;
    wipe(view->header);
    wipe(view->key);
    free(view->certificate);
    free(view->ca);
    free(view);
}

static struct credential_view *view_new(void)
{
    struct credential_view *view = memory_get(sizeof(*view));
    atomic_init(&view->references, 1);
    return view;
}

static char *basic(const struct kube_config *config)
{
    AUTO_FREE char *pair = memory_format("%s:%s", config->username, config->password ? config->password : "");
    AUTO_FREE char *encoded = text_base64(pair, strlen(pair));
    char *ret = memory_format("Authorization: Basic %s", encoded);
    memory_wipe(pair, strlen(pair));
    memory_wipe(encoded, strlen(encoded));
    return ret;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool view_equal(const struct credential_view *a, const struct credential_view *b)
{
    return same(a->header, b->header) && same(a->certificate, b->certificate) && same(a->key, b->key) &&
           same(a->ca, b->ca);
}

/* --- where it comes from ------------------------------------------------------------------------------------------ */

static int read_token_file(const char *path, char **ret_header, struct error *error)
{
    AUTO_FREE char *text = NULL;
    int failed = kube_config_file(path, KUBE_TOKEN_BYTES_MAX, "the token file", &text, error);
    if (failed)
        return failed;
    size_t count = strcspn(text, "\r\n");
    for (size_t i = 0; i < count; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            count = 0;
    }
    if (count == 0)
        failed = error_set(error, ERROR_INVALID, NULL, "the token file: %s must hold a bearer token", path);
    else
        *ret_header = memory_format("Authorization: Bearer %.*s", (int)count, text);
    memory_wipe(text, strlen(text));
    return failed;
}

/* What cannot be read just now (a file being replaced) stays as it was. */
static char *file_or(const char *path, const char *otherwise, bool certificates)
{
    char *text = NULL;
    if (path && kube_config_file(path, KUBE_CONFIG_FILE_BYTES_MAX, path, &text, NULL) == 0) {
        if (!certificates || pem_certificates(slice_of(text)) > 0)
            return text;
        wipe(text);
    }
    return memory_text(otherwise);
}

/* Both files are replaced one after the other: a pair that does not match is not taken. */
static void read_certificate(const struct kube_config *config, const struct credential_view *before,
                             struct credential_view *view)
{
    const char *certificate = before ? before->certificate : config->certificate;
    const char *key = before ? before->key : config->key;
    view->certificate = file_or(config->certificate_file, certificate, true);
    view->key = file_or(config->key_file, key, false);
    if (!view->certificate || !config->certificate_file ||
        pem_check_key(slice_of(view->certificate), slice_of(view->key), "", NULL) == 0)
        return;
    free(view->certificate);
    wipe(view->key);
    view->certificate = memory_text(certificate);
    view->key = memory_text(key);
}

static int read_exec(const struct kube_config *config, struct credential_view *view, int64_t *ret_expires_wall_ms,
                     struct error *error)
{
    struct exec_credential answer = {0};
    int failed = exec_credential_get(config, &answer, error);
    if (failed)
        return failed;
    if (answer.token)
        view->header = memory_format("Authorization: Bearer %s", answer.token);
    view->certificate = TAKE_POINTER(answer.certificate);
    view->key = TAKE_POINTER(answer.key);
    *ret_expires_wall_ms = answer.expires_wall_ms;
    exec_credential_free(&answer);
    return 0;
}

/* <before>: what is presented now, which may be newer than what the program started with; NULL at the start. */
static int read_all(const struct kube_config *config, const struct credential_view *before,
                    struct credential_view *view, int64_t *ret_expires_wall_ms, struct error *error)
{
    view->ca = file_or(config->ca_file, before ? before->ca : config->ca, true);
    if (config->exec_command)
        return read_exec(config, view, ret_expires_wall_ms, error);
    read_certificate(config, before, view);
    if (config->token_file)
        return read_token_file(config->token_file, &view->header, error);
    if (config->token)
        view->header = memory_format("Authorization: Bearer %s", config->token);
    else if (config->username)
        view->header = basic(config);
    return 0;
}

/* --- renewal ------------------------------------------------------------------------------------------------------ */

static int64_t next_after(const struct credential *credential, bool failed, int64_t expires_wall_ms)
{
    const struct kube_config *config = &credential->config;
    int64_t wait = NEVER;
    if (config->token_file || config->ca_file || config->certificate_file)
        wait = FILES_EVERY_MS;
    if (expires_wall_ms) {
        int64_t until = expires_wall_ms - EXPIRY_MARGIN_MS - clock_wall_ms();
        wait = until < wait ? until : wait;
        wait = wait < FAILED_PAUSE_MS ? FAILED_PAUSE_MS : wait; /* it may answer the same again until it expires */
    }
    if (failed && wait > FAILED_PAUSE_MS)
        wait = FAILED_PAUSE_MS;
    return wait;
}

/* Takes the lock; returns in how many milliseconds to run again. */
static int64_t renew(struct credential *credential)
{
    struct credential_view *view = view_new(), *before = credential_current(credential), *old = NULL;
    struct error error = {0};
    int64_t expires_wall_ms = 0;
    bool failed = read_all(&credential->config, before, view, &expires_wall_ms, &error) < 0;
    credential_release(before);
    pthread_mutex_lock(&credential->lock);
    if (failed) {
        credential->failures++;
        credential->error = error;
        old = view;
    } else if (credential->view && view_equal(credential->view, view)) {
        old = view;
        credential->failures++; /* nothing newer: who asked after a 401 is not to wait any longer */
        error_set(&credential->error, ERROR_UNAVAILABLE, NULL, "the API server refuses the credentials configured");
    } else {
        view->generation = credential->view ? credential->view->generation + 1 : 1;
        old = credential->view;
        credential->view = view;
    }
    pthread_mutex_unlock(&credential->lock);
    credential_release(old);
    credential->changed(credential->context);
    if (failed)
        log_line(LOG_WARN, "the credentials for the API server cannot be renewed", LOG_FAULT(&error));
    return next_after(credential, failed, expires_wall_ms);
}

static void wait_until(struct credential *credential, int64_t due_ms)
{
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000), .tv_nsec = (long)(due_ms % 1000) * 1000000};
    if (due_ms == NEVER)
        pthread_cond_wait(&credential->asked, &credential->lock);
    else
        pthread_cond_timedwait(&credential->asked, &credential->lock, &due);
}

static void *run(void *context)
{
    struct credential *credential = context;
    int64_t due_ms = credential->view ? clock_monotonic_ms() + FILES_EVERY_MS : 0, not_before_ms = 0;
    pthread_mutex_lock(&credential->lock);
    while (!credential->stopping) {
        int64_t now = clock_monotonic_ms();
        int64_t at = credential->wanted ? not_before_ms : due_ms;
        if (now < at) {
            wait_until(credential, at);
            continue;
        }
        credential->wanted = false;
        pthread_mutex_unlock(&credential->lock);
        int64_t wait = renew(credential);
        now = clock_monotonic_ms();
        not_before_ms = now + RENEW_PAUSE_MS;
        due_ms = wait == NEVER ? NEVER : now + wait;
        pthread_mutex_lock(&credential->lock);
    }
    pthread_mutex_unlock(&credential->lock);
    return NULL;
}

struct credential *credential_new(const struct kube_config *config, void (*changed)(void *context), void *context)
{
    struct credential *credential = memory_get(sizeof(*credential));
    kube_config_copy(config, &credential->config);
    credential->changed = changed;
    credential->context = context;
    credential->renewable = config->exec_command || config->token_file || config->ca_file || config->certificate_file;
    pthread_mutex_init(&credential->lock, NULL);
    clock_condition(&credential->asked);
    if (!config->exec_command)
        renew(credential); /* files are quick; a program is left to the thread */
    if (credential->renewable && pthread_create(&credential->thread, NULL, run, credential) != 0)
        credential->renewable = false;
    return credential;
}

void credential_free(struct credential *credential)
{
    if (!credential)
        return;
    pthread_mutex_lock(&credential->lock);
    credential->stopping = true;
    pthread_cond_signal(&credential->asked);
    pthread_mutex_unlock(&credential->lock);
    if (credential->renewable)
        pthread_join(credential->thread, NULL);
    credential_release(credential->view);
    kube_config_free(&credential->config);
    pthread_cond_destroy(&credential->asked);
    pthread_mutex_destroy(&credential->lock);
    free(credential);
}

struct credential_view *credential_current(struct credential *credential)
{
    pthread_mutex_lock(&credential->lock);
    struct credential_view *view = credential->view;
    if (view)
        atomic_fetch_add_explicit(&view->references, 1, memory_order_relaxed);
    pthread_mutex_unlock(&credential->lock);
    return view;
}

bool credential_renew(struct credential *credential, uint64_t generation)
{
    if (!credential->renewable)
        return false;
    pthread_mutex_lock(&credential->lock);
    if (!credential->view || credential->view->generation <= generation) {
        credential->wanted = true;
        pthread_cond_signal(&credential->asked);
    }
    pthread_mutex_unlock(&credential->lock);
    return true;
}

uint64_t credential_failures(struct credential *credential, struct error *error)
{
    pthread_mutex_lock(&credential->lock);
    uint64_t failures = credential->failures;
    if (error)
        *error = credential->error;
    pthread_mutex_unlock(&credential->lock);
    return failures;
}
