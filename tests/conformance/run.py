#!/usr/bin/env python3
"""Conformance of a running server with the published OpenAPI documents.

Sends every published example request of every served operation (`operations.yaml`), with ids of
fixtures (`fixtures.yaml`) in place of the example ids, checks status, headers and body, and writes
`docs/conformance.md`. A difference needs a reason in `reasons.yaml`; one without fails, and so does a
reason that no difference needs any more.

Exit code: 0 when nothing became worse than the committed table; 1 otherwise. Without the documents
(`../shared`): a notice and 0, but 1 when CI=true.
"""

import argparse
import difflib
import itertools
import json
import os
import pathlib
import re
import sys
import urllib.parse

import yaml

import table
from client import Client
from documents import Document
from fixtures import FixtureError, Fixtures, edited, replaced

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MARKER = "urn:rivermouth:not-served"
IN_CI = os.environ.get("CI") == "true"


def main():
    arguments = parse_arguments()
    if not pathlib.Path(arguments.openapi).is_dir():
        print(f"\n{'=' * 72}\nNOT CHECKED: no OpenAPI documents in {arguments.openapi}\n{'=' * 72}\n", file=sys.stderr)
        return 1 if IN_CI else 0
    with open(arguments.credentials, encoding="utf-8") as file:
        credentials = json.load(file)
    client = Client(arguments.base_url, credentials)
    tables = {name: read_yaml(f"{name}.yaml") for name in ("operations", "fixtures", "reasons")}
    results, complaints = judge_all(client, tables, arguments)
    text = table.render(results)
    for complaint in complaints:
        print(complaint)
    counts = [state for rows in results.values() for _, state, _ in rows]
    print(", ".join(f"{counts.count(state)} {state}" for state in (table.CONFORMS, table.DIFFERS, table.FAILS, table.ABSENT)))
    if arguments.only:
        return 1 if complaints else 0
    return compare(text, pathlib.Path(arguments.table), arguments.update, bool(complaints))


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", required=True, help="http://host:port of the server")
    parser.add_argument("--credentials", required=True, help="credentials.json of its data directory")
    parser.add_argument("--openapi", default=str(ROOT.parent / "shared" / "openapi"), help="the documents")
    parser.add_argument("--table", default=str(ROOT / "docs" / "conformance.md"), help="the committed table")
    parser.add_argument("--update", action="store_true", help="write the table")
    parser.add_argument("--only", help="judge only operations whose `document METHOD /path` has this text")
    parser.add_argument("--verbose", action="store_true", help="show every request and answer")
    return parser.parse_args()


def read_yaml(name):
    with open(HERE / name, encoding="utf-8") as file:
        return yaml.safe_load(file)


def compare(text, path, update, failed):
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    worse = list(table.regressions(table.states(before), table.states(text)))
    for line in worse:
        print(f"WORSE {line}")
    if text != before:
        sys.stdout.writelines(difflib.unified_diff(
            before.splitlines(True), text.splitlines(True), "docs/conformance.md", "this server"))
    if failed:
        return 1
    if update:
        path.write_text(text, encoding="utf-8")
        return 0
    if text != before:
        print("docs/conformance.md is not what this server does; write it with --update.")
    return 1 if worse or (IN_CI and text != before) else 0


def judge_all(client, tables, arguments):
    """(document → rows, complaints)."""
    constants = {
        "org": client.credentials["org_id"],
        "tenant": tenant(client),
        "client": client.credentials["client_id"],
        "baseUrl": client.base_url,
    }
    fixtures = Fixtures(tables["fixtures"], client, constants)
    results, complaints = {}, []
    for name, entry in tables["operations"]["documents"].items():
        document = Document(name, pathlib.Path(arguments.openapi) / f"{name}.yaml")
        judge = Judge(client, fixtures, document, entry, tables["operations"]["replace"], arguments.verbose)
        reasons = tables["reasons"].get(name) or {}
        rows = results[name] = []
        for unknown in sorted((set(entry["served"]) | set(reasons)) - set(document.operations)):
            complaints.append(f"{name} has no operation {unknown}")
        for operation in document.operations.values():
            if arguments.only and arguments.only not in f"{name} {operation.name}":
                continue
            state, shown, complaint = judge.judge(operation, reasons.get(operation.name) or [])
            rows.append((operation.name, state, shown))
            complaints += [f"{name} {operation.name}: {line}" for line in complaint]
            print(f"{state:16}{name} {operation.name}", flush=True)
    return results, complaints


def tenant(client):
    answer = client.send("GET", "/data/foundation/schemaregistry/stats", headers={"Accept": "application/json"})
    answer.raise_for_status()
    return answer.json()["tenantId"]


