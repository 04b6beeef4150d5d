"""An ordinary user of this machine: a name, subordinate ids, a control group, and programs that he can read. Everything made is removed."""
import collections
import contextlib
import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import tempfile

from atelier import BUILD, IMAGES, Atelier

def hierarchies():
    root = pathlib.Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return [root]
    return [folder for folder in root.iterdir() if folder.is_dir() and not folder.is_symlink()]


def give_group(hierarchy, name, user):
    group = hierarchy / name
    if (hierarchy / "cgroup.subtree_control").exists():
        for controller in (hierarchy / "cgroup.controllers").read_text().split():
            (hierarchy / "cgroup.subtree_control").write_text(f"+{controller}")
    group.mkdir(exist_ok=True)
    for inherited in ("cpuset.cpus", "cpuset.mems"):  # of v1: empty at first, and then nobody may enter
        if (hierarchy / inherited).exists():
            (group / inherited).write_text((hierarchy / inherited).read_text())
    for path in (group, group / "cgroup.procs", group / "tasks", group / "cgroup.subtree_control"):
        if path.exists():
            shutil.chown(path, user, user)
    return group


def remove_group(group):
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)


def closed_parent(path):
    """The first directory on the way to <path> that others may not pass."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & 0o001:
            return folder
    return None


class User:
    """<name>: of the account, one a suite, as two may run at once."""
    made = collections.Counter()  # how many share each account

    def __init__(self, name):
        assert os.getuid() == 0, "only root makes an account: run the tests as root"
        self.name = name
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name) and not User.made[name] and remove(name)  # one that a killed run left
        if not User.made[name]:
            pathlib.Path("/etc/subuid").touch()
            pathlib.Path("/etc/subgid").touch()
            subprocess.run(["useradd", "--no-create-home", "--user-group", "--shell", "/usr/sbin/nologin", name], check=True)
        User.made[name] += 1
        self.id = pwd.getpwnam(name).pw_uid
        self.groups = [give_group(folder, name, self.id) for folder in hierarchies()]
        self.programs = pathlib.Path(tempfile.mkdtemp(prefix="atelier-programs-"))
        self.programs.chmod(0o755)
        for program in ("atelier", "atelierd", "atelier-sandboxd"):
            shutil.copy2(BUILD / program, self.programs / program)
        self.tunnels = self.programs / "tun"  # for everybody to open, as on Debian; in containers root's alone
        os.mknod(self.tunnels, stat.S_IFCHR, os.makedev(10, 200))
        self.tunnels.chmod(0o666)

    def give(self, path):
        shutil.chown(path, self.id, self.id)

    def command(self, *program):
        return ("setpriv", f"--reuid={self.id}", f"--regid={self.id}", "--clear-groups", "--inh-caps=-all", *map(str, program))

    def surroundings(self, images, group=True):
        """<group>: in a control group that is his, as a service manager gives one to whoever asks. Where the way to the
        images is closed to others, as below /root, he is shown the images alone."""
        script = 'for group in $1; do echo $$ >"$group/cgroup.procs"; done; '
        groups = " ".join(map(str, self.groups if group else ()))
        if pathlib.Path("/dev/net/tun").exists():
            script += f"mount --bind {self.tunnels} /dev/net/tun; "
        closed = closed_parent(images)
        if closed:
            script += """exec 9<"$2"; mount -t tmpfs -o mode=755 tmpfs "$3"; mkdir -p "$2"; mount --bind /proc/self/fd/9 "$2"
                exec 9<&-; cd /; """
        return ("unshare", "--mount", "sh", "-ec", script + 'shift 3; exec "$@"', "sh", groups, str(images),
                str(closed or ""))

    def close(self):
        shutil.rmtree(self.programs, ignore_errors=True)
        User.made[self.name] -= 1
        if not User.made[self.name]:
            for group in self.groups:
                remove_group(group)
            remove(self.name)


def remove(name):
    subprocess.run(["userdel", "--force", name], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Ordinary(Atelier):
    """The service as such a user starts it, whom the machine grants nothing but subordinate ids and a control group."""
    account = "atelier-ordinary"

    def __init__(self):
        super().__init__()
        self.user = User(self.account)
        self.user.give(self.data)
        self.env["HOME"] = str(self.data)
        self.command = self.user.command(self.user.programs / "atelier")
        self.surroundings = self.user.surroundings(IMAGES)

    def run_dir(self):
        """As the namespaces' own /run shows it; the host has none of it."""
        assert not super().run_dir().exists()
        with contextlib.suppress(OSError):
            return pathlib.Path("/proc", (self.data / "namespace.pid").read_text().split()[0], "root", *super().run_dir().parts[1:])
        return super().run_dir()

    def remove(self):
        super().remove()
        self.user.close()
