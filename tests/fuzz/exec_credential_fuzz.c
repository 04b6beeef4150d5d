/* Whatever a credential plugin answers, it is a token that fits a header line, a pair of certificate and key, or an
 * error. */
// fuzz: base/*.c engine/kubernetes/exec_credential.c engine/kubernetes/pem.c
#include "engine/kubernetes/exec_credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_credential credential = {0};
    struct error error = {0};
    int failed = exec_credential_parse((struct slice){(const char *)data, size}, "client.authentication.k8s.io/v1",
                                       &credential, &error);
    if (failed && (error.code == ERROR_NONE || !error.message[0] || !text_is_utf8(slice_of(error.message))))
        abort();
    if (!failed && !credential.token && !credential.certificate)
        abort();
    if (!failed && credential.token && (!credential.token[0] || strpbrk(credential.token, "\r\n")))
        abort();
    if (!failed && (credential.certificate != NULL) != (credential.key != NULL))
        abort();
    exec_credential_free(&credential);
    return 0;
}
