/* May a pod look like this on one machine that people share? */
#include "engine/local/podtemplate_check.h"

#include "engine/local/demand.h"
#include "engine/local/podtemplate_fields.h"
#include "engine/selector.h"

/* Bounds of one pod: what a template may make the engine do and hold. */
enum {
    CONTAINERS_MAX = 10,
    VOLUMES_MAX = 32,
    MOUNTS_MAX = 32,
    ENV_MAX = 256,
    ARGS_MAX = 256,
    GRACE_MAX_S = 600,
    DEVICES_MAX = 64,
    PROBE_NUMBER_MAX = 3600
};

/* --- small values ------------------------------------------------------------------------------------------------- */

static int check_text(struct check *check, const cJSON *value, const char *path)
{
    return cJSON_IsString(value) ? 0 : check_fail(check, path, "must be a text; put it in quotes");
}

static int check_bool(struct check *check, const cJSON *value, const char *path)
{
    return cJSON_IsBool(value) ? 0 : check_fail(check, path, "must be true or false");
}

static int check_false(struct check *check, const cJSON *value, const char *path)
{
    return cJSON_IsFalse(value) ? 0
                                : check_fail(check, path, "is not allowed here: pods do not share the machine's own");
}

static int check_probe_number(struct check *check, const cJSON *value, const char *path)
{
    int64_t number;
    bool fits = json_i64(value, &number) && number >= 0 && number <= PROBE_NUMBER_MAX;
    return fits ? 0 : check_fail(check, path, "must be a whole number from 0 to 3600");
}

static int check_grace(struct check *check, const cJSON *value, const char *path)
{
    int64_t number;
    bool fits = json_i64(value, &number) && number >= 0 && number <= GRACE_MAX_S;
    return fits ? 0 : check_fail(check, path, "must be a whole number of seconds from 0 to 600");
}

static int check_label(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && name_is_label(slice_of(value->valuestring));
    return fits ? 0 : check_fail(check, path, "must be lower-case letters, digits and '-', at most 63");
}

static int check_object_name(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && name_is_subdomain(slice_of(value->valuestring));
    return fits ? 0 : check_fail(check, path, "must be the name of an object");
}

static int check_absolute(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && value->valuestring[0] == '/' && strlen(value->valuestring) < 1024;
    return fits ? 0 : check_fail(check, path, "must be an absolute path");
}

static int check_texts(struct check *check, const cJSON *value, const char *path)
{
    const cJSON *text;
    if (!cJSON_IsArray(value) || cJSON_GetArraySize(value) > ARGS_MAX)
        return check_fail(check, path, "must be a list of at most 256 texts");
    cJSON_ArrayForEach(text, value)
    {
        if (!cJSON_IsString(text))
            return check_fail(check, path, "must be a list of texts; put numbers in quotes");
    }
    return 0;
}

static int check_map(struct check *check, const cJSON *value, const char *path)
{
    const cJSON *text;
    if (!cJSON_IsObject(value))
        return check_fail(check, path, "must be a map of texts");
    cJSON_ArrayForEach(text, value)
    {
        if (!cJSON_IsString(text))
            return check_fail(check, path, "must be a map of texts; put numbers in quotes");
    }
    return 0;
}

static int check_port_number(struct check *check, const cJSON *value, const char *path)
{
    int64_t number;
    bool fits = json_i64(value, &number) && number >= 1 && number <= 65535;
    return fits ? 0 : check_fail(check, path, "must be a number from 1 to 65535");
}

static int check_port_or_name(struct check *check, const cJSON *value, const char *path)
{
    return cJSON_IsString(value) ? check_label(check, value, path) : check_port_number(check, value, path);
}

static int check_tcp(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && strcmp(value->valuestring, "TCP") == 0;
    return fits ? 0 : check_fail(check, path, "must be TCP: nothing else is carried on this engine");
}

