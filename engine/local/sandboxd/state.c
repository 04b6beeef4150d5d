/* What state is a pod in, and how is that written down? */
#include "engine/local/sandboxd/state.h"

#include "base/clock.h"
#include "engine/local/sandboxd/limits.h"

static const char *const state_names[] = {"waiting", "creating", "running", "exited"};
static const char *const restart_names[] = {"Always", "OnFailure", "Never"};

static int index_in(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; name && i < count; i++)
        if (!strcmp(names[i], name))
            return (int)i;
    return -1;
}

static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

void box_state_init(struct box_state *state, const cJSON *spec, const char *address)
{
    const cJSON *containers = json_member(spec, "containers"), *container;
    memset(state, 0, sizeof(*state));
    copy_text(state->uid, sizeof(state->uid), json_text(spec, "uid", NULL));
    copy_text(state->address, sizeof(state->address), address);
    state->started_at = clock_wall_ms();
    state->containers = memory_get((size_t)cJSON_GetArraySize(containers) * sizeof(*state->containers));
    cJSON_ArrayForEach(container, containers)
    {
        struct box_container *added = &state->containers[state->count++];
        copy_text(added->name, sizeof(added->name), json_text(container, "name", NULL));
        added->init = json_true(container, "init", NULL);
        int restart = index_in(restart_names, COUNT_OF(restart_names), json_text(container, "restart", NULL));
        added->restart = restart < 0 ? BOX_RESTART_ALWAYS : (enum box_restart)restart;
        copy_text(added->reason, sizeof(added->reason), added->init ? "PodInitializing" : "ContainerCreating");
    }
}

void box_state_free(struct box_state *state)
{
    free(state->containers);
    memset(state, 0, sizeof(*state));
}

static cJSON *print_container(const struct box_container *container)
{
    cJSON *json = json_object();
    json_set_text(json, "name", container->name);
    json_set_text(json, "id", container->id);
    json_set_bool(json, "init", container->init);
    json_set_text(json, "restart", restart_names[container->restart]);
    json_set_text(json, "state", state_names[container->state]);
    json_set_i64(json, "pid", container->pid);
    json_set_i64(json, "pid_start", (int64_t)container->pid_start);
    json_set_i64(json, "monitor_pid", container->monitor_pid);
    json_set_i64(json, "monitor_start", (int64_t)container->monitor_start);
    json_set_i64(json, "exit_code", container->exit_code);
    json_set_text(json, "reason", container->reason);
    json_set_text(json, "message", container->message);
    json_set_i64(json, "started_at", container->started_at);
    json_set_i64(json, "finished_at", container->finished_at);
    json_set_i64(json, "restarts", container->restarts);
    json_set_i64(json, "backoff_ms", container->backoff_ms);
    json_set_i64(json, "start_after", container->start_after);
    json_set_bool(json, "asked_to_end", container->asked_to_end);
    return json;
}

cJSON *box_state_print(const struct box_state *state)
{
    cJSON *json = json_object();
    json_set_text(json, "uid", state->uid);
    json_set_text(json, "address", state->address);
    json_set_bool(json, "made", state->made);
    json_set_bool(json, "stopping", state->stopping);
    json_set_i64(json, "kill_after", state->kill_after);
    json_set_i64(json, "started_at", state->started_at);
    cJSON *containers = json_set(json, "containers", json_array());
    for (size_t i = 0; i < state->count; i++)
        json_push(containers, print_container(&state->containers[i]));
    return json;
}

static bool parse_container(const cJSON *json, struct box_container *ret)
{
    int state = index_in(state_names, COUNT_OF(state_names), json_text(json, "state", NULL));
    int restart = index_in(restart_names, COUNT_OF(restart_names), json_text(json, "restart", NULL));
    if (state < 0 || restart < 0 || !json_text(json, "name", NULL))
        return false;
    copy_text(ret->name, sizeof(ret->name), json_text(json, "name", NULL));
    copy_text(ret->id, sizeof(ret->id), json_text(json, "id", NULL));
    copy_text(ret->reason, sizeof(ret->reason), json_text(json, "reason", NULL));
    copy_text(ret->message, sizeof(ret->message), json_text(json, "message", NULL));
    ret->init = json_true(json, "init", NULL);
    ret->restart = (enum box_restart)restart;
    ret->state = (enum box_container_state)state;
    ret->pid = (pid_t)json_i64_or(0, json, "pid", NULL);
    ret->pid_start = (uint64_t)json_i64_or(0, json, "pid_start", NULL);
    ret->monitor_pid = (pid_t)json_i64_or(0, json, "monitor_pid", NULL);
    ret->monitor_start = (uint64_t)json_i64_or(0, json, "monitor_start", NULL);
    ret->exit_code = (int)json_i64_or(0, json, "exit_code", NULL);
    ret->started_at = json_i64_or(0, json, "started_at", NULL);
    ret->finished_at = json_i64_or(0, json, "finished_at", NULL);
    ret->restarts = json_i64_or(0, json, "restarts", NULL);
    ret->backoff_ms = json_i64_or(0, json, "backoff_ms", NULL);
    ret->start_after = json_i64_or(0, json, "start_after", NULL);
    ret->asked_to_end = json_true(json, "asked_to_end", NULL);
    return true;
}

