/* How do a sandbox's pods reach the outside, and who sees to it that they go on doing so? */
#include "engine/local/sandboxd/outbound.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/local/sandboxd/etc.h"
#include "engine/local/sandboxd/firewall.h"
#include "engine/local/sandboxd/limits.h"
#include "engine/local/sandboxd/monitor.h"
#include "engine/local/sandboxd/network.h"
#include "engine/local/sandboxd/outside.h"
#include "engine/local/sandboxd/sandbox.h"

/* --- what the machine has ----------------------------------------------------------------------------------------- */

void box_outbound_look_at_all(struct box_daemon *daemon)
{
    size_t count;
    struct box_sandbox **all = box_sandboxes(daemon, &count);
    for (size_t i = 0; i < count; i++) {
        box_outbound_look(daemon, all[i]->name);
        box_sandbox_put(daemon, all[i]);
    }
    free(all);
}

static void on_addresses(void *context)
{
    box_outbound_look_at_all(context);
}

void box_outbound_open(struct box_daemon *daemon)
{
    daemon->pasta = box_find_program("pasta");
    daemon->nft = box_find_program("nft");
    box_outside_follow(on_addresses, daemon);
}

void box_outbound_close(struct box_daemon *daemon)
{
    box_outside_stop();
    free(daemon->pasta);
    free(daemon->nft);
}

const char *box_outbound_missing(const struct box_daemon *daemon)
{
    if (!daemon->pasta || !daemon->nft)
        return "pods reach nothing outside (no pip install): pasta and nft are needed; install the packages passt and "
               "nftables";
    /* As root pasta gets a device of its own. */
    if (process_is_in_user_namespace() && access("/dev/net/tun", R_OK | W_OK) < 0)
        return "pods reach nothing outside (no pip install): /dev/net/tun cannot be opened; its mode is 0666 on Debian";
    return NULL;
}

void box_outbound_look(struct box_daemon *daemon, const char *sandbox)
{
    queue_add(daemon->queue, sandbox, sandbox);
}

/* --- pasta.json --------------------------------------------------------------------------------------------------- */

static char *record_path(const struct box_daemon *daemon, const struct box_sandbox *sandbox)
{
    AUTO_FREE char *directory = box_path_sandbox_run(&daemon->paths, sandbox->name);
    return memory_format("%s/pasta.json", directory);
}

static int record(struct box_daemon *daemon, const struct box_sandbox *sandbox, struct error *error)
{
    AUTO_FREE char *path = record_path(daemon, sandbox);
    AUTO_JSON cJSON *json = json_object();
    json_set_i64(json, "pid", sandbox->way.pasta.pid);
    json_set_i64(json, "start", (int64_t)sandbox->way.pasta.start);
    AUTO_FREE char *text = json_print(json);
    return box_write_file(path, slice_of(text), 0600, error);
}

void box_outbound_adopt(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    AUTO_FREE char *path = record_path(daemon, sandbox);
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *json = NULL;
    int64_t pid, start;
    if (file_read(path, 4096, &text, NULL) || json_parse(buffer_slice(&text), &json_limits_default, &json, NULL) ||
        !json_i64(json_member(json, "pid"), &pid) || !json_i64(json_member(json, "start"), &start))
        return;
    sandbox->way.pasta = (struct box_process){.pid = (pid_t)pid, .start = (uint64_t)start};
    if (box_process_alive(&sandbox->way.pasta))
        box_monitor_watch(daemon->monitor, &sandbox->way.pasta, sandbox->name, sandbox->name);
}

/* --- one sandbox -------------------------------------------------------------------------------------------------- */

bool box_outbound_end(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    struct box_way *way = &sandbox->way;
    struct error error = {0};
    if (sandbox->netns >= 0 && box_network_forward(sandbox->netns, false, BOX_OUTSIDE_LINK, &error))
        log_line(LOG_WARN, "outbound network not closed", LOG_TEXT("sandbox", sandbox->name), LOG_FAULT(&error));
    if (!way->pasta.pid)
        return true;
    process_signal(way->pasta.pid, way->pasta.start, SIGKILL); /* it keeps nothing */
    if (!box_process_wait(&way->pasta, BOX_KILL_TIMEOUT_MS))
        return false;
    waitpid(way->pasta.pid, NULL, WNOHANG); /* a child only of the daemon that started it */
    AUTO_FREE char *path = record_path(daemon, sandbox);
    unlink(path);
    way->pasta = (struct box_process){0};
    way->start_after = way->backoff_ms = 0;
    return true;
}

