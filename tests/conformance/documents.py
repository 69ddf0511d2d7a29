"""The published OpenAPI documents: operations, examples, and checks of answers.

In: the YAML files of `../shared/openapi` (OpenAPI 3.0 and Swagger 2.0). Out: operations with their
published examples, and problems of an answer against the described one.

A document may contradict its own examples (`ERRATA.md` beside it). What an example of the document
violates is no rule for us either: such a problem is returned apart, as an erratum.
"""

import json

import jsonschema
import yaml

METHODS = ("get", "post", "put", "patch", "delete")


class _Loader(yaml.SafeLoader):
    """Leaves timestamps as text, as JSON would."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Document:
    def __init__(self, name, path):
        self.name = name
        with open(path, encoding="utf-8") as file:
            self.root = yaml.load(file, _Loader)
        self.operations = {}
        for where, item in self.root["paths"].items():
            shared = item.get("parameters", [])
            for method in METHODS:
                if method in item:
                    operation = Operation(self, method.upper(), where, item[method], shared)
                    self.operations[operation.name] = operation

    def resolve(self, node):
        """The node that a chain of references ends at; a dangling reference is an empty node."""
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            target = self.root
            for part in node["$ref"].lstrip("#").strip("/").split("/"):
                part = part.replace("~1", "/").replace("~0", "~")
                target = target.get(part) if isinstance(target, dict) else None
            node = {} if target is None else target
        return node


class Operation:
    def __init__(self, document, method, path, node, shared_parameters):
        self.document, self.method, self.path, self.node = document, method, path, node
        self.name = f"{method} {path}"
        self.parameters = [document.resolve(p) for p in shared_parameters + node.get("parameters", [])]
        self.responses = {str(status): document.resolve(r) for status, r in node["responses"].items()}

    def successes(self):
        return sorted(status for status in self.responses if status.startswith("2"))

    def query_examples(self):
        """(name, required, published example or None) of every query parameter."""
        for parameter in self.parameters:
            if parameter.get("in") == "query":
                schema = self.document.resolve(parameter.get("schema", {}))
                example = parameter.get("example", schema.get("example"))
                yield parameter["name"], parameter.get("required", False), example

    def bodies(self):
        """(content type, name, body) of every published example. Where a document shows examples
        of single properties only, they make one body, as its reference pages show it."""
        request = self.document.resolve(self.node.get("requestBody", {}))
        for content_type, media in request.get("content", {}).items():
            schema = media.get("schema", {})
            for name, body in self._examples(media, schema):
                yield content_type, name, body
        for parameter in self.parameters:
            if parameter.get("in") == "body":
                yield "application/json", "example", self._sample(parameter.get("schema", {}))

    def _examples(self, media, schema):
        if media.get("examples"):
            return [(name, self.document.resolve(e).get("value")) for name, e in media["examples"].items()]
        if "example" in media:
            return [("example", media["example"])]
        return [("example", self._sample(schema))]

    def _sample(self, schema, depth=0):
        schema = self.document.resolve(schema)
        if depth > 16 or not isinstance(schema, dict):
            return None
        if "example" in schema:
            return schema["example"]
        if "allOf" in schema or schema.get("properties"):
            merged = {}
            for part in schema.get("allOf", []):
                sample = self._sample(part, depth + 1)
                merged.update(sample if isinstance(sample, dict) else {})
            for name, part in (schema.get("properties") or {}).items():
                read_only = self.document.resolve(part).get("readOnly")
                sample = None if read_only else self._sample(part, depth + 1)
                if sample is not None:
                    merged[name.strip()] = sample
            return merged or None
        if "items" in schema:
            sample = self._sample(schema["items"], depth + 1)
            return None if sample is None else [sample]
        for choice in ("oneOf", "anyOf"):
            if choice in schema:
                return self._sample(schema[choice][0], depth + 1)
        return schema["enum"][0] if "enum" in schema else schema.get("default")

    def check(self, answer):
        """(problems, errata) of an answer: status, documented headers, body."""
        status = str(answer.status_code)
        if status not in self.successes():
            detail = " ".join(answer.text.split())[:400]
            return [f"answers {status}, documented {'/'.join(self.successes())}: {detail}"], []
        response = self.responses[status]
        problems = [
            f"{status} without the header {name}"
            for name in response.get("headers", {})
            if name.lower() in ("location", "etag", "x-location") and name.lower() not in answer.headers
        ]
        schema, examples = self._described(response)
        if schema is None:
            return problems, []
        try:
            body = answer.json()
        except ValueError:
            return problems + [f"{status} without a JSON body"], []
        errors, errata = self._violations(schema, body, examples)
        return problems + [f"{status} body {error}" for error in errors], errata

    def _described(self, response):
        if "schema" in response:
            return response["schema"], list(response.get("examples", {}).values())
        for content_type, media in (response.get("content") or {}).items():
            if "json" in content_type or content_type == "*/*":
                examples = [e for _, e in self._examples(media, {}) if e is not None]
                return media.get("schema"), examples
        return None, []

    def _violations(self, schema, body, examples):
        schema = self._plain(schema)
        contradicted = {_rule(e) for example in examples for e in _errors(schema, example)}
        errors, errata = [], []
        for error in _errors(schema, body):
            text = f"/{'/'.join(str(p) for p in error.absolute_path)}: {error.message}"
            own = error.schema.get("example") if isinstance(error.schema, dict) else None
            by_its_own = own is not None and any(_rule(e) == _rule(error) for e in _errors(schema, own, error.schema))
            if by_its_own or _rule(error) in contradicted:
                path = "/".join("*" if isinstance(p, int) else str(p) for p in error.absolute_path)
                errata.append(f"`/{path}` ({error.validator} {json.dumps(error.validator_value)})")
            else:
                errors.append(" ".join(text.split())[:400])
        return errors, errata

    def _plain(self, node, above=()):
        """The schema as plain JSON Schema: references inlined (a recursive one accepts anything),
        `nullable` turned into a type. Examples are kept for `_violations`."""
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            if node["$ref"] in above:
                return {}
            above = above + (node["$ref"],)
            node = self.document.resolve(node)
        if not isinstance(node, dict):
            return {}
        plain = {}
        for key, value in node.items():
            if key in ("properties", "patternProperties"):
                plain[key] = {n.strip(): self._plain(s, above) for n, s in (value or {}).items()}
            elif key in ("items", "not"):
                plain[key] = self._plain(value, above)
            elif key == "additionalProperties":
                plain[key] = self._plain(value, above) if isinstance(value, dict) else value
            elif key in ("allOf", "anyOf", "oneOf"):
                plain[key] = [self._plain(s, above) for s in value]
            elif key == "required" and not isinstance(value, list):
                continue
            elif key in ("type", "enum", "required", "pattern", "minimum", "maximum", "minItems", "maxItems",
                         "minLength", "maxLength", "uniqueItems", "example"):
                plain[key] = value
        if node.get("nullable") or node.get("x-nullable"):
            plain = {"anyOf": [{"type": "null"}, plain]}
        return plain


def _errors(root, instance, schema=None):
    validator = jsonschema.Draft4Validator(schema if schema is not None else root)
    return [leaf for error in validator.iter_errors(instance) for leaf in _leaves(error)]


def _leaves(error):
    """An error, or for a failed `allOf` the errors below it."""
    below = [leaf for child in (error.context or []) for leaf in _leaves(child)] if error.validator == "allOf" else []
    return below or [error]


def _rule(error):
    """What names the broken rule across instances: the schema that states it, and its keyword."""
    return json.dumps(error.schema, sort_keys=True, default=str), error.validator
