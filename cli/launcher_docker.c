/* What runs in a node's container: which image, with which variables, after which set-up commands? */
#include "cli/launcher_docker.h"

#define COMMANDS_BYTES_MAX 16384 /* of one node's set-up: it is part of every pod */

/* --- docker run options ------------------------------------------------------------------------------------------- */

static void add_env(cJSON *container, struct slice text)
{
    struct slice value, name = slice_split(text, '=', &value);
    cJSON *list = json_member(container, "env");
    if (!list)
        list = json_set(container, "env", json_array());
    AUTO_FREE char *name_text = memory_text_n(name.p, name.n);
    AUTO_FREE char *value_text = memory_text_n(value.p, value.n);
    cJSON *item = json_push(list, json_object());
    json_set_text(item, "name", name_text);
    json_set_text(item, "value", value_text);
}

static int add_shm(struct launcher *launcher, const char *field, struct slice text, cJSON *pod, cJSON *container)
{
    AUTO_FREE char *size = memory_text_n(text.p, text.n);
    char unit = text.n ? text.p[text.n - 1] : '\0';
    const char *suffix = strchr("gG", unit) ? "Gi" : strchr("mM", unit) ? "Mi" : strchr("kK", unit) ? "Ki" : "";
    int64_t number;
    if (!unit || !text_parse_i64((struct slice){text.p, text.n - (*suffix ? 1 : 0)}, 1, (int64_t)1 << 40, &number))
        return launcher_refuse(launcher, field, "--shm-size: expected a size such as 8g");
    AUTO_FREE char *quantity = memory_format("%lld%s", (long long)number, suffix);
    cJSON *volume = json_push(json_set(pod, "volumes", json_array()), json_object());
    json_set_text(volume, "name", "shared-mem");
    json_set_text(json_object_in(volume, "emptyDir"), "medium", "Memory");
    json_set_text(json_object_in(volume, "emptyDir"), "sizeLimit", quantity);
    cJSON *mount = json_push(json_set(container, "volumeMounts", json_array()), json_object());
    json_set_text(mount, "name", "shared-mem");
    json_set_text(mount, "mountPath", "/dev/shm");
    return 0;
}

/* The value of <option> in "--option=value" or "--option value"; false if it is another option. */
static bool option_value(struct slice text, const char *option, struct slice *ret)
{
    if (!slice_starts(text, option))
        return false;
    struct slice rest = slice_skip(text, strlen(option));
    if (!rest.n || (rest.p[0] != '=' && rest.p[0] != ' '))
        return false;
    *ret = slice_trim(slice_skip(rest, 1));
    return ret->n > 0;
}

static int add_run_option(struct launcher *launcher, const char *field, const cJSON *item, cJSON *pod, cJSON *container)
{
    struct slice text = cJSON_IsString(item) ? slice_trim(slice_of(item->valuestring)) : (struct slice){0}, value;
    if (!text.n)
        return launcher_refuse(launcher, field, "expected a text such as \"-e NAME=value\"");
    if ((option_value(text, "-e", &value) || option_value(text, "--env", &value)) && memchr(value.p, '=', value.n) &&
        value.p[0] != '=') {
        add_env(container, value);
        return 0;
    }
    if (option_value(text, "--shm-size", &value))
        return add_shm(launcher, field, value, pod, container);
    if (slice_starts(text, "--ulimit")) {
        launcher_note(launcher, "%s: --ulimit: not used: the platform sets the limits of a pod", field);
        return 0;
    }
    if (slice_starts(text, "-v") || slice_starts(text, "--volume") || slice_starts(text, "--mount"))
        return launcher_refuse(launcher, field,
                               "a pod sees nothing of a machine's own files: mount a volume of the profile in the "
                               "RayCluster (`--dry-run -o yaml` prints it)");
    return launcher_refuse(launcher, field, "\"%.*s\" cannot be used: -e NAME=value and --shm-size SIZE can",
                           (int)(text.n > 60 ? 60 : text.n), text.p);
}

static int add_run_options(struct launcher *launcher, const cJSON *docker, const char *path, const char *key,
                           cJSON *pod, cJSON *container)
{
    const cJSON *list = json_member(docker, key), *item;
    int index = 0;
    cJSON_ArrayForEach(item, list)
    {
        char field[LAUNCHER_PATH_MAX];
        launcher_path_at(field, path, key, index++);
        int failed = add_run_option(launcher, field, item, pod, container);
        if (failed)
            return failed;
    }
    return 0;
}

/* --- docker ------------------------------------------------------------------------------------------------------- */

static int check_docker(struct launcher *launcher, const cJSON *docker, const char *path)
{
    static const char *const known[] = {"image",
                                        "container_name",
                                        "pull_before_run",
                                        "run_options",
                                        "head_image",
                                        "head_run_options",
                                        "worker_image",
                                        "worker_run_options",
                                        "pull",
                                        "use_podman",
                                        "disable_automatic_runtime_detection",
                                        "disable_shm_size_detection",
                                        NULL};
    if (docker && !cJSON_IsNull(docker) && !cJSON_IsObject(docker))
        return launcher_refuse(launcher, path, "expected an object");
    return json_check_known(docker, path, known, launcher->error);
}