/* Nothing is told to nft that it was told before. */
static int load_filter(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    AUTO_FREE char *directory = box_path_sandbox_run(&daemon->paths, sandbox->name);
    AUTO_FREE char *path = memory_format("%s/filter.nft", directory);
    AUTO_FREE uint32_t *own = memory_get(BOX_OWN_ADDRESSES_MAX * sizeof(*own));
    AUTO_BUFFER struct buffer text = {0};
    const char *const argv[] = {daemon->nft, "-f", path, NULL};
    ssize_t count = box_outside_addresses(own);
    if (count < 0)
        return error_set(error, ERROR_LIMITED, NULL, "the machine's own addresses cannot be told: more than %d",
                         BOX_OWN_ADDRESSES_MAX);
    box_firewall_render(&sandbox->way.policy, own, (size_t)count, &text);
    if (sandbox->way.loaded && slice_is(buffer_slice(&text), sandbox->way.loaded))
        return 0;
    int failed = box_write_file(path, buffer_slice(&text), 0600, error);
    if (!failed)
        failed = box_network_run(sandbox->netns, argv, BOX_RUNTIME_TIMEOUT_MS, error);
    if (failed)
        return failed;
    free(sandbox->way.loaded);
    sandbox->way.loaded = memory_text_n(text.p, text.n);
    return 0;
}

static int start(struct box_daemon *daemon, struct box_sandbox *sandbox, struct error *error)
{
    struct box_way *way = &sandbox->way;
    /* A tap without a pasta that we know of: its maker was killed before we wrote its number down. */
    int failed = box_network_forward(sandbox->netns, false, BOX_OUTSIDE_LINK, error);
    if (!failed)
        failed = box_network_forward(sandbox->netns, true, BOX_OUTSIDE_LINK, error);
    if (failed)
        return failed;
    pid_t pid = box_outside_launch(daemon->pasta, sandbox->netns, sandbox->uid + BOX_UID_OF_PASTA);
    if (pid < 0)
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pasta: %s", strerrordesc_np(-pid));
    way->pasta.pid = pid;
    if (!process_start_time(pid, &way->pasta.start))
        return error_set(error, ERROR_UNAVAILABLE, NULL, "pasta ended at once");
    box_monitor_watch(daemon->monitor, &way->pasta, sandbox->name, sandbox->name);
    return record(daemon, sandbox, error);
}

/* ms until pasta may be started again, 0: now. It ends by itself when the machine has no route to anywhere. */
static int64_t pause_before_start(struct box_sandbox *sandbox)
{
    struct box_way *way = &sandbox->way;
    int64_t now = clock_monotonic_ms();
    if (way->pasta.pid) {
        log_line(LOG_WARN, "outbound network interrupted: pasta ended (it needs a default route of the machine)",
                 LOG_TEXT("sandbox", sandbox->name));
        waitpid(way->pasta.pid, NULL, WNOHANG);
        bool settled = now - way->started_at >= BOX_PASTA_SETTLED_MS;
        way->backoff_ms = settled || !way->backoff_ms                      ? BOX_PASTA_BACKOFF_FIRST_MS
                          : way->backoff_ms * 2 < BOX_PASTA_BACKOFF_MAX_MS ? way->backoff_ms * 2
                                                                           : BOX_PASTA_BACKOFF_MAX_MS;
        way->start_after = now + (settled ? 0 : way->backoff_ms);
        way->pasta = (struct box_process){0};
    }
    return way->start_after > now ? way->start_after - now : 0;
}

static bool has_pods(struct box_daemon *daemon, const struct box_sandbox *sandbox)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, sandbox->name, &count);
    for (size_t i = 0; i < count; i++)
        box_pod_put(daemon, pods[i]);
    free(pods);
    return count > 0;
}

