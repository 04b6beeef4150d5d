/*
 * In which runtime_env runs what a cluster is given that names none of its own?
 *
 * Ray has no such thing for a cluster; it has two places where one of a whole process comes in (Ray 2.60):
 *
 * RAY_JOB_CONFIG_JSON_ENV_VAR, which every ray.init reads (ray/_private/worker.py). The dashboard's own ray.init on the
 * head does, so the actor that stands over a submitted job inherits it under what the job says, and hands the sum to
 * the job's driver; Serve's controller likewise. With RAY_OVERRIDE_JOB_RUNTIME_ENV a driver that says something itself
 * is no conflict.
 *
 * RAY_RUNTIME_ENV_HOOK. The server of a Ray Client's session calls ray.init with what the session brought, and the
 * variable above would take its place; the hook puts the session's own over the cluster's instead.
 */
#include "ray/internal.h"

#include "tenancy/shape.h"

#define ANNOTATION "atelier.dev/runtime-env"
#define FIELD "metadata.annotations." ANNOTATION
#define JOB_CONFIG "RAY_JOB_CONFIG_JSON_ENV_VAR"
#define OVERRIDE "RAY_OVERRIDE_JOB_RUNTIME_ENV"
#define HOOK_SOURCE "ATELIER_RUNTIME_ENV_HOOK"

/* pip, uv and conda exclude each other: a session that brings one of them does without the cluster's. */
#define HOOK                                                                                                           \
    "import json, os, sys\n"                                                                                           \
    "def over_default(runtime_env):\n"                                                                                 \
    "    frame, own = sys._getframe(1), None\n"                                                                        \
    "    while frame and own is None:\n"                                                                               \
    "        config = frame.f_locals.get('job_config')\n"                                                              \
    "        if getattr(config, '_client_job', False):\n"                                                              \
    "            own = dict(config.runtime_env or {})\n"                                                               \
    "        frame = frame.f_back\n"                                                                                   \
    "    if own is None:\n"                                                                                            \
    "        return runtime_env\n"                                                                                     \
    "    default = json.loads(os.environ['" JOB_CONFIG "'])['runtime_env']\n"                                          \
    "    packages = {'pip', 'uv', 'conda'}\n"                                                                          \
    "    if packages & own.keys():\n"                                                                                  \
    "        default = {key: default[key] for key in default if key not in packages}\n"                                \
    "    variables = {**(default.get('env_vars') or {}), **(own.get('env_vars') or {})}\n"                             \
    "    return {**default, **own, **({'env_vars': variables} if variables else {})}\n"
/* Before `ray start`, in its shell: KubeRay and the local engine both put a head's own command there. */
#define HOOK_COMMAND                                                                                                   \
    "mkdir -p /tmp/atelier && printf %s \"$" HOOK_SOURCE "\" > /tmp/atelier/atelier_runtime_env.py && "                \
    "export PYTHONPATH=\"/tmp/atelier${PYTHONPATH:+:$PYTHONPATH}\" "                                                   \
    "RAY_RUNTIME_ENV_HOOK=atelier_runtime_env.over_default"

static int refuse(const char *what, struct error *error)
{
    return error_set(error, ERROR_INVALID, FIELD, "%s: %s", FIELD, what);
}

/* A directory of the person's own machine means nothing to a head; the client that uploads one is a job's. */
static int check_places(const cJSON *value, const char *key, struct error *error)
{
    const cJSON *modules = json_member(value, key), *module;
    bool good = !modules || cJSON_IsArray(modules) || cJSON_IsString(modules);
    if (cJSON_IsString(modules))
        good = strstr(modules->valuestring, "://") != NULL;
    cJSON_ArrayForEach(module, modules)
    {
        good = good && cJSON_IsString(module) && strstr(module->valuestring, "://");
    }
    if (good)
        return 0;
    AUTO_FREE char *what =
        memory_format("%s must be a URI, such as https://example.com/code.zip; a directory comes with a job", key);
    return refuse(what, error);
}

static int check_variables(const cJSON *value, struct error *error)
{
    const cJSON *variables = json_member(value, "env_vars"), *variable;
    if (variables && !cJSON_IsObject(variables))
        return refuse("env_vars must be names with values", error);
    cJSON_ArrayForEach(variable, variables)
    {
        if (!cJSON_IsString(variable))
            return refuse("env_vars: every value must be a text, in quotes if it is a number", error);
        if (strncmp(variable->string, "RAY_AUTH_", strlen("RAY_AUTH_")) == 0)
            return refuse("env_vars: authentication is set by the platform", error);
    }
    return 0;
}

