"""Documents that examples need, made through the API, and the substitutions that put their ids in.

`${fixture.value}` names a kept value of a fixture of `fixtures.yaml`; the fixture is made when its
value is first needed. `${unique}` is a number that was not used before.
"""

import copy
import re
import time

_VARIABLE = re.compile(r"\$\{([A-Za-z]+)(?:\.([A-Za-z]+))?\}")
POLL_SECONDS = 30


class FixtureError(Exception):
    """A fixture could not be made: nothing that needs it can be judged."""


class Fixtures:
    def __init__(self, table, client, constants):
        self.table, self.client = table, client
        self.made = {name: {"": value} for name, value in constants.items()}
        self.needed_by, self.making = {}, []
        self.counter = int(time.time() * 1000) % 10**9

    def forget(self, names):
        """Makes fixtures, and all that need them, anew when they are next needed."""
        for name in names:
            self.forget(self.needed_by.pop(name, ()))
            if name in self.made:
                for step in self.table[name]:
                    if "undo" in step:
                        # May be gone already: the case may have been its deletion.
                        self.client.send("DELETE", self.fill(step["undo"]))
                del self.made[name]

    def value(self, name, member):
        if name == "unique":
            self.counter += 1
            return str(self.counter)
        if self.making and name in self.table and name != self.making[-1]:
            self.needed_by.setdefault(name, set()).add(self.making[-1])
        if name not in self.made:
            self._make(name)
        try:
            return self.made[name][member or ""]
        except KeyError:
            raise FixtureError(f"the fixture {name} keeps no {member!r}") from None

    def _make(self, name):
        if name not in self.table:
            raise FixtureError(f"there is no fixture {name!r}")
        kept = self.made[name] = {}
        self.making.append(name)
        try:
            for step in self.table[name]:
                self._step(name, step, kept)
        except FixtureError:
            del self.made[name]
            raise
        finally:
            self.making.pop()

    def _step(self, name, step, kept):
        if "request" not in step:
            return
        method, path = self.fill(step["request"]).split(" ", 1)
        body, headers = self.fill(step.get("body")), self.fill(step.get("headers", {}))
        deadline = time.monotonic() + POLL_SECONDS
        while True:
            answer = self.client.send(method, path, headers=headers, body=body)
            fault = None if answer.ok else f"{method} {path} answers {answer.status_code}: {answer.text[:500]}"
            shown = answer.json() if answer.ok and answer.content else None
            until = self.fill(step.get("until"))
            if not fault and until and until not in answer.text:
                fault = f"{method} {path} never answers with {until!r}"
            if not fault or not until or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if fault:
            raise FixtureError(f"the fixture {name} cannot be made: {fault}")
        for member, pointer in step.get("keep", {}).items():
            found = at(shown, pointer)
            # Catalog answers with references such as "@/dataSets/5c8c…".
            kept[member] = found.rsplit("/", 1)[1] if isinstance(found, str) and found.startswith("@/") else found

    def fill(self, node):
        """The node with its variables filled in; a text that is one variable takes its type too."""
        if isinstance(node, dict):
            return {self.fill(name): self.fill(value) for name, value in node.items()}
        if isinstance(node, list):
            return [self.fill(item) for item in node]
        if not isinstance(node, str):
            return node
        whole = _VARIABLE.fullmatch(node)
        if whole:
            return self.value(*whole.groups())
        return _VARIABLE.sub(lambda found: str(self.value(*found.groups())), node)


def replaced(node, rules):
    """The node with all texts (names too) changed by the rules `{match: regex, with: text}`."""
    if isinstance(node, dict):
        return {replaced(name.strip(), rules): replaced(value, rules) for name, value in node.items()}
    if isinstance(node, list):
        return [replaced(item, rules) for item in node]
    if isinstance(node, str):
        for rule in rules:
            node = re.sub(rule["match"], lambda _, text=rule["with"]: text, node)
    return node


def edited(body, edits):
    """The body with edits `{at: pointer, set: value}` or `{at: pointer, remove: true}` made."""
    body = copy.deepcopy(body)
    for edit in edits:
        if edit["at"] == "":
            body = edit["set"]
            continue
        *parents, last = _parts(edit["at"])
        target = body
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        last = int(last) if isinstance(target, list) else last
        if edit.get("remove"):
            del target[last]
        else:
            target[last] = edit["set"]
    return body


def at(node, pointer):
    for part in _parts(pointer):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def _parts(pointer):
    return [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]
