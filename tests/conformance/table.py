"""The table `docs/conformance.md`: writing, reading back, comparing."""

import re

CONFORMS, DIFFERS, FAILS, ABSENT = "conforms", "differs", "fails", "not served yet"
_RANK = {FAILS: 0, ABSENT: 1, DIFFERS: 2, CONFORMS: 3}
_ROW = re.compile(r"^\| `(?P<operation>[A-Z]+ [^`]+)` \| (?P<state>[a-z ]+) \|")

_HEAD = """# Conformance

Each operation of the published OpenAPI documents (`../shared/openapi`), called on a fresh server with every
request that its document publishes as an example. `make conformance` writes this table; do not edit it.

- **conforms**: every answer has a documented status, the documented headers, and a body that fits its schema.
- **differs**: some answer does not, for the reason given (kept in `tests/conformance/reasons.yaml`).
- **not served yet**: the server answers that it does not serve the path, or refuses the operation by name.
"""


def render(results):
    """`results`: document name → list of (operation, state, reasons)."""
    states = (CONFORMS, DIFFERS, ABSENT)
    text = [_HEAD, "| document | " + " | ".join(states) + " |", "| --- |" + " ---: |" * len(states)]
    for document, rows in results.items():
        counts = [sum(1 for _, state, _ in rows if state == wanted) for wanted in states]
        text.append(f"| {document} | " + " | ".join(str(n) for n in counts) + " |")
    for document, rows in results.items():
        text += ["", f"## {document}", "", "| operation | state | reason |", "| --- | --- | --- |"]
        for operation, state, reasons in rows:
            shown = "<br>".join(reason.replace("|", "\\|") for reason in reasons)
            text.append(f"| `{operation}` | {state} | {shown} |".replace("  |", " |"))
    return "\n".join(text) + "\n"


def states(text):
    """(document, operation) → state of a rendered table."""
    found, document = {}, None
    for line in text.splitlines():
        if line.startswith("## "):
            document = line[3:].strip()
        row = _ROW.match(line)
        if row:
            found[document, row["operation"]] = row["state"]
    return found


def regressions(before, after):
    """Operations whose state became worse, or which are no longer there."""
    for key, old in before.items():
        new = after.get(key)
        if new is None or _RANK[new] < _RANK[old]:
            yield f"{key[0]}: {key[1]}: {old} -> {new or 'gone'}"