int box_state_parse(const cJSON *json, struct box_state *ret, struct error *error)
{
    const cJSON *containers = json_member(json, "containers"), *container;
    int count = cJSON_IsArray(containers) ? cJSON_GetArraySize(containers) : 0;
    struct box_state state = {0};
    if (count < 1 || count > BOX_CONTAINERS_MAX || !json_text(json, "uid", NULL) || !json_text(json, "address", NULL))
        return error_set(error, ERROR_INVALID, NULL, "not the state of a pod");
    copy_text(state.uid, sizeof(state.uid), json_text(json, "uid", NULL));
    copy_text(state.address, sizeof(state.address), json_text(json, "address", NULL));
    state.made = json_true(json, "made", NULL);
    state.stopping = json_true(json, "stopping", NULL);
    state.kill_after = json_i64_or(0, json, "kill_after", NULL);
    state.started_at = json_i64_or(0, json, "started_at", NULL);
    state.containers = memory_get((size_t)count * sizeof(*state.containers));
    cJSON_ArrayForEach(container, containers)
    {
        if (!parse_container(container, &state.containers[state.count++])) {
            box_state_free(&state);
            return error_set(error, ERROR_INVALID, NULL, "not the state of a container");
        }
    }
    *ret = state;
    return 0;
}

bool box_container_restarts(const struct box_container *container)
{
    bool failed = container->exit_code != 0;
    if (container->restart == BOX_RESTART_NEVER)
        return false;
    /* An init container that ended well is done, whatever the policy says. */
    if (container->init || container->restart == BOX_RESTART_ON_FAILURE)
        return failed;
    return true;
}

int64_t box_backoff_next(int64_t previous_ms, int64_t ran_ms)
{
    if (!previous_ms || ran_ms >= BOX_BACKOFF_FORGET_MS)
        return BOX_BACKOFF_FIRST_MS;
    return previous_ms * 2 > BOX_BACKOFF_MAX_MS ? BOX_BACKOFF_MAX_MS : previous_ms * 2;
}

/* An init container that failed for good ends the pod before its containers ever start. */
static bool ended_by_init(const struct box_state *state)
{
    for (size_t i = 0; i < state->count; i++) {
        const struct box_container *at = &state->containers[i];
        if (at->init && at->state == BOX_EXITED && at->exit_code && !box_container_restarts(at))
            return true;
    }
    return false;
}

const char *box_state_phase(const struct box_state *state)
{
    bool any_live = false, any_never_ran = false;
    for (size_t i = 0; i < state->count; i++) {
        const struct box_container *at = &state->containers[i];
        bool live = at->state == BOX_RUNNING || at->state == BOX_CREATING;
        any_live = any_live || live || (at->state == BOX_WAITING && !state->stopping);
        any_never_ran = any_never_ran || (!at->init && !at->started_at);
    }
    if (state->stopping)
        return any_live ? "stopping" : "stopped";
    if (!any_live || ended_by_init(state))
        return "stopped";
    return any_never_ran ? "starting" : "running";
}

static cJSON *container_record(const struct box_container *container)
{
    bool running = container->state == BOX_RUNNING;
    cJSON *json = json_object();
    json_set_text(json, "name", container->name);
    json_set_text(json, "state", container->state == BOX_CREATING ? "waiting" : state_names[container->state]);
    json_set_bool(json, "init", container->init);
    json_set_i64(json, "pid", running ? container->pid : 0);
    json_set_i64(json, "exit_code", container->exit_code);
    json_set_text(json, "reason", running ? "" : container->reason);
    json_set_text(json, "message", running ? "" : container->message);
    json_set_i64(json, "started_at", container->started_at);
    json_set_i64(json, "finished_at", running ? 0 : container->finished_at);
    json_set_i64(json, "restarts", container->restarts);
    return json;
}

cJSON *box_state_record(const struct box_state *state, const char *sandbox, const char *pod)
{
    cJSON *json = json_object();
    json_set_text(json, "sandbox", sandbox);
    json_set_text(json, "pod", pod);
    json_set_text(json, "uid", state->uid);
    json_set_text(json, "address", state->address);
    json_set_text(json, "phase", box_state_phase(state));
    json_set_i64(json, "started_at", state->started_at);
    cJSON *containers = json_set(json, "containers", json_array());
    for (size_t i = 0; i < state->count; i++)
        json_push(containers, container_record(&state->containers[i]));
    return json;
}
