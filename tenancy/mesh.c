/* Who reaches the pods of a profile by its identity in a mesh, whatever address it has? What the gateway lets through
 * it has decided about: no header is looked at here. */
#include "tenancy/internal.h"

static cJSON *source_add(cJSON *rule, const char *key, cJSON *values)
{
    cJSON *from = json_member(rule, "from");
    cJSON *one = json_push(from ? from : json_set(rule, "from", json_array()), json_object());
    return json_set(json_object_in(one, "source"), key, values);
}

/* By the labels that Istio injects sidecars for ("Installing the Sidecar", of which istio-injection precedes), or that
 * its ambient mode goes by. */
static bool has_identity(const cJSON *namespace)
{
    const cJSON *labels = json_at(namespace, "metadata", "labels", NULL);
    const char *injection = json_text_or("", labels, "istio-injection", NULL);
    if (*injection)
        return strcmp(injection, "enabled") == 0;
    return *json_text_or("", labels, "istio.io/rev", NULL) ||
           strcmp(json_text_or("", labels, "istio.io/dataplane-mode", NULL), "ambient") == 0;
}

int mesh_operator_outside(struct tenancy *tenancy, bool *ret, struct error *error)
{
    const cJSON *one;
    *ret = false;
    cJSON_ArrayForEach(one, tenancy->settings.operator_namespaces)
    {
        AUTO_VIEW struct engine_view view = {0};
        struct error own = {0};
        int r = engine_view(tenancy->engine, KIND_NAMESPACE, NULL, one->valuestring, &view, &own);
        if (r < 0 && r != -ERROR_NOT_FOUND)
            return error_set(error, own.code, NULL, "%s", own.message);
        if (r == 0 && !has_identity(view.object))
            *ret = true;
    }
    return 0;
}

/* At the ports that it looks at. One outside of the mesh has no identity: whether what comes there without any is the
 * operator, or one of somebody else's pods without a sidecar, the NetworkPolicy tells by its address. */
static int mesh_operator(const struct pass *pass, cJSON *rules, struct error *error)
{
    const struct settings *settings = &pass->tenancy->settings;
    bool outside = false;
    if (!settings->operator_namespaces->child)
        return 0;
    int r = mesh_operator_outside(pass->tenancy, &outside, error);
    if (r < 0)
        return r;
    cJSON *rule = json_push(rules, json_object());
    source_add(rule, "namespaces", json_copy(settings->operator_namespaces));
    if (outside)
        json_push_text(source_add(rule, "notPrincipals", json_array()), "*");
    cJSON *to = json_push(json_set(rule, "to", json_array()), json_object());
    cJSON *ports = json_set(json_object_in(to, "operation"), "ports", json_array());
    for (size_t i = 0; i < WALLS_OPERATOR_PORTS; i++) {
        char text[8];
        snprintf(text, sizeof(text), "%d", (int)walls_operator_ports[i]);
        json_push_text(ports, text);
    }
    return 0;
}

int pass_mesh(struct pass *pass, struct error *error)
{
    const struct settings *settings = &pass->tenancy->settings;
    if (!engine_has(pass->tenancy->engine, KIND_AUTHORIZATIONPOLICY))
        return 0;
    AUTO_JSON cJSON *wanted = pass_object(pass, KIND_AUTHORIZATIONPOLICY, TENANCY_WALLS);
    cJSON *spec = json_object_in(wanted, "spec");
    json_set_text(spec, "action", "ALLOW");
    cJSON *rules = json_set(spec, "rules", json_array());
    cJSON *rule = json_push(rules, json_object());
    cJSON *own = source_add(rule, "namespaces", json_array());
    json_push_text(own, pass->name);
    if (settings->gateway_principals->child)
        source_add(rule, "principals", json_copy(settings->gateway_principals));
    else
        for (const cJSON *one = settings->gateway_namespaces->child; one; one = one->next)
            json_push_text(own, one->valuestring);
    int r = mesh_operator(pass, rules, error);
    return r < 0 ? r : pass_apply(pass, KIND_AUTHORIZATIONPOLICY, wanted, NULL, error);
}
