/* Where does gRPC reach this cluster? */
#include "cli/address.h"

#include "cli/client.h"

void address_note(struct call *call, cJSON *cluster)
{
    AUTO_JSON cJSON *answer = NULL;
    AUTO_BUFFER struct buffer path = {0};
    struct error error = {0};
    buffer_add_text(&path, "/api/atelier/v1/open?kind=RayCluster&namespace=");
    text_percent(slice_of(json_text_or("", cluster, "metadata", "namespace", NULL)), &path);
    buffer_add_text(&path, "&name=");
    text_percent(slice_of(json_text_or("", cluster, "metadata", "name", NULL)), &path);
    if (client_json(call, "GET", path.p, NULL, &answer, &error) != 0)
        return;
    json_set_text(cluster, ADDRESS_RAY_CLIENT, json_text(answer, "rayClient", NULL));
    json_set_text(cluster, ADDRESS_SERVE_GRPC, json_text(answer, "serveGrpc", NULL));
}