static int check_host_port(struct check *check, const cJSON *value, const char *path)
{
    int64_t number;
    bool none = json_i64(value, &number) && number == 0;
    return none ? 0 : check_fail(check, path, "is not allowed here: pods have no ports on the machine itself");
}

/* --- security ----------------------------------------------------------------------------------------------------- */

static int check_user(struct check *check, const cJSON *value, const char *path)
{
    int64_t number;
    bool fits = json_i64(value, &number) && number > 0;
    return fits ? 0 : check_fail(check, path, "must not be 0: containers run as an unprivileged user of the profile's");
}

static int check_non_root(struct check *check, const cJSON *value, const char *path)
{
    return cJSON_IsTrue(value) ? 0 : check_fail(check, path, "must be true: containers never run as root here");
}

static int check_added(struct check *check, const cJSON *value, const char *path)
{
    bool none = cJSON_IsArray(value) && !value->child;
    return none ? 0 : check_fail(check, path, "capabilities cannot be added here");
}

static const struct check_field capability_fields[] = {{"add", check_added}, {"drop", NULL}, {0}};

static int check_capabilities(struct check *check, const cJSON *value, const char *path)
{
    return check_fields(check, value, path, capability_fields);
}

static int check_seccomp(struct check *check, const cJSON *value, const char *path)
{
    bool fits = strcmp(json_text_or("", value, "type", NULL), "RuntimeDefault") == 0;
    return fits ? 0 : check_fail(check, path, "type must be RuntimeDefault: every container has this engine's profile");
}

static const struct check_field security_fields[] = {{"privileged", check_false},
                                                     {"allowPrivilegeEscalation", check_false},
                                                     {"capabilities", check_capabilities},
                                                     {"runAsUser", check_user},
                                                     {"runAsGroup", check_user},
                                                     {"runAsNonRoot", check_non_root},
                                                     {"seccompProfile", check_seccomp},
                                                     {"readOnlyRootFilesystem", check_bool},
                                                     {"fsGroup", NULL},
                                                     {"fsGroupChangePolicy", NULL},
                                                     {"supplementalGroups", NULL},
                                                     {0}};

static int check_security(struct check *check, const cJSON *value, const char *path)
{
    return check_fields(check, value, path, security_fields);
}

/* --- environment -------------------------------------------------------------------------------------------------- */

static const struct check_field key_fields[] = {
    {"name", check_object_name}, {"key", check_text}, {"optional", check_bool}, {0}};

static int check_key_ref(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, key_fields);
    if (r == 0 && (!json_text(value, "name", NULL) || !json_text(value, "key", NULL)))
        r = check_fail(check, path, "needs name and key");
    return r;
}

static int check_field_path(struct check *check, const cJSON *value, const char *path)
{
    static const char *const known[] = {"metadata.name", "metadata.namespace",     "metadata.uid",
                                        "status.podIP",  "status.podIPs",          "status.hostIP",
                                        "spec.nodeName", "spec.serviceAccountName"};
    const char *text = cJSON_IsString(value) ? value->valuestring : "";
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (strcmp(text, known[i]) == 0)
            return 0;
    if (strncmp(text, "metadata.labels['", 17) == 0 || strncmp(text, "metadata.annotations['", 22) == 0)
        return 0;
    return check_fail(check, path,
                      "must be metadata.name, .namespace, .uid, .labels['key'], .annotations['key'], status.podIP, "
                      "status.hostIP, spec.nodeName or spec.serviceAccountName");
}

static const struct check_field field_ref_fields[] = {{"fieldPath", check_field_path}, {"apiVersion", check_text}, {0}};

static int check_field_ref(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, field_ref_fields);
    return r == 0 && !json_text(value, "fieldPath", NULL) ? check_fail(check, path, "needs fieldPath") : r;
}

static const struct check_field value_from_fields[] = {
    {"secretKeyRef", check_key_ref}, {"configMapKeyRef", check_key_ref}, {"fieldRef", check_field_ref}, {0}};

