/* Which port of a pod does a port of a Service mean? */
#include "engine/service_port.h"

const cJSON *service_port_find(const cJSON *service, const char *port)
{
    const cJSON *entry;
    int64_t wanted = 0, number;
    bool by_number = text_parse_i64(slice_of(port), 1, 65535, &wanted);
    cJSON_ArrayForEach(entry, json_at(service, "spec", "ports", NULL))
    {
        if (by_number ? json_i64(json_member(entry, "port"), &number) && number == wanted
                      : strcmp(json_text_or("", entry, "name", NULL), port) == 0)
            return entry;
    }
    return NULL;
}

static bool named_port(const cJSON *pod, const char *name, int64_t *ret)
{
    const cJSON *container, *port;
    cJSON_ArrayForEach(container, json_at(pod, "spec", "containers", NULL))
    {
        cJSON_ArrayForEach(port, json_member(container, "ports"))
        {
            if (strcmp(json_text_or("", port, "name", NULL), name) == 0)
                return json_i64(json_member(port, "containerPort"), ret);
        }
    }
    return false;
}

bool service_port_target(const cJSON *pod, const cJSON *port, uint16_t *ret)
{
    const cJSON *target = json_member(port, "targetPort");
    int64_t number = 0;
    bool found = cJSON_IsString(target) ? named_port(pod, target->valuestring, &number)
                                        : json_i64(target ? target : json_member(port, "port"), &number);
    if (!found || number < 1 || number > 65535)
        return false;
    *ret = (uint16_t)number;
    return true;
}
