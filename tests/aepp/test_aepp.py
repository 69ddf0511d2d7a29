#!/usr/bin/env python3
"""The client library `aepp`, unchanged, against a running server.

Logs in, makes a schema (field group, identity descriptor), a data set, an inlet and an audience,
sends a record and an event, and reads the profile and its events; then uses the whole segmentation
module (`segmentation.py`) and authors a destination (`destinations.py`). Exit code 0 when all steps do what
the library's own users would see on the original; else the step that failed, and 1.
"""

import argparse
import json
import sys
import time
import uuid

import aepp
from aepp import catalog, customerprofile, flowservice, identity, ingestion, schema, segmentation

import destinations
import segmentation as segments

WAIT_SECONDS = 30


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", required=True, help="http://host:port of the server")
    parser.add_argument("--credentials", required=True, help="credentials.json of its data directory")
    arguments = parser.parse_args()
    with open(arguments.credentials, encoding="utf-8") as file:
        credentials = json.load(file)
    configure(arguments.base_url.rstrip("/"), credentials)
    try:
        audience, field, dataset = story(credentials)
        segments.story(audience, field, dataset)
        destinations.story(audience)
    except (Failed, destinations.Failed, segments.Failed) as failure:
        print(f"FAILED {failure}", file=sys.stderr)
        return 1
    print("aepp: all steps passed")
    return 0


class Failed(Exception):
    """A step did not do what it should."""


def step(name, answer, *members):
    """Checks that an answer has the members; gives the last of them."""
    found = None
    for member in members:
        if not isinstance(answer, dict) or member not in answer:
            raise Failed(f"{name}: no {member!r} in {answer!r}")
        found = answer[member]
    print(f"ok {name}")
    return found


def configure(base_url, credentials):
    """The settings that point the library at another server."""
    aepp.configure(
        org_id=credentials["org_id"],
        tech_id=credentials["technical_account_id"],
        client_id=credentials["client_id"],
        secret=credentials["client_secret"],
        scopes=",".join(credentials["scopes"]),
        sandbox="prod",
    )
    aepp.config.config_object["oauthTokenEndpointV2"] = f"{base_url}/ims/token/v3"
    aepp.config.endpoints["global"] = base_url
    aepp.config.endpoints["streaming"]["inlet"] = f"{base_url}/data/core/edge"
    aepp.config.endpoints["streaming"]["collection"] = base_url