static int check_value_from(struct check *check, const cJSON *value, const char *path)
{
    if (cJSON_GetArraySize(value) != 1)
        return check_fail(check, path, "must have exactly one of secretKeyRef, configMapKeyRef and fieldRef");
    return check_fields(check, value, path, value_from_fields);
}

static int check_env_name(struct check *check, const cJSON *value, const char *path)
{
    const char *text = cJSON_IsString(value) ? value->valuestring : "";
    bool fits = text[0] && !(text[0] >= '0' && text[0] <= '9') && strlen(text) <= 255;
    for (; fits && *text; text++)
        fits = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
               strchr("-._", *text);
    return fits ? 0 : check_fail(check, path, "must be letters, digits, '_', '-' and '.', not beginning with a digit");
}

static const struct check_field env_fields[] = {
    {"name", check_env_name}, {"value", check_text}, {"valueFrom", check_value_from}, {0}};

static int check_variable(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, env_fields);
    if (r == 0 && !json_text(value, "name", NULL))
        r = check_fail(check, path, "needs a name");
    if (r == 0 && json_member(value, "value") && json_member(value, "valueFrom"))
        r = check_fail(check, path, "has value or valueFrom, not both");
    return r;
}

static int check_env(struct check *check, const cJSON *value, const char *path)
{
    return check_list(check, value, path, ENV_MAX, check_variable);
}

/* --- resources ---------------------------------------------------------------------------------------------------- */

static bool quantity_value(const cJSON *value, int64_t *ret_milli)
{
    char number[32];
    const char *text = cJSON_IsString(value) ? value->valuestring : NULL;
    if (cJSON_IsNumber(value)) {
        (void)snprintf(number, sizeof(number), "%.3f", value->valuedouble);
        text = number;
    }
    return text && quantity_parse_milli(slice_of(text), ret_milli) && *ret_milli >= 0;
}

static int check_amounts(struct check *check, const cJSON *value, const char *path)
{
    const cJSON *amount;
    int64_t milli;
    if (!cJSON_IsObject(value))
        return check_fail(check, path, "must be a map of quantities");
    cJSON_ArrayForEach(amount, value)
    {
        char field[CHECK_PATH_MAX];
        check_path(field, path, amount->string);
        bool known = strcmp(amount->string, "cpu") == 0 || strcmp(amount->string, "memory") == 0 ||
                     strcmp(amount->string, "ephemeral-storage") == 0 || strchr(amount->string, '/');
        if (!known)
            return check_fail(check, field, "is not known: cpu, memory and ephemeral-storage are");
        if (!quantity_value(amount, &milli))
            return check_fail(check, field, "must be a quantity such as \"500m\", \"2\" or \"4Gi\"");
        if (strchr(amount->string, '/') && (milli % 1000 != 0 || milli > DEVICES_MAX * 1000LL))
            return check_fail(check, field, "must be a whole number of at most 64");
    }
    return 0;
}

static const struct check_field resource_fields[] = {{"limits", check_amounts}, {"requests", check_amounts}, {0}};

/* Below these nothing starts: the runtime itself needs some, and the kernel's own minimum quota is 1 ms. */
enum { CPU_MILLI_MIN = 10 };
static const int64_t memory_min_bytes = INT64_C(16) << 20;

static int check_resources(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, resource_fields);
    if (r < 0)
        return r;
    const cJSON *limit, *amount;
    cJSON_ArrayForEach(amount, json_member(value, "requests"))
    {
        int64_t most = 0, wanted = 0;
        (void)quantity_value(amount, &wanted);
        limit = json_at(value, "limits", amount->string, NULL);
        if (strchr(amount->string, '/') && (!limit || !quantity_value(limit, &most) || most != wanted))
            return check_fail(check, path, "a device's request must be its limit: give the limit alone, or both alike");
    }
    cJSON_ArrayForEach(limit, json_member(value, "limits"))
    {
        int64_t most = 0, wanted = 0;
        const cJSON *request = json_at(value, "requests", limit->string, NULL);
        if (request && quantity_value(limit, &most) && quantity_value(request, &wanted) && wanted > most)
            return check_fail(check, path, "a request cannot be larger than its limit");
    }
    return 0;
}

