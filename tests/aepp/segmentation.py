"""The segmentation module of `aepp` against a running server: every call that it offers for this service."""

import time

import aepp
from aepp import segmentation

WAIT_SECONDS = 30


class Failed(Exception):
    """A step did not do what it should."""


def story(audience, field, dataset):
    """`audience` is a definition with at least one member; `field` a tenant field with `tier`; `dataset` one of the union."""
    client = segmentation.Segmentation()
    definitions(client, audience)
    audiences(client, field)
    jobs(client, audience)
    schedules(client)
    previews(client, field)
    exports(client, audience, dataset)
    search(client, audience)
    external(client)


def definitions(client, audience):
    found = [segment["id"] for segment in client.getSegments()]
    check("list definitions", audience in found, found)
    check("read a definition", client.getSegment(audience).get("id") == audience)
    many = client.getMultipleSegments([{"id": audience}])
    check("read many definitions", audience in many, many)
    expression = client.getSegment(audience)["expression"]
    as_json = client.convertSegmentDef(name="conversion", expression=expression)
    check("convert to JSON", as_json.get("expression", {}).get("format") == "pql/json", as_json)
    as_text = client.convertSegmentDef(name="conversion", expression=as_json["expression"])
    check("convert to text", as_text["expression"]["format"] == "pql/text", as_text)


def audiences(client, field):
    name = f"Silver {time.time_ns()}"
    made = client.createAudience({
        "name": name, "profileInstanceId": "ups", "type": "SegmentDefinition", "labels": ["core/C1"],
        "description": "Customers of the tier silver.", "schema": {"name": "_xdm.context.profile"},
        "expression": {"type": "PQL", "format": "pql/text", "value": f'{field}.tier = "silver"'},
    })
    check("create an audience", made.get("lifecycleState") == "published", made)
    audience = made["id"]
    check("list audiences", audience in [a["id"] for a in client.getAudiences(limit=1)])
    check("filter audiences", [a["id"] for a in client.getAudiences(name=name)] == [audience])
    check("filter by a property", [a["id"] for a in client.getAudiences(prop=f"audienceId=={audience}")] == [audience])
    check("read an audience", client.getAudience(audience)["name"] == name)
    patched = client.patchAudience(audience, [{"op": "add", "path": "/expression", "value": {
        "type": "PQL", "format": "pql/text", "value": f'{field}.tier = "tin"'}}])
    check("patch an audience", patched["expression"]["value"].endswith('"tin"'), patched)
    patched["name"] = f"{name} again"
    check("replace an audience", client.putAudience(audience, patched)["name"] == f"{name} again")
    client.deleteAudience(audience)
    check("delete an audience", client.getAudience(audience).get("status") == 404)


def jobs(client, audience):
    made = client.createJob([audience])
    check("create a job", made.get("source") == "api", made)
    job = wait_for("a job counts members", lambda: with_status(client.getJob(made["id"]), "SUCCEEDED"))
    counted = job["metrics"]["segmentedProfileCounter"].get(audience, 0)
    check("the job counted", counted >= 1, job)
    check("list jobs", made["id"] in [j["id"] for j in client.getJobs(status="SUCCEEDED")])
    client.deleteJob(made["id"])
    check("delete a job", client.getJob(made["id"]).get("status") == 404)


def schedules(client):
    made = client.createSchedule({
        "name": "nightly", "type": "batch_segmentation", "properties": {"segments": ["*"]},
        "schedule": "0 0 1 * * ?", "state": "inactive",
    })
    check("create a schedule", made.get("state") == "inactive", made)
    check("list schedules", made["id"] in [s["id"] for s in client.getSchedules()])
    client.updateSchedule(made["id"], [{"op": "add", "path": "/schedule", "value": "0 30 2 * * ?"}])
    check("update a schedule", client.getSchedule(made["id"])["schedule"] == "0 30 2 * * ?")
    client.deleteSchedule(made["id"])
    check("delete a schedule", client.getSchedule(made["id"]).get("status") == 404)


def previews(client, field):
    made = client.createPreview(f'{field}.tier = "gold"')
    check("create a preview", "previewId" in made, made)
    preview = made["previewId"]
    found = wait_for("a preview is ready", lambda: with_state(client.getPreview(preview), "RESULT_READY"))
    check("the preview found somebody", len(found["results"]) >= 1, found)
    estimate = client.getEstimate(preview)
    check("estimate", estimate["estimatedSize"] == len(found["results"]), estimate)
    client.deletePreview(preview)
    check("delete a preview", client.getPreview(preview).get("status") == 404)


def exports(client, audience, dataset):
    made = client.createExport({
        "fields": "identityMap.*", "schema": {"name": "_xdm.context.profile"},
        "filter": {"segments": [{"segmentId": audience}]}, "destination": {"datasetId": dataset},
    })
    check("create an export", "id" in made, made)
    job = wait_for("an export is written", lambda: with_status(client.getExport(made["id"]), "SUCCEEDED"))
    check("the export has rows", job["metrics"]["totalExportedProfileCounter"] >= 1, job)
    check("list exports", made["id"] in [j["id"] for j in client.getExportJobs()])
    client.deleteExport(made["id"])
    check("delete an export", client.getExport(made["id"]).get("status") == 404)


def search(client, audience):
    name = client.getSegment(audience)["name"]
    query = f'name:"{name}"'
    found = client.searchNamespaces(query)
    check("search namespaces", "AEPSegments" in str(found), found)
    entities = client.searchEntities(query, namespace="AEPSegments")
    check("search entities", audience in [e["id"] for e in entities], entities)


def external(client):
    """The library has the address of the original built in for these; its connector is used with ours."""
    base = aepp.config.endpoints["global"] + "/data/core/ais/external-audience"
    body = {key: value for key, value in client.EXTERNAL_AUDIENCE_DICT.items() if key != "sourceSpec"}
    made = client.connector.postData(f"{base}/", data=body, headers=client.header)
    check("submit an external audience", "operationId" in made, made)
    task = client.connector.getData(f"{base}/operations/{made['operationId']}", headers=client.header)
    check("read the operation", task.get("status") == "SUCCESS", task)
    check("the audience is there", client.getAudience(task["audienceId"])["type"] == "ExternalSegment")
    client.deleteAudience(task["audienceId"])


def with_status(answer, status):
    return answer if answer.get("status") == status else None


def with_state(answer, state):
    return answer if answer.get("state") == state else None


def check(name, holds, seen=None):
    if not holds:
        raise Failed(f"{name}: {seen!r}")
    print(f"ok {name}")


def wait_for(name, read):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = read()
        if found:
            print(f"ok {name}")
            return found
        time.sleep(0.2)
    raise Failed(f"{name}: not within {WAIT_SECONDS} s")