static int read_value(const char *text, cJSON **ret, struct error *error)
{
    static const char *const known[] = {"working_dir", "py_modules", "py_executable",
                                        "excludes",    "pip",        "uv",
                                        "conda",       "env_vars",   "worker_process_setup_hook",
                                        "config",      "image_uri",  "java_jars",
                                        NULL};
    static const char *const exclusive[] = {"pip", "uv", "conda"};
    struct error fault = {0};
    AUTO_JSON cJSON *value = NULL;
    size_t packages = 0;
    if (strlen(text) > RAY_RUNTIME_MAX)
        return error_set(error, ERROR_INVALID, FIELD, "%s may be at most %d bytes", FIELD, RAY_RUNTIME_MAX);
    if (yaml_parse(slice_of(text), &json_limits_default, &value, &fault) < 0)
        return error_set(error, ERROR_INVALID, FIELD, "%s is not YAML: %.300s", FIELD, fault.message);
    if (!cJSON_IsObject(value))
        return refuse("expected YAML of an object, such as {pip: [emoji]}", error);
    if (json_check_known(value, FIELD, known, &fault) < 0)
        return error_set(error, ERROR_INVALID, FIELD, "%.400s", fault.message);
    for (size_t i = 0; i < COUNT_OF(exclusive); i++)
        packages += json_member(value, exclusive[i]) != NULL;
    if (packages > 1)
        return refuse("one of pip, uv and conda", error);
    int r = check_places(value, "working_dir", error);
    if (r == 0)
        r = check_places(value, "py_modules", error);
    if (r == 0)
        r = check_variables(value, error);
    if (r == 0)
        *ret = TAKE_POINTER(value);
    return r;
}

static void drop_variable(cJSON *container, const char *name)
{
    cJSON *env = json_member(container, "env");
    for (int i = cJSON_GetArraySize(env); i > 0; i--)
        if (strcmp(json_text_or("", cJSON_GetArrayItem(env, i - 1), "name", NULL), name) == 0)
            cJSON_DeleteItemFromArray(env, i - 1);
}

static void set_variable(cJSON *container, const char *name, const char *value)
{
    cJSON *env = json_member(container, "env");
    cJSON *there = json_named(env, name);
    if (!there) {
        there = json_push(cJSON_IsArray(env) ? env : json_set(container, "env", json_array()), json_object());
        json_set_text(there, "name", name);
    }
    json_remove(there, "valueFrom");
    json_set_text(there, "value", value);
}

static cJSON *first_container(cJSON *group)
{
    cJSON *containers = json_at(group, "template", "spec", "containers", NULL);
    return containers ? containers->child : NULL;
}

static bool is_ours(const cJSON *word)
{
    return cJSON_IsString(word) && strncmp(word->valuestring, HOOK_COMMAND, strlen(HOOK_COMMAND)) == 0;
}

/* True for a head whose container starts Ray itself: there nothing is put before. */
static bool overwrites(const cJSON *cluster, const cJSON *head)
{
    static const char key[] = "ray.io/overwrite-container-cmd";
    const char *value = json_text(head, "template", "metadata", "annotations", key, NULL);
    return strcmp(value ? value : json_text_or("", cluster, "metadata", "annotations", key, NULL), "true") == 0;
}

static void set_command(cJSON *container)
{
    cJSON *command = json_member(container, "command");
    bool alone = (!command || !command->child) && !json_member(container, "args");
    if (command && is_ours(command->child))
        return;
    if (!cJSON_IsArray(command))
        command = json_set(container, "command", json_array());
    cJSON_InsertItemInArray(command, 0, cJSON_CreateString(alone ? HOOK_COMMAND : HOOK_COMMAND " &&"));
}

static void drop_all(cJSON *spec)
{
    static const char *const names[] = {JOB_CONFIG, OVERRIDE, HOOK_SOURCE};
    cJSON *head = first_container(json_member(spec, "headGroupSpec")), *group;
    cJSON *command = json_member(head, "command");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        drop_variable(head, names[i]);
    if (command && is_ours(command->child))
        cJSON_DeleteItemFromArray(command, 0);
    if (command && !command->child)
        json_remove(head, "command");
    cJSON_ArrayForEach(group, json_member(spec, "workerGroupSpecs"))
    {
        drop_variable(first_container(group), OVERRIDE);
    }
}

int ray_complete_runtime(const cJSON *old, cJSON *cluster, struct error *error)
{
    const char *text = json_text(cluster, "metadata", "annotations", ANNOTATION, NULL);
    cJSON *spec = json_object_in(cluster, "spec"), *head = json_member(spec, "headGroupSpec"), *group;
    AUTO_JSON cJSON *config = json_object();
    cJSON *value = NULL;
    if (!text || !*text) {
        if (json_text(old, "metadata", "annotations", ANNOTATION, NULL))
            drop_all(spec);
        return 0;
    }
    int r = read_value(text, &value, error);
    if (r < 0)
        return r;
    json_set(config, "runtime_env", value);
    json_object_in(config, "metadata");
    AUTO_FREE char *json = json_print(config);
    set_variable(first_container(head), JOB_CONFIG, json);
    set_variable(first_container(head), OVERRIDE, "1");
    if (!overwrites(cluster, head)) {
        set_variable(first_container(head), HOOK_SOURCE, HOOK);
        set_command(first_container(head));
    }
    cJSON_ArrayForEach(group, json_member(spec, "workerGroupSpecs"))
    {
        set_variable(first_container(group), OVERRIDE, "1"); /* a driver may run there */
    }
    return 0;
}