static int check_enough(struct check *check, const cJSON *container, const char *path)
{
    struct demand demand;
    char field[CHECK_PATH_MAX];
    container_demand(container, &demand);
    check_path(field, path, "resources");
    if (demand.limit_cpu_milli < CPU_MILLI_MIN)
        return check_fail(check, field, "cpu must be at least 10m");
    if (demand.limit_memory_bytes < memory_min_bytes)
        return check_fail(check, field, "memory must be at least 16Mi");
    return 0;
}

/* --- probes ------------------------------------------------------------------------------------------------------- */

static int check_url_path(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && value->valuestring[0] == '/' && strlen(value->valuestring) < 2048;
    for (const char *c = fits ? value->valuestring : ""; fits && *c; c++)
        fits = (unsigned char)*c > ' ' && *c != 0x7f;
    return fits ? 0 : check_fail(check, path, "must be a URL path without spaces");
}

static int check_header_text(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && strlen(value->valuestring) < 1024;
    for (const char *c = fits ? value->valuestring : ""; fits && *c; c++)
        fits = (unsigned char)*c >= ' ' && *c != 0x7f;
    return fits ? 0 : check_fail(check, path, "must be a text without control characters");
}

static int check_http_scheme(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && strcmp(value->valuestring, "HTTP") == 0;
    return fits ? 0 : check_fail(check, path, "must be HTTP");
}

static const struct check_field header_fields[] = {{"name", check_env_name}, {"value", check_header_text}, {0}};

static int check_header(struct check *check, const cJSON *value, const char *path)
{
    return check_fields(check, value, path, header_fields);
}

static int check_headers(struct check *check, const cJSON *value, const char *path)
{
    return check_list(check, value, path, 16, check_header);
}

static const struct check_field http_get_fields[] = {{"path", check_url_path},
                                                     {"port", check_port_or_name},
                                                     {"scheme", check_http_scheme},
                                                     {"httpHeaders", check_headers},
                                                     {0}};
static const struct check_field tcp_fields[] = {{"port", check_port_or_name}, {0}};

static int check_http_get(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, http_get_fields);
    return r == 0 && !json_member(value, "port") ? check_fail(check, path, "needs a port") : r;
}

static int check_tcp_socket(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, tcp_fields);
    return r == 0 && !json_member(value, "port") ? check_fail(check, path, "needs a port") : r;
}

static const struct check_field probe_fields[] = {{"httpGet", check_http_get},
                                                  {"tcpSocket", check_tcp_socket},
                                                  {"initialDelaySeconds", check_probe_number},
                                                  {"timeoutSeconds", check_probe_number},
                                                  {"periodSeconds", check_probe_number},
                                                  {"successThreshold", check_probe_number},
                                                  {"failureThreshold", check_probe_number},
                                                  {"terminationGracePeriodSeconds", check_grace},
                                                  {0}};

static int check_probe(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, probe_fields);
    bool one = !json_member(value, "httpGet") != !json_member(value, "tcpSocket");
    return r == 0 && !one ? check_fail(check, path, "needs either httpGet or tcpSocket") : r;
}

/* --- containers --------------------------------------------------------------------------------------------------- */

static const struct check_field port_fields[] = {{"name", check_label},
                                                 {"containerPort", check_port_number},
                                                 {"protocol", check_tcp},
                                                 {"hostPort", check_host_port},
                                                 {0}};

static int check_port(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, port_fields);
    return r == 0 && !json_member(value, "containerPort") ? check_fail(check, path, "needs containerPort") : r;
}

