"""An author's calls through `aepp`'s `Authoring`: every method of that class.

The class cannot be constructed as published in 0.6.0 (its constructor reads a logger that it never set, and
settings as attributes of a dictionary), so it is set up by hand. Four of its methods cannot do what they say against
any server of this API; what they send is refused, and that is checked:

- `updateDestination` puts to the collection instead of the member;
- `updateAudienceTemplate` posts to the member instead of putting;
- `updateSubmissionRequest` calls an operation that the published API has no more;
- `getSampleDestination` reads a text as JSON.
"""

import http.server
import inspect
import json
import threading
import uuid

import aepp
from aepp import connector, destination, flowservice


class Failed(Exception):
    """A step did not do what it should."""


def check(name, holds, found):
    if not holds:
        raise Failed(f"{name}: {found!r}")
    print(f"ok {name}")


def configured():
    """`Authoring` as its constructor would leave it."""
    authoring = destination.Authoring.__new__(destination.Authoring)
    authoring.loggingEnabled = False
    authoring.logger = None
    authoring.connector = connector.AdobeRequest(
        config=aepp.config.config_object, header=aepp.config.header, loggingEnabled=False, logger=None)
    # It asks again, and within that again, while an answer is no JSON.
    authoring.connector.retry = 0
    authoring.header = authoring.connector.header
    authoring.sandbox = authoring.connector.config["sandbox"]
    authoring.endpoint = aepp.config.endpoints["global"] + aepp.config.endpoints["destinationAuthoring"]
    return authoring


class Watched:
    """Remembers which methods were called."""

    def __init__(self, inner):
        self.inner = inner
        self.called = set()

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(self.inner, name)

    def never_called(self):
        methods = inspect.getmembers(type(self.inner), inspect.isfunction)
        return sorted(name for name, _ in methods if not name.startswith("__") and name not in self.called)


class Partner:
    """The receiving system: takes everything, remembers it."""

    def __init__(self):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                requests.append((self.path, self.headers["authorization"], body))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def listed(answer):
    """The objects of a list, by id."""
    if not isinstance(answer, dict) or "items" not in answer:
        raise Failed(f"a list has no items: {answer!r}")
    return {item["instanceId"]: item for item in answer["items"]}


def one(answer):
    """Some answers are the object, some a list of one."""
    return answer["items"][0] if "items" in answer else answer


def pebble(text):
    return {"templatingStrategy": "PEBBLE_V1", "value": text}


MESSAGE = ('{"people": [{% for p in input.profiles %}{{ p.attributes.firstName | toJson | raw }}'
           '{% if not loop.last %}, {% endif %}{% endfor %}]}')


def server_body(run, url):
    return {
        "name": f"Server {run}", "destinationServerType": "URL_BASED",
        "urlBasedDestination": {"url": pebble(url + "/accounts/{{ customerData.account }}")},
        "httpTemplate": {"httpMethod": "POST", "contentType": "application/json", "requestBody": pebble(MESSAGE)},
    }


def destination_body(run, server):
    return {
        "name": f"Destination {run}", "description": "To try things with.", "status": "TEST",
        "customerAuthenticationConfigurations": [{"authType": "BEARER"}],
        "customerDataFields": [{"name": "account", "title": "Account", "type": "string", "isRequired": True}],
        "uiAttributes": {
            "documentationLink": "https://www.adobe.com/go/destinations-example-en", "category": "mobile",
            "connectionType": "Server-to-server", "frequency": "Streaming",
        },
        "identityNamespaces": {"email": {"acceptsAttributes": True, "acceptsCustomNamespaces": True,
                                         "acceptedGlobalNamespaces": {"Email": {}}}},
        "schemaConfig": {
            "profileFields": [{"name": "firstName", "title": "First name", "type": "string"}],
            "profileRequired": True, "segmentRequired": True, "identityRequired": True,
        },
        "segmentMappingConfig": {"mapExperiencePlatformSegmentId": True},
        "aggregation": {"aggregationType": "BEST_EFFORT",
                        "bestEffortAggregation": {"maxUsersPerRequest": 2, "splitUserById": False}},
        "destinationDelivery": [{"authenticationRule": "CUSTOMER_AUTHENTICATION", "destinationServerId": server}],
    }


def story(audience):
    """Plays it; `audience` is one that a destination can be given."""
    run = uuid.uuid4().hex[:8]
    partner = Partner()
    authoring = Watched(configured())
    servers(authoring, run)
    audience_templates(authoring, run)
    credentials(authoring)
    server = one(authoring.createDestinationServer(server_body(run, partner.url)))["instanceId"]
    made = destinations(authoring, run, server)
    templates(authoring, made)
    trial(authoring, partner, made, run, audience)
    publishing(authoring, made)
    removal(authoring, run, server)
    check("every method was called", not authoring.never_called(), authoring.never_called())
    partner.server.shutdown()