def story(credentials):
    run = uuid.uuid4().hex[:8]
    customer = f"customer-{run}"

    registry = schema.Schema()
    tenant = registry.getTenantId()
    if not isinstance(tenant, str) or not tenant:
        raise Failed(f"log in and read the tenant: {tenant!r}")
    print(f"ok log in (tenant {tenant})")
    field = tenant if tenant.startswith("_") else f"_{tenant}"

    code = f"Customer{run}"
    namespaces = identity.Identity()
    # The one module that builds its own host name instead of using the settings.
    namespaces.endpoint = aepp.config.endpoints["global"] + aepp.config.endpoints["identity"]
    step("namespace", namespaces.createIdentity(name=code, code=code, idType="CROSS_DEVICE", description="Customers"), "id")

    group = step("field group", registry.createFieldGroup({
        "title": f"Customer {run}",
        "description": "What we know of a customer.",
        "type": "object",
        "meta:intendedToExtend": ["https://ns.adobe.com/xdm/context/profile"],
        "definitions": {"customFields": {"type": "object", "properties": {field: {"type": "object", "properties": {
            "customerId": {"type": "string", "title": "Customer id"},
            "tier": {"type": "string", "title": "Tier"},
        }}}}},
        "allOf": [{"$ref": "#/definitions/customFields"}],
    }), "$id")
    profile_schema = step("schema", registry.createSchema({
        "title": f"Customers {run}",
        "description": "Customers.",
        "type": "object",
        "allOf": [
            {"$ref": "https://ns.adobe.com/xdm/context/profile"},
            {"$ref": "https://ns.adobe.com/xdm/context/profile-person-details"},
            {"$ref": group},
        ],
    }), "meta:altId", "$id")
    step("identity descriptor", registry.createDescriptor({
        "@type": "xdm:descriptorIdentity",
        "xdm:sourceSchema": profile_schema,
        "xdm:sourceVersion": 1,
        "xdm:sourceProperty": f"/{field}/customerId",
        "xdm:namespace": code,
        "xdm:property": "xdm:code",
        "xdm:isPrimary": True,
    }), "@id")
    step("enable for profile", registry.enableSchemaForRealTime(profile_schema), "$id")
    event_schema = step("event schema", registry.createExperienceEventSchema(
        name=f"Visits {run}",
        fieldGroupIds=[
            "https://ns.adobe.com/xdm/context/identitymap",
            "https://ns.adobe.com/xdm/context/experienceevent-web",
        ],
        description="Visits.",
    ), "$id")
    step("enable events for profile", registry.enableSchemaForRealTime(event_schema), "$id")
    titles = [s["title"] for s in registry.getSchemas()]
    if f"Customers {run}" not in titles:
        raise Failed(f"list schemas: {titles}")
    print("ok list schemas")

    sets = catalog.Catalog()

    def dataset(name, schema_id, enabled=True):
        made = sets.createDataSet(name=name, schemaId=schema_id, profileEnabled=enabled, identityEnabled=enabled)
        if not isinstance(made, list) or not made[0].startswith("@/dataSets/"):
            raise Failed(f"data set {name}: {made!r}")
        print(f"ok data set {name}")
        return made[0].rsplit("/", 1)[1]

    customers, visits = dataset(f"Customers {run}", profile_schema), dataset(f"Visits {run}", event_schema)
    step("read a data set", sets.getDataSet(customers), customers)

    audience = step("audience", segmentation.Segmentation().createSegment({
        "name": f"Gold {run}",
        "description": "Customers of the tier gold.",
        "expression": {"type": "PQL", "format": "pql/text", "value": f'{field}.tier = "gold"'},
        "schema": {"name": "_xdm.context.profile"},
        "ttlInDays": 30,
    }), "id")

    flows = flowservice.FlowService()
    connection = step("inlet", flows.createConnectionStreaming(
        name=f"Inlet {run}", sourceId=f"source-{run}", paramName=f"inlet-{run}"), "id")
    shown = flows.getConnection(connection)
    if "items" in shown:
        shown = shown["items"][0]
    inlet = step("read the inlet", shown["auth"]["params"], "inletId")

    def message(dataset_id, schema_id, entity):
        reference = {"id": schema_id, "contentType": "application/vnd.adobe.xed-full+json;version=1"}
        return {
            "header": {"schemaRef": reference, "imsOrgId": credentials["org_id"], "datasetId": dataset_id,
                       "source": {"name": "aepp"}},
            "body": {"xdmMeta": {"schemaRef": reference}, "xdmEntity": entity},
        }

    stream = ingestion.DataIngestion()
    record = {"person": {"name": {"firstName": "Ada"}}, field: {"customerId": customer, "tier": "gold"}}
    sent = stream.streamMessage(inlet, message(customers, profile_schema, record), syncValidation=True)
    step("send a record", sent, "xactionId")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    visit = {"_id": f"visit-{run}", "timestamp": now, "eventType": "web.webpagedetails.pageViews",
             "identityMap": {code: [{"id": customer, "primary": True}]}}
    step("send an event", stream.streamMessages(inlet, [message(visits, event_schema, visit)]), "responses")

    profiles = customerprofile.Profile()

    def found():
        answer = profiles.getEntity(entityId=customer, entityIdNS=code)
        for entity in answer.values():
            if isinstance(entity, dict) and audience in entity["entity"].get("segmentMembership", {}).get("ups", {}):
                return entity["entity"]
        return None

    entity = wait_for("read the profile", found)
    if entity["person"]["name"]["firstName"] != "Ada":
        raise Failed(f"read the profile: {entity!r}")

    def seen():
        answer = profiles.getEntity(
            schema_name="_xdm.context.experienceevent", entityId=customer, entityIdNS=code)
        children = answer if isinstance(answer, list) else answer.get("children", [])
        return [c for c in children if c["entityId"] == f"visit-{run}"]

    wait_for("read the events", seen)
    exports = dataset(f"Exports {run}", "https://ns.adobe.com/xdm/context/profile__union", enabled=False)
    return audience, field, exports


def wait_for(name, read):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found = read()
        if found:
            print(f"ok {name}")
            return found
        time.sleep(0.2)
    raise Failed(f"{name}: not within {WAIT_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