static const char *image_of(const cJSON *docker, const char *own_key)
{
    const char *own = json_text_or("", docker, own_key, NULL);
    return own[0] ? own : json_text_or("", docker, "image", NULL);
}

static void set_image(struct launcher *launcher, const cJSON *type, bool head, cJSON *container)
{
    const cJSON *docker = json_member(launcher->file, "docker");
    const char *image = head ? "" : json_text_or("", type, "docker", "worker_image", NULL);
    if (!image[0])
        image = image_of(docker, head ? "head_image" : "worker_image");
    if (launcher->options->image_wins || !image[0])
        image = launcher->options->image;
    json_set_text(container, "image", image);
    if (json_true(docker, "pull_before_run", NULL) && !launcher->options->image_wins)
        json_set_text(container, "imagePullPolicy", "Always");
}

char *launcher_image_version(const char *image)
{
    const char *slash = strrchr(image, '/'), *tag = strchr(slash ? slash : image, ':');
    size_t length = tag ? strspn(++tag, "0123456789.") : 0;
    int dots = 0;
    for (size_t i = 0; i < length; i++)
        dots += tag[i] == '.';
    bool ends = length && tag[0] != '.' && tag[length - 1] != '.' && (!tag[length] || strchr("-_@", tag[length]));
    return dots == 2 && ends ? memory_text_n(tag, length) : NULL;
}

/* --- set-up commands ---------------------------------------------------------------------------------------------- */

/* `pip install ray...` would replace the image's Ray by one that the rest of the cluster does not have; the SDKs of the
 * clouds are for the launcher's own autoscaler. */
static const char *why_left_out(const char *command)
{
    const char *p = strstr(command, "pip install");
    if (!p)
        p = strstr(command, "pip3 install");
    if (!p)
        return NULL;
    if (strstr(p, " ray==") || strstr(p, " ray[") || strstr(p, "\"ray[") || strstr(p, "'ray[") || strstr(p, "/ray-") ||
        slice_ends(slice_of(p), " ray"))
        return "not run: Ray comes with the image";
    if (strstr(p, "google-api-python-client") || strstr(p, "azure-cli-core") || strstr(p, "azure-mgmt-"))
        return "not run: no node talks to a cloud here";
    return NULL;
}

/* Each in a shell of its own, as the launcher runs them; the first that fails stops the pod. */
static int add_commands(struct launcher *launcher, const cJSON *from, const char *path, const char *key,
                        struct buffer *script)
{
    const cJSON *list = json_member(from, key), *item;
    int index = 0;
    cJSON_ArrayForEach(item, list)
    {
        char field[LAUNCHER_PATH_MAX];
        launcher_path_at(field, path, key, index++);
        if (!cJSON_IsString(item) || !item->valuestring[0])
            return launcher_refuse(launcher, field, "expected a shell command");
        const char *why = why_left_out(item->valuestring);
        if (why)
            launcher_note(launcher, "%s: %s", field, why);
        else
            buffer_add_format(script, "%s(%s\n)", script->n ? " && " : "", item->valuestring);
        if (script->n > COMMANDS_BYTES_MAX)
            return launcher_refuse(launcher, field, "the set-up of a node is longer than %d KiB: put it into an image",
                                   COMMANDS_BYTES_MAX / 1024);
    }
    return 0;
}

static int add_setup(struct launcher *launcher, const cJSON *type, const char *path, bool head, cJSON *container)
{
    AUTO_BUFFER struct buffer script = {0};
    bool own = !head && json_member(type, "worker_setup_commands");
    int failed = add_commands(launcher, launcher->file, "", "setup_commands", &script);
    if (!failed && own)
        failed = add_commands(launcher, type, path, "worker_setup_commands", &script);
    else if (!failed)
        failed =
            add_commands(launcher, launcher->file, "", head ? "head_setup_commands" : "worker_setup_commands", &script);
    if (failed || !script.n)
        return failed;
    json_push_text(json_set(container, "args", json_array()), script.p); /* Ray's own start is appended to it */
    launcher_note(launcher, "%s: set-up commands run at every start of a pod: an image of your own starts faster",
                  path);
    return 0;
}

int launcher_add_container(struct launcher *launcher, const cJSON *type, const char *path, bool head, cJSON *group)
{
    const cJSON *docker = json_member(launcher->file, "docker"), *own = json_member(type, "docker");
    cJSON *pod = json_at(group, "template", "spec", NULL);
    cJSON *container = cJSON_GetArrayItem(json_member(pod, "containers"), 0);
    char field[LAUNCHER_PATH_MAX];
    launcher_path(field, path, "docker");
    int failed = check_docker(launcher, docker, "docker");
    if (!failed)
        failed = check_docker(launcher, own, field);
    if (failed)
        return failed;
    set_image(launcher, type, head, container);
    const char *key = head ? "head_run_options" : "worker_run_options";
    failed = add_run_options(launcher, docker, "docker", "run_options", pod, container);
    if (!failed && own && !head)
        failed = add_run_options(launcher, own, field, key, pod, container);
    else if (!failed)
        failed = add_run_options(launcher, docker, "docker", key, pod, container);
    return failed ? failed : add_setup(launcher, type, path, head, container);
}