def servers(authoring, run):
    body = server_body(run, "https://partner.example.com")
    made = one(authoring.createDestinationServer(body))
    check("create a destination server", made.get("name") == body["name"], made)
    found = authoring.getDestinationServers()
    check("list destination servers", made["instanceId"] in listed(found), found)
    body["name"] = f"Renamed {run}"
    changed = authoring.updateDestinationServer(made["instanceId"], body)
    check("update a destination server", one(changed).get("name") == body["name"], changed)
    shown = authoring.getDestinationServer(made["instanceId"])
    check("read a destination server", one(shown).get("name") == body["name"], shown)
    check("its template is what was given", one(shown)["httpTemplate"]["requestBody"] == pebble(MESSAGE), shown)
    gone = authoring.deleteDestinationServer(made["instanceId"])
    check("delete a destination server", gone in (200, 202, 204), gone)
    left = authoring.getDestinationServers()
    check("it is gone", made["instanceId"] not in listed(left), left)


def audience_templates(authoring, run):
    body = {"metadataTemplate": {
        "name": f"Template {run}",
        "create": {
            "url": "https://partner.example.com/audiences", "httpMethod": "POST",
            "requestBody": {"json": {"name": "{{segment.name}}"}},
            "responseFields": [{"name": "externalAudienceId", "value": "{{body.id}}"}],
        },
    }}
    made = one(authoring.createAudienceTemplate(body))
    check("create an audience template", "instanceId" in made, made)
    found = authoring.getAudienceTemplates()
    check("list audience templates", made["instanceId"] in listed(found), found)
    shown = authoring.getAudienceTemplate(made["instanceId"])
    check("read an audience template", one(shown)["metadataTemplate"]["name"] == f"Template {run}", shown)
    refused = authoring.updateAudienceTemplate(made["instanceId"], body)
    check("an update by POST is refused", "instanceId" not in refused, refused)
    gone = authoring.deleteAudienceTemplate(made["instanceId"])
    check("delete an audience template", gone in (200, 202, 204), gone)
    left = authoring.getAudienceTemplates()
    check("it is gone", made["instanceId"] not in listed(left), left)


def credentials(authoring):
    secret = f"secret-{uuid.uuid4().hex}"
    body = {"basicAuthentication": {"username": "someone", "password": secret}}
    made = one(authoring.createCredential(body))
    check("create a credential", "instanceId" in made, made)
    found = authoring.getCredentials()
    check("list credentials", made["instanceId"] in listed(found), found)
    body["basicAuthentication"]["username"] = "somebody"
    changed = authoring.updateCredential(made["instanceId"], body)
    check("update a credential", one(changed)["basicAuthentication"]["username"] == "somebody", changed)
    shown = authoring.getCredential(made["instanceId"])
    check("read a credential", one(shown)["basicAuthentication"]["username"] == "somebody", shown)
    check("no answer has its secret", secret not in json.dumps([made, found, changed, shown]), "the secret was shown")
    gone = authoring.deleteCredential(made["instanceId"])
    check("delete a credential", gone in (200, 202, 204), gone)
    left = authoring.getCredentials()
    check("it is gone", made["instanceId"] not in listed(left), left)


def destinations(authoring, run, server):
    body = destination_body(run, server)
    made = one(authoring.createDestination(body))
    check("create a destination", made.get("name") == body["name"], made)
    found = authoring.getDestinations()
    check("list destinations", made["instanceId"] in listed(found), found)
    shown = authoring.getDestination(made["instanceId"])
    check("read a destination", one(shown)["destinationDelivery"][0]["destinationServerId"] == server, shown)
    refused = authoring.updateDestination(made["instanceId"], body)
    check("an update without an id is refused", "instanceId" not in refused, refused)
    broken = authoring.createDestination({**body, "aggregation": {"aggregationType": "SOMETIMES"}})
    check("a refusal names the field", "aggregation.aggregationType" in json.dumps(broken), broken)
    return made["instanceId"]


def templates(authoring, made):
    unread = authoring.getSampleDestination(made)
    check("a sample template is no JSON", "error" in unread, unread)
    # What the method would give if it asked for text.
    path = f"{authoring.inner.endpoint}/testing/template/sample/{made}"
    template = authoring.inner.connector.getData(path, format="txt")
    check("read the sample template", "{%- for profile in input.profiles -%}" in template, template)
    profiles = authoring.getSampleProfile(destinationInstanceId="", destinationId=made, count=3)
    check("sample profiles of a destination", isinstance(profiles, list) and len(profiles) == 3
          and all("email" in profile["identityMap"] for profile in profiles), profiles)
    rendered = authoring.generateTestProfile(made, template)
    check("render the sample template", all(json.loads(r["output"])["profiles"] for r in rendered["results"]), rendered)
    rendered = authoring.generateTestProfile(made, MESSAGE, profiles)
    people = [len(json.loads(result["output"])["people"]) for result in rendered["results"]]
    check("render given profiles, two to a message", sorted(people) == [1, 2], rendered)
    broken = authoring.generateTestProfile(made, "{% for x %}")
    check("a template that is none is refused with its place", "template:1:10" in json.dumps(broken), broken)


