"""How does the double hear about changes? Watches put keys on one queue; a handler returns when to look again."""
import heapq
import http.client
import json
import sys
import threading
import time
import traceback

import api

WATCH_SECONDS = 240
RETRY_SECONDS = 2  # KubeRay's after an error


class Loop:
    def __init__(self, client):
        self.client = client
        self.handlers = {}
        self.due = []  # (when, key)
        self.waiting = {}
        self.condition = threading.Condition()
        self.synced = []

    def add(self, key, seconds=0.0):
        when = time.monotonic() + seconds
        with self.condition:
            if self.waiting.get(key, float("inf")) <= when:
                return
            self.waiting[key] = when
            heapq.heappush(self.due, (when, key))
            self.condition.notify()

    def follow(self, plural, handler):
        self.handlers[plural] = handler
        self.watch(plural, lambda item: self.add((plural, item["metadata"]["namespace"], item["metadata"]["name"])))

    def follow_owned(self, plural, kind):
        def seen(item):
            for reference in item["metadata"].get("ownerReferences", []):
                if reference["kind"] == kind and reference.get("controller"):
                    self.add((api.KINDS[kind], item["metadata"]["namespace"], reference["name"]))
        self.watch(plural, seen)

    def watch(self, plural, seen):
        synced = threading.Event()
        self.synced.append(synced)
        threading.Thread(target=self.watch_for_ever, args=(plural, seen, synced), daemon=True).start()

    def watch_for_ever(self, plural, seen, synced):
        while True:
            try:
                listed = self.client.call("GET", self.client.path(plural))
                for item in listed["items"]:
                    seen(item)
                synced.set()
                self.watch_once(plural, seen, listed["metadata"]["resourceVersion"])
            except (OSError, http.client.HTTPException, api.Refused, ValueError, TypeError):
                time.sleep(0.5)  # the API server is away, or the version is too old: list again

    def watch_once(self, plural, seen, version):
        connection = self.client.connect(timeout=WATCH_SECONDS + 30)
        connection.request("GET", self.client.path(plural, query={
            "watch": 1, "resourceVersion": version, "timeoutSeconds": WATCH_SECONDS}))
        answer = connection.getresponse()
        if answer.status != 200:
            raise api.Refused(answer.status, answer.read().decode())
        for line in answer:
            event = json.loads(line)
            if event["type"] == "ERROR":
                break
            seen(event["object"])
        connection.close()

    def wait_synced(self):
        for synced in self.synced:
            synced.wait()

    def take(self):
        with self.condition:
            while True:
                now = time.monotonic()
                if self.due and self.due[0][0] <= now:
                    when, key = heapq.heappop(self.due)
                    if self.waiting.get(key) == when:
                        del self.waiting[key]
                        return key
                    continue
                self.condition.wait(self.due[0][0] - now if self.due else None)

    def run(self):
        while True:
            key = self.take()
            plural, namespace, name = key
            try:
                item = self.client.get(plural, namespace, name)
                again = self.handlers[plural](self.client, item) if item else None
            except api.Refused as refused:
                if refused.status not in (404, 409):
                    print(key, refused, file=sys.stderr, flush=True)
                again = 0.2 if refused.status == 409 else RETRY_SECONDS
            except (OSError, http.client.HTTPException):
                again = RETRY_SECONDS
            except Exception:
                traceback.print_exc()
                again = RETRY_SECONDS
            if again:
                self.add(key, again)