/* With sandbox->lock held. */
static int64_t step(struct box_daemon *daemon, struct box_sandbox *sandbox)
{
    struct error error = {0};
    if (sandbox->removing || sandbox->gone || sandbox->netns < 0)
        return 0;
    if (!sandbox->open || !has_pods(daemon, sandbox)) {
        if (sandbox->way.pasta.pid)
            box_outbound_end(daemon, sandbox);
        return 0;
    }
    int failed = load_filter(daemon, sandbox, &error);
    if (!failed && sandbox->way.pasta.pid && box_process_alive(&sandbox->way.pasta))
        return 0;
    if (!failed) {
        int64_t left = pause_before_start(sandbox);
        if (left)
            return left;
        sandbox->way.started_at = clock_monotonic_ms();
        failed = start(daemon, sandbox, &error);
    }
    if (!failed)
        return 0;
    log_line(LOG_ERROR, "no outbound network", LOG_TEXT("sandbox", sandbox->name), LOG_FAULT(&error));
    box_outbound_end(daemon, sandbox); /* rather nothing than something unguarded */
    return BOX_PASTA_BACKOFF_MAX_MS;
}

int64_t box_outbound_step(struct box_daemon *daemon, const char *name)
{
    struct box_sandbox *sandbox = box_sandbox_find(daemon, name);
    if (!sandbox)
        return 0;
    pthread_mutex_lock(&sandbox->lock);
    int64_t wait_ms = step(daemon, sandbox);
    pthread_mutex_unlock(&sandbox->lock);
    box_sandbox_put(daemon, sandbox);
    return wait_ms;
}

/* --- pods --------------------------------------------------------------------------------------------------------- */

int box_outbound_pod(struct box_daemon *daemon, struct box_pod *pod, struct error *error)
{
    AUTO_FREE char *netns = box_path_netns(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *directory = box_path_pod(&daemon->paths, pod->sandbox->name, pod->name);
    AUTO_FREE char *etc = memory_format("%s/etc", directory);
    bool open = pod->sandbox->open;
    int failed = box_network_route_pod(netns, open, error);
    return failed ? failed : box_etc_set_resolver(etc, open ? BOX_OUTSIDE_GATEWAY : NULL, error);
}

/* One that is being made now has taken the new state or waits here for its lock. */
static void tell_pods(struct box_daemon *daemon, const char *sandbox)
{
    size_t count;
    struct box_pod **pods = box_pods(daemon, sandbox, &count);
    for (size_t i = 0; i < count; i++) {
        struct error error = {0};
        pthread_mutex_lock(&pods[i]->lock);
        if (!pods[i]->removed && pods[i]->state.made && box_outbound_pod(daemon, pods[i], &error))
            log_line(LOG_WARN, "outbound policy not told to a pod", LOG_TEXT("pod", pods[i]->key), LOG_FAULT(&error));
        pthread_mutex_unlock(&pods[i]->lock);
        box_pod_put(daemon, pods[i]);
    }
    free(pods);
}

/* With sandbox->lock held. */
static int take(struct box_daemon *daemon, struct box_sandbox *sandbox, const struct outbound_policy *policy,
                struct error *error)
{
    struct outbound_policy before = sandbox->way.policy;
    sandbox->way.policy = *policy;
    int failed = box_sandbox_save(daemon, sandbox, error);
    if (failed) {
        sandbox->way.policy = before;
        return failed;
    }
    bool open = policy->count && !box_outbound_missing(daemon), changed = open != sandbox->open;
    sandbox->open = open;
    int64_t wait_ms = step(daemon, sandbox);
    if (wait_ms)
        queue_add_after(daemon->queue, sandbox->name, sandbox->name, wait_ms);
    if (changed)
        tell_pods(daemon, sandbox->name);
    return 0;
}

static bool same(const struct outbound_policy *a, const struct outbound_policy *b)
{
    AUTO_BUFFER struct buffer left = {0}, right = {0};
    outbound_print(a, &left);
    outbound_print(b, &right);
    return left.n == right.n && !memcmp(left.p, right.p, left.n);
}

int box_outbound_set(struct box_daemon *daemon, const char *name, const char *text, struct error *error)
{
    struct outbound_policy policy;
    int failed = outbound_parse(slice_of(text), "policy", &policy, error);
    if (failed)
        return failed;
    struct box_sandbox *sandbox = box_sandbox_find(daemon, name);
    if (!sandbox)
        return error_set(error, ERROR_NOT_FOUND, "sandbox", "there is no sandbox \"%s\"", name);
    pthread_mutex_lock(&sandbox->lock);
    if (sandbox->removing || sandbox->gone)
        failed = error_set(error, ERROR_CONFLICT, "sandbox", "sandbox \"%s\" is being removed", name);
    else if (!same(&policy, &sandbox->way.policy))
        failed = take(daemon, sandbox, &policy, error);
    pthread_mutex_unlock(&sandbox->lock);
    box_sandbox_put(daemon, sandbox);
    return failed;
}
