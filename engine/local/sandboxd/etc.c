/* What does a container find in /etc? */
#include "engine/local/sandboxd/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"

#define COPY_BYTES_MAX ((size_t)4 << 20)

const char *const box_etc_directories[] = {"/etc/ssl/certs", "/etc/alternatives", "/etc/fonts", NULL};

/* Small files that programs expect and that say nothing about this machine. */
static const char *const copied[] = {
    "/etc/ld.so.cache",
    "/etc/mime.types",
    "/etc/services",
    "/etc/protocols",
    "/etc/bash.bashrc",
    "/etc/profile",
    "/etc/inputrc",
    "/etc/shells",
    "/etc/gai.conf",
    "/etc/debian_version",
    "/etc/locale.alias",
    "/etc/magic",
    "/etc/rpc",
    "/etc/ethertypes",
    "/etc/ca-certificates.conf",
    "/etc/nanorc",
    "/etc/wgetrc",
    "/etc/vim/vimrc",
    "/etc/ssl/openssl.cnf",
    "/etc/python3.11/sitecustomize.py",
};

int box_write_file(const char *path, struct slice content, mode_t mode, struct error *error)
{
    AUTO_FREE char *fresh = memory_format("%s.new", path);
    AUTO_CLOSE int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    bool written = fd >= 0;
    for (size_t at = 0; written && at < content.n;) {
        ssize_t count = write(fd, content.p + at, content.n - at);
        if (count < 0 && errno == EINTR)
            continue;
        written = count > 0;
        at += written ? (size_t)count : 0;
    }
    if (written && fchmod(fd, mode) == 0 && rename(fresh, path) == 0)
        return 0;
    int reason = errno;
    unlink(fresh);
    return error_set(error, ERROR_UNAVAILABLE, NULL, "%s: %s", path, strerrordesc_np(reason));
}

void box_hosts_render(const char *address, const char *hostname, const char *pod, const cJSON *entries,
                      struct buffer *ret)
{
    buffer_add_text(ret, "127.0.0.1\tlocalhost\n");
    buffer_add_format(ret, "%s\t%s", address, hostname);
    if (strcmp(hostname, pod))
        buffer_add_format(ret, " %s", pod);
    buffer_add_text(ret, "\n");
    const cJSON *entry, *name;
    cJSON_ArrayForEach(entry, entries)
    {
        buffer_add_format(ret, "%s\t", json_text_or("", entry, "address", NULL));
        const cJSON *names = json_member(entry, "names");
        cJSON_ArrayForEach(name, names)
        {
            buffer_add_format(ret, "%s%s", name == names->child ? "" : " ", name->valuestring);
        }
        buffer_add_text(ret, "\n");
    }
}

void box_passwd_render(uint32_t uid, struct buffer *passwd, struct buffer *group)
{
    buffer_add_format(passwd,
                      "root:x:0:0:root:/root:/usr/sbin/nologin\n"
                      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
                      "atelier:x:%u:%u:Atelier:/home/atelier:/bin/bash\n",
                      uid, uid);
    buffer_add_format(group, "root:x:0:\ntty:x:5:\nnogroup:x:65534:\natelier:x:%u:\n", uid);
}

static void copy(const char *directory, const char *source)
{
    AUTO_BUFFER struct buffer content = {0};
    if (file_read(source, COPY_BYTES_MAX, &content, NULL))
        return; /* not on this machine: not in the container either */
    AUTO_FREE char *target = memory_format("%s%s", directory, source + strlen("/etc"));
    AUTO_FREE char *parent = memory_text(target);
    *strrchr(parent, '/') = 0;
    if (!file_make_directories(parent, 0755, NULL))
        box_write_file(target, buffer_slice(&content), 0644, NULL);
}

static int put(const char *directory, const char *name, struct slice text, struct error *error)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, name);
    return box_write_file(path, text, 0644, error);
}

static void link_in(const char *directory, const char *name, const char *target)
{
    AUTO_FREE char *path = memory_format("%s/%s", directory, name);
    if (symlink(target, path) < 0)
        return; /* there already */
}

static int make_mount_points(const char *directory, struct error *error)
{
    for (const char *const *at = box_etc_directories; *at; at++) {
        AUTO_FREE char *path = memory_format("%s%s", directory, *at + strlen("/etc"));
        int failed = file_make_directories(path, 0755, error);
        if (failed)
            return failed;
    }
    return 0;
}

int box_etc_set_resolver(const char *directory, const char *resolver, struct error *error)
{
    AUTO_FREE char *order =
        memory_format("passwd: files\ngroup: files\nshadow: files\nhosts: files%s\nservices: files\n"
                      "protocols: files\nnetworks: files\n",
                      resolver ? " dns" : "");
    AUTO_FREE char *server = resolver ? memory_format("nameserver %s\n", resolver)
                                      : memory_text("# no name server: /etc/hosts names what this pod can reach\n");
    int failed = put(directory, "nsswitch.conf", slice_of(order), error);
    return failed ? failed : put(directory, "resolv.conf", slice_of(server), error);
}

int box_etc_make(const char *directory, const char *hostname, uint32_t uid, struct error *error)
{
    AUTO_BUFFER struct buffer passwd = {0}, group = {0};
    int failed = file_make_directories(directory, 0755, error);
    if (!failed)
        failed = make_mount_points(directory, error);
    if (failed)
        return failed;
    box_passwd_render(uid, &passwd, &group);
    AUTO_FREE char *name = memory_format("%s\n", hostname);
    const struct {
        const char *name;
        struct slice text;
    } files[] = {
        {"passwd", buffer_slice(&passwd)},  {"group", buffer_slice(&group)},  {"hostname", slice_of(name)},
        {"host.conf", SLICE("multi on\n")}, {"timezone", SLICE("Etc/UTC\n")},
    };
    for (size_t i = 0; !failed && i < COUNT_OF(files); i++)
        failed = put(directory, files[i].name, files[i].text, error);
    if (!failed)
        failed = box_etc_set_resolver(directory, NULL, error);
    for (size_t i = 0; !failed && i < COUNT_OF(copied); i++)
        copy(directory, copied[i]);
    link_in(directory, "localtime", "/usr/share/zoneinfo/Etc/UTC");
    link_in(directory, "os-release", "../usr/lib/os-release");
    link_in(directory, "mtab", "/proc/mounts");
    return failed;
}

int box_etc_set_hosts(const char *directory, struct slice text, struct error *error)
{
    return put(directory, "hosts", text, error);
}
