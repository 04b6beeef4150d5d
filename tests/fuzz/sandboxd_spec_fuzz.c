/* Whatever pod spec passes the check renders to a config.json that keeps the container inside; so does what is kept of
 * it. */
// clang-format off
// fuzz: base/*.c engine/local/sandboxd/spec.c engine/local/sandboxd/gpu_name.c engine/local/sandboxd/address.c engine/local/sandboxd/image.c engine/local/sandboxd/bundle.c engine/local/sandboxd/cgroup.c engine/local/sandboxd/seccomp.c engine/local/sandboxd/etc.c engine/local/sandboxd/state.c
// clang-format on
#include "engine/local/sandboxd/bundle.h"
#include "engine/local/sandboxd/spec.h"
#include "engine/local/sandboxd/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const cJSON *config)
{
    const cJSON *mount, *early;
    cJSON_ArrayForEach(mount, json_member(config, "mounts"))
    {
        const char *parent = json_text(mount, "destination", NULL);
        if (*parent != '/' || strstr(parent, "/../") || !strncmp(parent, "/usr/lib", 8))
            abort();
        for (early = json_member(config, "mounts")->child; early != mount; early = early->next) {
            const char *child = json_text(early, "destination", NULL);
            if (!strncmp(child, parent, strlen(parent)) && child[strlen(parent)] == '/')
                abort();
        }
    }
    if (!json_true(config, "process", "noNewPrivileges", NULL) || !json_true(config, "root", "readonly", NULL))
        abort();
}

static void check_container(const cJSON *container)
{
    size_t count = 0;
    struct box_bind binds[64];
    const cJSON *mount;
    cJSON_ArrayForEach(mount, json_member(container, "mounts"))
    {
        binds[count++] = (struct box_bind){memory_text("/source"), json_text(mount, "path", NULL), false};
    }
    struct box_bundle bundle = {.container = container,
                                .hostname = "h",
                                .address = "10.64.0.2",
                                .uid = 2000000,
                                .image = "/srv/image",
                                .netns = "/n",
                                .cgroup = "/c",
                                .rootfs = "/r",
                                .etc = "/e",
                                .shm = "/m",
                                .init = "/i",
                                .empty = "/y",
                                .tmp = "/t",
                                .var_tmp = "/v",
                                .home = "/h",
                                .binds = binds,
                                .bind_count = count,
                                .nofile = 1024};
    AUTO_JSON cJSON *config = box_bundle_render(&bundle);
    check_config(config);
    for (size_t i = 0; i < count; i++)
        free(binds[i].source);
}

static void check_state(const cJSON *spec)
{
    struct box_state state, again;
    box_state_init(&state, spec, "10.64.0.2");
    AUTO_JSON cJSON *printed = box_state_print(&state);
    if (box_state_parse(printed, &again, NULL))
        abort();
    AUTO_JSON cJSON *twice = box_state_print(&again);
    if (!json_equal(printed, twice))
        abort();
    box_state_free(&state);
    box_state_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_JSON cJSON *spec = NULL;
    struct error error = {0};
    if (json_parse((struct slice){(const char *)data, size}, &json_limits_default, &spec, NULL))
        return 0;
    box_hosts_check(spec, NULL);
    if (box_spec_check(spec, &error)) {
        if (error.code != ERROR_INVALID || !error.field[0] || !error.message[0])
            abort();
        return 0;
    }
    const cJSON *container;
    cJSON_ArrayForEach(container, json_member(spec, "containers"))
    {
        check_container(container);
    }
    check_state(spec);
    return 0;
}
