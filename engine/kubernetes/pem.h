/* PEM texts, checked when they are read, so that a mistake is reported as one of configuration and not of TLS. */
#ifndef ATELIER_ENGINE_KUBERNETES_PEM_H
#define ATELIER_ENGINE_KUBERNETES_PEM_H

#include "base/error.h"
#include "base/text.h"

/* How many X.509 certificates <text> holds; 0 if one of them cannot be read. */
size_t pem_certificates(struct slice text);
/* 0, or INVALID with <field>: no key there, an encrypted one, or not that of the first certificate. */
int pem_check_key(struct slice certificates, struct slice key, const char *field, struct error *error);

#endif