static int check_ports(struct check *check, const cJSON *value, const char *path)
{
    return check_list(check, value, path, 64, check_port);
}

/* What a container may not cover: the kernel's file systems and the system itself; nor, as a whole, the directories
 * that sandboxd makes (sandboxd/image.c holds the same list and has the last word). */
static int check_mount_path(struct check *check, const cJSON *value, const char *path)
{
    static const char *const kept[] = {"/proc", "/sys",   "/dev",   "/usr",    "/bin",         "/sbin",
                                       "/lib",  "/lib32", "/lib64", "/libx32", "/run/.atelier"};
    static const char *const whole[] = {"/", "/etc", "/run", "/var", "/home", "/root", "/opt", "/mnt", "/srv"};
    int r = check_absolute(check, value, path);
    if (r < 0)
        return r;
    const char *text = value->valuestring;
    size_t length = strlen(text);
    if (strcmp(text, "/dev/shm") == 0)
        return 0;
    for (size_t i = 0; i < COUNT_OF(whole); i++)
        if (strcmp(text, whole[i]) == 0)
            return check_fail(check, path, "must not cover a whole directory of the system; use one below it");
    if (text[length - 1] == '/' || strstr(text, "//") || strstr(text, "/./") || strstr(text, "/../") ||
        slice_ends(slice_of(text), "/..") || slice_ends(slice_of(text), "/."))
        return check_fail(check, path, "must be a plain absolute path without a final slash");
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        size_t n = strlen(kept[i]);
        if (strncmp(text, kept[i], n) == 0 && (text[n] == '/' || text[n] == '\0'))
            return check_fail(check, path, "must not be in /proc, /sys, /dev, /usr, /bin, /sbin or /lib");
    }
    return 0;
}

static int check_subpath(struct check *check, const cJSON *value, const char *path)
{
    struct slice rest = slice_of(cJSON_IsString(value) ? value->valuestring : "/");
    if (!cJSON_IsString(value) || rest.n > 1023 || (rest.n && rest.p[0] == '/'))
        return check_fail(check, path, "must be a relative path");
    while (rest.n) {
        struct slice part = slice_split(rest, '/', &rest);
        if (slice_is(part, ".."))
            return check_fail(check, path, "must not contain ..");
    }
    return 0;
}

static const struct check_field mount_fields[] = {{"name", check_label},      {"mountPath", check_mount_path},
                                                  {"subPath", check_subpath}, {"readOnly", check_bool},
                                                  {"mountPropagation", NULL}, {0}};

static int check_mount(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, mount_fields);
    if (r < 0)
        return r;
    const char *name = json_text(value, "name", NULL);
    if (!name || !json_text(value, "mountPath", NULL))
        return check_fail(check, path, "needs name and mountPath");
    return check_has_volume(check, name) ? 0 : check_fail(check, path, "name must be one of spec.volumes");
}

static int check_mounts(struct check *check, const cJSON *value, const char *path)
{
    return check_list(check, value, path, MOUNTS_MAX, check_mount);
}

static int check_image(struct check *check, const cJSON *value, const char *path)
{
    AUTO_FREE char *name = NULL;
    if (!cJSON_IsString(value))
        return check_fail(check, path, "must be the name of an image");
    return image_resolve(check->images, value->valuestring, path, &name, check->error);
}

/* KubeRay's samples end Ray with this hook. Ending `ray start --block` by SIGTERM does the same, so it is kept and not
 * run; any other hook would be a promise that is not held. */
static int check_lifecycle(struct check *check, const cJSON *value, const char *path)
{
    const cJSON *command = json_at(value, "preStop", "exec", "command", NULL);
    const cJSON *last = cJSON_GetArrayItem(command, cJSON_GetArraySize(command) - 1);
    bool known = cJSON_GetArraySize(value) == 1 && cJSON_IsString(last) && strcmp(last->valuestring, "ray stop") == 0;
    return known ? 0
                 : check_fail(check, path, "hooks are not run on this engine; only KubeRay's \"ray stop\" is known");
}