class Judge:
    """Judges the operations of one document."""

    def __init__(self, client, fixtures, document, entry, rules, verbose):
        self.client, self.fixtures, self.document, self.verbose = client, fixtures, document, verbose
        self.base, self.entry = entry["base"], entry
        self.rules = entry.get("replace", []) + rules

    def judge(self, operation, reasons):
        """(state, reasons to show, complaints)."""
        settings = self.entry["served"].get(operation.name, False)
        if settings is False:
            return (table.ABSENT, [], self.probe(operation))
        problems, errata = [], []
        for name, request in self.cases(operation, settings or {}):
            fresh = (settings or {}).get("fresh", [])
            try:
                self.fixtures.forget(fresh)
                self.fixtures.fill((settings or {}).get("needs", []))
                found, tolerated = operation.check(self.send(operation, request))
            except FixtureError as error:
                found, tolerated = [str(error)], []
            self.fixtures.forget(fresh)
            problems += [f"[{name}] {problem}" for problem in found]
            errata += tolerated
        return explained(problems, errata, reasons)

    def probe(self, operation):
        """An operation that is not listed as served must say so, or refuse."""
        values = {p: "unknown" for p in re.findall(r"\{([^}]+)\}", operation.path)}
        path = self.base + operation.path.format(**values)
        answer = self.client.send(operation.method, path, body=None if operation.method == "GET" else {})
        if self.verbose:
            print(f"  {operation.method} {path} -> {answer.status_code} {answer.text[:200]}")
        return [] if answer.status_code >= 400 else [f"answers {answer.status_code} but is not listed as served"]

    def cases(self, operation, settings):
        """(name, request) of every published example and of the extra cases of the table."""
        bodies = list(operation.bodies()) or [(None, "no body", None)]
        query, optional = {}, []
        for name, required, example in operation.query_examples():
            example = settings.get("query", {}).get(name, example)
            if example is not None and (required or name in settings.get("always", [])):
                query[name] = example
            elif example is not None and name not in settings.get("skip", []):
                optional.append((name, example))
        for content_type, name, body in bodies:
            if name in settings.get("skip", []):
                continue
            edits = [e for e in settings.get("edit", []) if e.get("example") in (None, name)]
            yield name, {"settings": settings, "query": query, "type": content_type, "body": body, "edits": edits}
        for name, example in optional:
            content_type, _, body = bodies[0]
            with_one = dict(query, **{name: example})
            edits = [e for e in settings.get("edit", []) if e.get("example") in (None, bodies[0][1])]
            yield f"{name}={example}", {
                "settings": settings, "query": with_one, "type": content_type, "body": body, "edits": edits}
        for extra in settings.get("extra", []):
            yield extra["name"], {
                "settings": {**settings, **{k: v for k, v in extra.items() if k in ("path", "headers")}},
                "query": dict(query, **extra.get("query", {})), "type": "application/json",
                "body": extra.get("body"), "edits": []}

    def send(self, operation, request):
        settings, fill = request["settings"], self.fixtures.fill
        parameters = {**self.entry.get("path", {}), **settings.get("path", {})}
        path = self.base + operation.path
        for name in re.findall(r"\{([^}]+)\}", operation.path):
            if name not in parameters:
                raise FixtureError(f"operations.yaml gives no value for the path parameter {name}")
            path = path.replace("{%s}" % name, urllib.parse.quote(str(fill(parameters[name])), safe=""))
        headers = {**self.entry.get("headers", {}), **settings.get("headers", {})}
        body = edited(request["body"], request["edits"])
        body = None if body is None else fill(replaced(body, self.rules))
        if body is not None:
            headers["Content-Type"] = request["type"].replace("*/*", "application/json")
        answer = self.client.send(
            operation.method, path, headers=fill(headers), body=body, query=fill(request["query"]))
        if self.verbose:
            print(f"  {operation.method} {answer.url} {json.dumps(body)} -> {answer.status_code} {answer.text[:2000]}")
        return answer


def explained(problems, errata, reasons):
    """Sorts problems to their reasons; what has none, and a reason without a problem, is a complaint."""
    shown, complaints, used = [], [], set()
    for problem in problems:
        index = next((i for i, r in enumerate(reasons) if re.search(r["problem"], problem)), None)
        if index is None:
            complaints.append(problem)
        else:
            used.add(index)
    shown += [reason["reason"] for i, reason in enumerate(reasons) if i in used]
    complaints += [f"no such problem any more: {r['problem']}" for i, r in enumerate(reasons) if i not in used]
    if errata:
        listed = ", ".join(itertools.islice(sorted(set(errata)), 4))
        shown.append(f"the document's own example breaks its schema at {listed}; answered as the example (`openapi/ERRATA.md`)")
    state = table.FAILS if complaints else table.DIFFERS if shown else table.CONFORMS
    return state, shown, complaints


if __name__ == "__main__":
    sys.exit(main())
