"""Would the cluster refuse this notebook's ray.init("ray://…") because its Ray or Python is another one?

Ray Client wants the same Ray and the same minor version of Python at both ends (check_version_info in
ray/_private/utils.py), but looks only once the cluster has started a server for the session and unpickled what was sent
to it, so what a person sees may be any error. Here the head's dashboard is asked first, with the token that jobs use.
Whatever cannot be found out is no obstacle: ray.init then goes on as if this file were not there.

ray.init, ray.client and ray.util.connect all go through ray.util.client_connect.connect, which is wrapped when ray is imported;
nothing of Ray, and nothing else that takes time, is imported before.
"""
import sys

CONNECTS = "ray.util.client_connect"
ASK_TIMEOUT_S = 2
ANSWER_BYTES_MAX = 65536
DASHBOARD_PORT = 8265
OFF = "ATELIER_RAY_SKEW"
RAYS_OWN_OFF = "RAY_IGNORE_VERSION_MISMATCH"


class _Finder:
    """Finds one module as the others of sys.meta_path do, and has its connect() wrapped once it is loaded."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != CONNECTS:
            return None
        for finder in sys.meta_path:
            spec = None if finder is _Finder or not hasattr(finder, "find_spec") else finder.find_spec(name, path, target)
            if spec is not None:
                _wrap_when_loaded(spec.loader)
                return spec
        return None


def watch():
    """Called once when a kernel starts."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


def _wrap_when_loaded(loader):
    execute = loader.exec_module

    def exec_module(module):
        execute(module)
        if callable(getattr(module, "connect", None)):
            module.connect = _checked(module)

    loader.exec_module = exec_module


def _checked(module):
    import functools
    connect = module.connect

    @functools.wraps(connect)
    def connect_if_alike(*args, **kwargs):
        address = args[0] if args else kwargs.get("conn_str")
        problem = _problem(module, address, kwargs)
        if problem:
            raise RuntimeError(problem)
        return connect(*args, **kwargs)

    return connect_if_alike


def _concerns(module, address, kwargs):
    """Not who is connected already, who said that versions do not matter, nor who comes in from outside by TLS."""
    import os
    return (isinstance(address, str) and os.environ.get(OFF, "") not in ("off", "0", "false")
            and RAYS_OWN_OFF not in os.environ and not kwargs.get("ignore_version")
            and not kwargs.get("secure") and not kwargs.get("_credentials") and not module.ray.is_connected())


def _problem(module, address, kwargs):
    """What to tell, or None; never an exception."""
    try:
        import platform

        import ray
        host = _concerns(module, address, kwargs) and head_service(address)
        theirs = host and ask(host)
        mine = {"ray": ray.__version__, "python": platform.python_version()}
        return explain(address, mine, theirs, ray.__file__) if theirs and differ(mine, theirs) else None
    except Exception:
        return None


def head_service(address):
    """The host of "rc1-head-svc:10001" if that is the name of a head's Service: the token goes nowhere else."""
    import re
    label = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
    match = re.fullmatch(rf"(?=[^.:]*-head-svc[.:])({label}(?:\.{label}\.svc(?:\.cluster\.local)?)?):[0-9]+", address)
    return match and match[1]


def ask(host):
    """{"ray": "2.60.0", "python": "3.11.2"}, as far as the cluster tells within ASK_TIMEOUT_S."""
    import threading
    told = {}
    asking = threading.Thread(target=_ask, args=(host, told), daemon=True)
    asking.start()
    asking.join(ASK_TIMEOUT_S)  # of everything: a socket's timeout is one of each packet, and looking up a name has none
    return dict(told)


def _ask(host, told):
    import http.client
    import json
    import os
    import re
    connection = http.client.HTTPConnection(host, DASHBOARD_PORT, timeout=ASK_TIMEOUT_S)
    try:
        token = os.environ.get("RAY_AUTH_TOKEN")
        connection.request("GET", "/api/v0/cluster_metadata", headers={"Authorization": f"Bearer {token}"} if token else {})
        data = json.loads(connection.getresponse().read(ANSWER_BYTES_MAX))["data"]
        for name, member in (("ray", "rayVersion"), ("python", "pythonVersion")):
            if re.fullmatch(r"[0-9]+\.[0-9]+[-+.\w]{0,40}", data.get(member, ""), re.ASCII):
                told[name] = data[member]
    except Exception:
        pass  # it does not run, is another Ray, or refuses: ray.init will tell
    finally:
        connection.close()


def differ(mine, theirs):
    ray, python = theirs.get("ray"), theirs.get("python")
    return bool(ray and ray != mine["ray"] or python and python.split(".")[:2] != mine["python"].split(".")[:2])


def explain(address, mine, theirs, ray_file):
    import os
    host = head_service(address)
    wanted = " and ".join(f"{what} {version}" for what, version in (
        ("Ray", theirs.get("ray")), ("Python", ".".join(theirs.get("python", "").split(".")[:2]))) if version)
    profile, notebook = (os.environ.get("NB_PREFIX", "").split("/") + ["", "", "", ""])[2:4]
    lines = [
        f"ray://{address} would refuse this notebook: the cluster has {_said(theirs)}, the notebook {_said(mine)}.",
        "Ray Client sends pickled code and data both ways, so both ends need the same Ray and the same minor version of "
        "Python. What you can do:",
    ]
    if not os.path.abspath(ray_file).startswith(sys.prefix + os.sep):
        lines.append(f"* This Ray is not the image's, it comes from {os.path.dirname(ray_file)}: take that away, or out of "
                     "sys.path, and restart the kernel.")
    lines += [
        f"* Use an image of {wanted} for the notebook; another notebook of the profile sees the same files. In a terminal "
        "of yours:",
        "      atelier images",
        f"      atelier notebook create {notebook or 'NAME'}-2 -n {profile or 'PROFILE'} --image IMAGE",
        "* Or send the work as a job, which runs with the cluster's versions. In a terminal of the notebook:",
        f"      ray job submit --address http://{host}:{DASHBOARD_PORT} --working-dir . -- python FILE.py",
        f"{OFF}=off leaves the question to Ray, {RAYS_OWN_OFF}=1 connects anyway.",
    ]
    return "\n".join(lines)


def _said(versions):
    return f"Ray {versions.get('ray', 'of a version that it does not tell')}" + (
        f" with Python {versions['python']}" if "python" in versions else "")