static const struct check_field container_fields[] = {{"name", check_label},
                                                      {"image", check_image},
                                                      {"command", check_texts},
                                                      {"args", check_texts},
                                                      {"workingDir", check_absolute},
                                                      {"env", check_env},
                                                      {"resources", check_resources},
                                                      {"ports", check_ports},
                                                      {"volumeMounts", check_mounts},
                                                      {"readinessProbe", check_probe},
                                                      {"livenessProbe", check_probe},
                                                      {"startupProbe", check_probe},
                                                      {"lifecycle", check_lifecycle},
                                                      {"securityContext", check_security},
                                                      {"imagePullPolicy", NULL},
                                                      {"terminationMessagePath", NULL},
                                                      {"terminationMessagePolicy", NULL},
                                                      {"stdin", check_false},
                                                      {"tty", check_false},
                                                      {0}};

static int check_container(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, container_fields);
    if (r < 0)
        return r;
    if (!json_text(value, "name", NULL) || !json_text(value, "image", NULL))
        return check_fail(check, path, "needs name and image");
    return check_enough(check, value, path);
}

static int check_containers(struct check *check, const cJSON *value, const char *path)
{
    int r = check_list(check, value, path, CONTAINERS_MAX, check_container);
    for (const cJSON *a = r == 0 ? value->child : NULL; a; a = a->next)
        for (const cJSON *b = a->next; b; b = b->next)
            if (strcmp(json_text_or("", a, "name", NULL), json_text_or("", b, "name", NULL)) == 0)
                return check_fail(check, path, "two containers have the same name");
    return r;
}

/* --- volumes ------------------------------------------------------------------------------------------------------ */

static int check_size(struct check *check, const cJSON *value, const char *path)
{
    int64_t milli;
    return quantity_value(value, &milli) ? 0 : check_fail(check, path, "must be a quantity such as \"1Gi\"");
}

static int check_medium(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && (!value->valuestring[0] || strcmp(value->valuestring, "Memory") == 0);
    return fits ? 0 : check_fail(check, path, "must be \"\" or \"Memory\"");
}

static int check_mode(struct check *check, const cJSON *value, const char *path)
{
    int64_t mode;
    bool fits = json_i64(value, &mode) && mode >= 0 && mode <= 0777;
    return fits ? 0 : check_fail(check, path, "must be a file mode from 0 to 511 (0777)");
}

static int check_file_name(struct check *check, const cJSON *value, const char *path)
{
    bool fits = cJSON_IsString(value) && value->valuestring[0] && !strchr(value->valuestring, '/') &&
                value->valuestring[0] != '.' && strlen(value->valuestring) <= 255;
    return fits ? 0 : check_fail(check, path, "must be a plain file name");
}

static const struct check_field item_fields[] = {
    {"key", check_text}, {"path", check_file_name}, {"mode", check_mode}, {0}};

static int check_item(struct check *check, const cJSON *value, const char *path)
{
    return check_fields(check, value, path, item_fields);
}

static int check_items(struct check *check, const cJSON *value, const char *path)
{
    return check_list(check, value, path, 64, check_item);
}

static const struct check_field empty_fields[] = {{"medium", check_medium}, {"sizeLimit", check_size}, {0}};
static const struct check_field configmap_fields[] = {
    {"name", check_object_name}, {"items", check_items}, {"defaultMode", check_mode}, {"optional", check_bool}, {0}};
static const struct check_field secret_fields[] = {{"secretName", check_object_name},
                                                   {"items", check_items},
                                                   {"defaultMode", check_mode},
                                                   {"optional", check_bool},
                                                   {0}};
static const struct check_field claim_fields[] = {{"claimName", check_object_name}, {"readOnly", check_bool}, {0}};

static int check_empty(struct check *check, const cJSON *value, const char *path)
{
    return check_fields(check, value, path, empty_fields);
}