def trial(authoring, partner, made, run, audience):
    """A flow to the destination is an instance of it."""
    flows = flowservice.FlowService()
    flow = flow_to(flows, made, run, audience)
    profiles = authoring.getSampleProfile(destinationInstanceId=flow, destinationId=made, count=3)
    check("sample profiles of an instance", isinstance(profiles, list) and len(profiles) == 3
          and all(profile["person"]["name"]["firstName"] for profile in profiles)
          and all(audience in profile["segmentMembership"]["ups"] for profile in profiles), profiles)
    other = authoring.getSampleProfile(destinationInstanceId=flow, destinationId=str(uuid.uuid4()))
    check("an instance of another destination is refused", isinstance(other, dict), other)

    answer = authoring.sendMessageToPartner(flow, profiles)
    calls = [call for result in answer["results"] for call in result["httpCalls"]]
    check("test an instance", [call["response"]["code"] for call in calls] == ["200", "200"], answer)
    check("the answer shows what was sent", answer["inputProfiles"] == profiles, answer)
    names = [profile["person"]["name"]["firstName"] for profile in profiles]
    sent = [(path, token, json.loads(body)["people"]) for path, token, body in partner.requests]
    check("the partner got it", sorted(map(len, (people for *_, people in sent))) == [1, 2]
          and sorted(name for *_, people in sent for name in people) == sorted(names)
          and {(path, token) for path, token, _ in sent} == {("/accounts/A-1", "Bearer token-of-the-customer")}, sent)
    answer = authoring.sendMessageToPartner(flow)
    check("test an instance with generated profiles", answer["inputProfiles"] and len(partner.requests) > 2, answer)


def flow_to(flows, made, run, audience):
    """Connects and activates, as a customer does."""
    def items(path):
        return flows.connector.getData(f"{flows.endpoint}/{path}", params={"limit": 100})["items"]

    spec = next(spec for spec in items("connectionSpecs") if spec["attributes"].get("destinationId") == made)
    flow_spec = next(flow for flow in items("flowSpecs") if spec["id"] in flow.get("targetConnectionSpecIds", []))
    store = next(spec for spec in items("connectionSpecs") if spec["id"] == "8a9c3494-9708-43d7-ae3f-cda01e5030e1")

    def create(path, body):
        answer = flows.connector.postData(f"{flows.endpoint}/{path}", data=body)
        if "id" not in answer:
            raise Failed(f"{path}: {answer!r}")
        return answer["id"]

    version = {"id": spec["id"], "version": spec["version"]}
    account = create("connections", {"name": f"Account {run}", "connectionSpec": version, "auth": {
        "specName": "Bearer token", "params": {"token": "token-of-the-customer"}}})
    source = create("sourceConnections", {
        "name": f"Profiles {run}", "connectionSpec": {"id": store["id"], "version": store["version"]}})
    target = create("targetConnections", {
        "name": f"Target {run}", "baseConnectionId": account, "connectionSpec": version, "params": {"account": "A-1"}})

    def mapped(path, to):
        mapping = {"sourceType": "text/x.schema-path", "source": path, "destination": to}
        return {"type": "JSON_PATH", "value": {"path": path, "operator": "EXISTS", "mapping": mapping}}

    flow = create("flows", {
        "name": f"Flow {run}", "flowSpec": {"id": flow_spec["id"], "version": flow_spec["version"]},
        "sourceConnectionIds": [source], "targetConnectionIds": [target],
        "transformations": [{"name": "GeneralTransform", "params": {
            "segmentSelectors": {"selectors": [
                {"type": "PLATFORM_SEGMENT", "value": {"id": audience, "name": "Gold"}}]},
            "profileSelectors": {"selectors": [
                mapped("identityMap.Email", "identityMap.email"), mapped("person.name.firstName", "firstName")]},
        }}],
    })
    print("ok connect and activate")
    return flow


def publishing(authoring, made):
    answer = authoring.SubmitDestination({"destinationId": made, "destinationAccess": "ALL"})
    states = [(detail["destinationType"], detail["status"]) for detail in answer.get("publishDetailsList", [])]
    check("submit a destination", states == [("DEV", "TEST"), ("PUBLIC", "REVIEW")], answer)
    found = authoring.getSubmissions()
    check("list submissions", made in json.dumps(found), found)
    shown = authoring.getSubmission(made)
    check("read a submission", shown.get("destinationId") == made
          and len(shown.get("publishDetailsList", [])) == 2, shown)
    refused = authoring.updateSubmissionRequest(made, {"destinationId": made, "destinationAccess": "ALL"})
    check("a submission is not changed", "publishDetailsList" not in refused, refused)
    twice = authoring.SubmitDestination({"destinationId": made, "destinationAccess": "ALL"})
    check("nothing is submitted twice", "under review" in json.dumps(twice), twice)


def removal(authoring, run, server):
    body = {**destination_body(run, server), "name": f"Short-lived {run}"}
    made = one(authoring.createDestination(body))["instanceId"]
    refused = authoring.deleteDestinationServer(server)
    check("a server that is in use stays", refused not in (200, 202, 204), refused)
    gone = authoring.deleteDestination(made)
    check("delete a destination", gone in (200, 202, 204), gone)
    left = authoring.getDestinations()
    check("it is gone", made not in listed(left), left)
