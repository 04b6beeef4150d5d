/* How is a profile made and given to another, and how is it kept from being deleted by accident? */
#include <unistd.h>

#include "cli/client.h"
#include "cli/object.h"
#include "cli/verbs.h"

int verb_profile_create(struct call *call, struct error *error)
{
    const char *owner = call_option(call, "owner");
    AUTO_JSON cJSON *object = json_object();
    json_set_text(object, "apiVersion", "kubeflow.org/v1");
    json_set_text(object, "kind", "Profile");
    json_set_text(json_object_in(object, "metadata"), "name", call->arguments[0]);
    if (owner) {
        cJSON *whom = json_object_in(json_object_in(object, "spec"), "owner");
        json_set_text(whom, "kind", "User");
        json_set_text(whom, "name", owner);
    }
    return create_object(call, resource_by_word("profiles"), object, error);
}

int verb_profile_list(struct call *call, struct error *error)
{
    return list_objects(call, "profiles", error);
}

int verb_profile_get(struct call *call, struct error *error)
{
    call->arguments[1] = call->arguments[0];
    call->arguments[0] = "profiles";
    call->argument_count = 2;
    return verb_get(call, error);
}

int verb_profile_owner(struct call *call, struct error *error)
{
    AUTO_JSON cJSON *body = json_object();
    AUTO_FREE char *path = client_path("/api/atelier/v1/profiles", call->arguments[0], "owner", NULL);
    AUTO_FREE char *line = memory_format("%s is the owner of %s", call->arguments[1], call->arguments[0]);
    json_set_text(body, "email", call->arguments[1]);
    int failed = client_json(call, "PUT", path, body, NULL, error);
    return failed ? failed : print_done(call, NULL, line, error);
}

/* Deleting takes every notebook, cluster and file of it: the name, typed once more, is the consent. */
static int confirm(const struct call *call, struct error *error)
{
    const char *name = call->arguments[0], *given = call_option(call, "confirm");
    char line[128] = "";
    if (!given && (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1))
        return call_usage(error, "deleting a profile removes everything in it; say --confirm %.63s", name);
    if (!given) {
        fprintf(stderr,
                "This deletes every notebook, cluster and file of the profile %s.\nType its name to go on: ", name);
        if (!fgets(line, sizeof(line), stdin))
            line[0] = '\0';
        line[strcspn(line, "\n")] = '\0';
        given = line;
    }
    if (strcmp(given, name) == 0)
        return 0;
    return error_set(error, ERROR_BAD_REQUEST, NULL, "nothing was deleted: the name given is not %.63s", name);
}

int verb_profile_delete(struct call *call, struct error *error)
{
    const struct resource *resource = resource_by_word("profiles");
    const char *name = call->arguments[0];
    if (!name_is_label(slice_of(name)))
        return call_usage(error, "\"%.60s\" cannot be the name of a profile", name);
    int failed = confirm(call, error);
    if (failed)
        return failed;
    AUTO_FREE char *path = resource_path(resource, NULL, name);
    failed = client_json(call, "DELETE", path, NULL, NULL, error);
    if (!failed && call_flag(call, "wait"))
        failed = object_wait_gone(call, resource, name, WAIT_DEFAULT_S, error);
    AUTO_FREE char *line = memory_format("profile.kubeflow.org/%s deleted", name);
    return failed ? failed : print_done(call, NULL, line, error);
}