static int check_configmap(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, configmap_fields);
    return r == 0 && !json_text(value, "name", NULL) ? check_fail(check, path, "needs name") : r;
}

static int check_secret(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, secret_fields);
    return r == 0 && !json_text(value, "secretName", NULL) ? check_fail(check, path, "needs secretName") : r;
}

static int check_claim(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, claim_fields);
    return r == 0 && !json_text(value, "claimName", NULL) ? check_fail(check, path, "needs claimName") : r;
}

static int check_host_path(struct check *check, const cJSON *value, const char *path)
{
    (void)value;
    return check_fail(check, path, "is not allowed here: pods see nothing of the machine's own files");
}

static const struct check_field volume_fields[] = {{"name", check_label},
                                                   {"emptyDir", check_empty},
                                                   {"configMap", check_configmap},
                                                   {"secret", check_secret},
                                                   {"persistentVolumeClaim", check_claim},
                                                   {"hostPath", check_host_path},
                                                   {0}};

static int check_volume(struct check *check, const cJSON *value, const char *path)
{
    int r = check_fields(check, value, path, volume_fields);
    if (r == 0 && (!json_text(value, "name", NULL) || cJSON_GetArraySize(value) != 2))
        r = check_fail(check, path,
                       "needs a name and exactly one of emptyDir, configMap, secret and persistentVolumeClaim");
    return r;
}

static int check_volumes(struct check *check, const cJSON *value, const char *path)
{
    return check_list(check, value, path, VOLUMES_MAX, check_volume);
}

/* --- the pod ------------------------------------------------------------------------------------------------------ */

static int check_restart(struct check *check, const cJSON *value, const char *path)
{
    const char *text = cJSON_IsString(value) ? value->valuestring : "";
    bool fits = strcmp(text, "Always") == 0 || strcmp(text, "OnFailure") == 0 || strcmp(text, "Never") == 0;
    return fits ? 0 : check_fail(check, path, "must be Always, OnFailure or Never");
}

static const struct check_field pod_fields[] = {{"volumes", check_volumes},
                                                {"containers", check_containers},
                                                {"initContainers", check_containers},
                                                {"restartPolicy", check_restart},
                                                {"terminationGracePeriodSeconds", check_grace},
                                                {"securityContext", check_security},
                                                {"hostname", check_label},
                                                {"subdomain", check_label},
                                                {"hostNetwork", check_false},
                                                {"hostPID", check_false},
                                                {"hostIPC", check_false},
                                                {"shareProcessNamespace", check_false},
                                                {"nodeSelector", check_map},
                                                /* scheduling hints and what only a kubelet can do: kept and ignored */
                                                {"nodeName", NULL},
                                                {"affinity", NULL},
                                                {"tolerations", NULL},
                                                {"topologySpreadConstraints", NULL},
                                                {"priorityClassName", NULL},
                                                {"priority", NULL},
                                                {"preemptionPolicy", NULL},
                                                {"schedulerName", NULL},
                                                {"runtimeClassName", NULL},
                                                {"serviceAccountName", check_object_name},
                                                {"serviceAccount", check_object_name},
                                                {"automountServiceAccountToken", check_bool},
                                                {"imagePullSecrets", NULL},
                                                {"enableServiceLinks", check_bool},
                                                {"dnsPolicy", NULL},
                                                {"os", NULL},
                                                {0}};

int podtemplate_check(struct image_store *images, const cJSON *template, const char *path, struct error *error)
{
    struct check check = {.images = images, .error = error};
    char field[CHECK_PATH_MAX];
    const cJSON *spec = json_member(template, "spec");
    check.volumes = json_member(spec, "volumes");
    check_path(field, path, "spec");
    int r = check_fields(&check, spec, field, pod_fields);
    if (r == 0 && cJSON_GetArraySize(json_member(spec, "containers")) < 1)
        r = check_fail(&check, field, "needs at least one container");
    return r;
}
