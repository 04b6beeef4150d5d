/* With what does kubectl, or any other client of Kubernetes, get to a service? */
#include "base/file.h"
#include "cli/client.h"
#include "cli/duration.h"
#include "cli/kubeconfig.h"
#include "cli/object.h"
#include "cli/verbs.h"

#define CA_FILE_MAX ((size_t)256 << 10)       /* a bundle of some certificates */
#define LOCAL_SERVER "https://localhost:8443" /* where atelierd listens unless it is told otherwise */

/* clientcmd's Config of version v1 (kubernetes.io/docs/reference/config-api/kubeconfig.v1). */
static void add_named(cJSON *list, const char *name, const char *member, cJSON *value)
{
    cJSON *entry = json_push(list, json_object());
    json_set_text(entry, "name", name);
    json_set(entry, member, value);
}

static void add_context(cJSON *contexts, const char *name, const struct kubeconfig *config, const char *namespace)
{
    cJSON *context = json_object();
    json_set_text(context, "cluster", config->host);
    json_set_text(context, "user", config->user);
    json_set_text(context, "namespace", namespace);
    add_named(contexts, name, "context", context);
}

static cJSON *cluster_of(const struct kubeconfig *config)
{
    cJSON *cluster = json_object();
    json_set_text(cluster, "server", config->server);
    if (config->ca.n) {
        AUTO_FREE char *encoded = text_base64(config->ca.p, config->ca.n);
        json_set_text(cluster, "certificate-authority-data", encoded);
    }
    return cluster;
}

cJSON *kubeconfig_make(const struct kubeconfig *config)
{
    cJSON *document = json_object(), *user = json_object();
    const char *current = config->namespace;
    json_set_text(document, "apiVersion", "v1");
    json_set_text(document, "kind", "Config");
    add_named(json_set(document, "clusters", json_array()), config->host, "cluster", cluster_of(config));
    json_set_text(user, "token", config->token);
    add_named(json_set(document, "users", json_array()), config->user, "user", user);
    cJSON *contexts = json_set(document, "contexts", json_array());
    bool there = !current;
    for (const cJSON *item = config->profiles ? config->profiles->child : NULL; item; item = item->next) {
        const char *profile = json_text(item, "name", NULL);
        if (!profile)
            continue;
        if (!current)
            current = profile;
        there = there || strcmp(profile, current) == 0;
        AUTO_FREE char *name = memory_format("%s@%s", profile, config->host);
        add_context(contexts, name, config, profile);
    }
    AUTO_FREE char *name = current ? memory_format("%s@%s", current, config->host) : memory_text(config->host);
    if (!there || !current)
        add_context(contexts, name, config, current);
    json_set_text(document, "current-context", name);
    return document;
}

/* --- the command -------------------------------------------------------------------------------------------------- */
/* The service's own address, unless another one is given: from elsewhere it may have another name. */
static int find_server(struct call *call, const struct client *client, struct kubeconfig *config, char **ret_server,
                       struct error *error)
{
    const char *url = call_option(call, "server");
    if (!url)
        url = client_url(client) ? client_url(client) : LOCAL_SERVER;
    if (strncmp(url, "https://", 8) != 0)
        return call_usage(error, "kubectl sends no token over http: name the service's https address with --server, "
                                 "such as " LOCAL_SERVER);
    char *server = memory_text(url);
    while (slice_ends(slice_of(server), "/"))
        server[strlen(server) - 1] = '\0';
    config->server = *ret_server = server;
    config->host = server + 8;
    return 0;
}

/* The one that was named, or that the service says is its own; none where its certificate is the public's. */
static int find_ca(struct call *call, const struct client *client, struct buffer *ret, struct error *error)
{
    const char *path = call_option_or(call, "ca", client_ca_file(client));
    if (path)
        return file_read(path, CA_FILE_MAX, ret, error);
    struct client_request request = {.method = "GET", .path = "/api/atelier/v1/ca"};
    int failed = client_send(call, &request, ret, error);
    return failed == -ERROR_NOT_FOUND ? 0 : failed;
}

static int make_token(struct call *call, cJSON **ret, struct error *error)
{
    const char *ttl = call_option(call, "ttl");
    int64_t seconds;
    AUTO_JSON cJSON *body = json_object();
    json_set_text(body, "user", call_option(call, "user"));
    json_set_text(body, "name", call_option_or(call, "name", "kubectl"));
    if (ttl && duration_parse(slice_of(ttl), &seconds))
        json_set_i64(body, "ttlSeconds", seconds);
    return client_json(call, "POST", "/api/atelier/v1/tokens", body, ret, error);
}

static int print_config(const struct call *call, const struct kubeconfig *config)
{
    AUTO_BUFFER struct buffer text = {0};
    AUTO_JSON cJSON *document = kubeconfig_make(config);
    if (strcmp(call_option_or(call, "output", "yaml"), "json") == 0) {
        AUTO_FREE char *json = json_print_pretty(document);
        buffer_add_format(&text, "%s\n", json);
    } else {
        yaml_print(document, &text);
    }
    fwrite(text.p, 1, text.n, stdout);
    memory_wipe(text.p, text.n);
    return 0;
}

int verb_kubeconfig(struct call *call, struct error *error)
{
    AUTO_BUFFER struct buffer ca = {0};
    AUTO_FREE char *server = NULL;
    AUTO_JSON cJSON *whoami = NULL, *token = NULL;
    struct client *client = NULL;
    struct kubeconfig config = {.namespace = call_option(call, "namespace")};
    int failed = client_of(call, &client, error);
    if (!failed)
        failed = find_server(call, client, &config, &server, error);
    if (failed)
        return failed;
    failed = find_ca(call, client, &ca, error);
    if (!failed)
        failed = client_json(call, "GET", "/api/atelier/v1/whoami", NULL, &whoami, error);
    if (!failed)
        failed = make_token(call, &token, error);
    if (failed)
        return failed;
    config.ca = buffer_slice(&ca);
    config.token = json_text_or("", token, "token", NULL);
    config.user = json_text_or("atelier", token, "email", NULL);
    config.profiles = json_member(whoami, "profiles");
    say("a token of its own is in it, good until %s; `atelier token list` shows it",
        json_text_or("it is deleted", token, "expiresAt", NULL));
    return print_config(call, &config);
}
