/* The caBundle of the webhook configurations that the chart installs without one. */
#ifndef ATELIER_ENGINE_KUBERNETES_WEBHOOKS_H
#define ATELIER_ENGINE_KUBERNETES_WEBHOOKS_H

#include "engine/kubernetes/client.h"

/* See engine_trust_webhooks. */
int webhooks_trust(struct kube_client *client, struct slice ca_pem, bool *ret_written, struct error *error);

#endif
