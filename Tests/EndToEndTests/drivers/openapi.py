"""protocol/openapi.yaml as a judge: is it sound itself, and does a reply follow it."""

import re

import jsonschema
import yaml

METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")


class Description:
    _kept = {}

    def __init__(self, path):
        if path not in Description._kept:
            with open(path, encoding="utf-8") as file:
                Description._kept[path] = yaml.safe_load(file)
        self.document = Description._kept[path]
        self.resolver = jsonschema.RefResolver("", self.document)
        self.routes = []
        for template, item in self.document["paths"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/?]+", re.escape(template))
            self.routes.append((template.count("{"), re.compile(pattern + r"(\?.*)?\Z"), item))
        # A path without parameters wins over one with.
        self.routes.sort(key=lambda route: route[0])

    def find(self, node):
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    # Judging replies -----------------------------------------------------------------------------------------------

    def problems(self, method, path, reply):
        """What is wrong with a reply, in words; nothing for routes that are not described."""
        operation = None
        for _, pattern, item in self.routes:
            if pattern.match(path):
                operation = item.get(method.lower())
                break
        if operation is None:
            return
        described = operation["responses"].get(str(reply.status))
        if described is None:
            yield f"status {reply.status} is not described"
            return
        described = self.find(described)
        content = described.get("content")
        if not content:
            if reply.body:
                yield "a body where none is described"
            return
        kind = (reply.header("content-type") or "").split(";")[0].strip().lower()
        if kind not in content:
            yield f"content type {kind!r} is not described"
            return
        if kind != "application/json":
            return
        try:
            value = reply.json
        except ValueError as error:
            yield f"not JSON: {error}"
            return
        schema = content[kind]["schema"]
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in validator.iter_errors(value):
            yield f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
        yield from self.undescribed(value, schema, "")

    def undescribed(self, value, schema, where):
        """Fields that the description does not name: it must say everything."""
        schema = self.find(schema)
        if isinstance(value, list):
            parts = [part for part in self.parts(schema) if "items" in part]
            for index, item in enumerate(value):
                for part in parts:
                    yield from self.undescribed(item, part["items"], f"{where}/{index}")
        if not isinstance(value, dict):
            return
        known, free = {}, False
        for part in self.parts(schema):
            known.update(part.get("properties", {}))
            free = free or "additionalProperties" in part
        if free or not known:
            return
        for name, inner in value.items():
            if name not in known:
                yield f"{where}/{name} is not described"
            else:
                yield from self.undescribed(inner, known[name], f"{where}/{name}")

    def parts(self, schema):
        schema = self.find(schema)
        yield schema
        for key in ("allOf", "oneOf", "anyOf"):
            for inner in schema.get(key, []):
                yield from self.parts(inner)

    # Judging the description itself ----------------------------------------------------------------------------------

    def faults(self):
        """What is wrong with the document, in words."""
        document = self.document
        if document.get("openapi") != "3.1.0":
            yield "not an OpenAPI 3.1.0 document"
        for name in ("title", "version"):
            if not document.get("info", {}).get(name):
                yield f"info.{name} is missing"
        used = set()
        yield from self.walk_references(document, "#", used)
        for kind, entries in document["components"].items():
            for name in entries:
                if kind != "securitySchemes" and f"#/components/{kind}/{name}" not in used:
                    yield f"components/{kind}/{name} is used nowhere"
        for name, schema in document["components"]["schemas"].items():
            try:
                jsonschema.Draft202012Validator.check_schema(schema)
            except jsonschema.SchemaError as error:
                yield f"schema {name}: {error.message}"
        seen = set()
        for path, item in document["paths"].items():
            if not path.startswith("/"):
                yield f"{path} does not start with a slash"
            for method, operation in item.items():
                if method not in METHODS:
                    if method != "parameters":
                        yield f"{path}: {method} is not a method"
                    continue
                where = f"{method} {path}"
                identity = operation.get("operationId")
                if not identity or identity in seen:
                    yield f"{where}: operationId is missing or used twice"
                seen.add(identity)
                yield from self.operation_faults(where, path, operation, item.get("parameters", []))

    def operation_faults(self, where, path, operation, shared):
        parameters = [self.find(p) for p in [*shared, *operation.get("parameters", [])]]
        named = {p["name"] for p in parameters if p["in"] == "path"}
        if named != set(re.findall(r"\{(\w+)\}", path)):
            yield f"{where}: path parameters differ from the path"
        for parameter in parameters:
            if parameter["in"] not in ("path", "query", "header") or "schema" not in parameter:
                yield f"{where}: parameter {parameter['name']} is not complete"
            if parameter["in"] == "path" and parameter.get("required") is not True:
                yield f"{where}: path parameter {parameter['name']} must be required"
        if not operation.get("responses"):
            yield f"{where}: no responses"
        for status, response in operation.get("responses", {}).items():
            if not re.fullmatch(r"[1-5]\d\d", status):
                yield f"{where}: {status!r} is not a status"
            response = self.find(response)
            if "description" not in response:
                yield f"{where} {status}: no description"
            for kind, content in response.get("content", {}).items():
                if "schema" not in content:
                    yield f"{where} {status} {kind}: no schema"
                else:
                    try:
                        jsonschema.Draft202012Validator.check_schema(content["schema"])
                    except jsonschema.SchemaError as error:
                        yield f"{where} {status}: {error.message}"
        body = self.find(operation.get("requestBody", {}))
        for kind, content in body.get("content", {}).items():
            schema = content["schema"]
            validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
            for name, example in content.get("examples", {}).items():
                for error in validator.iter_errors(example["value"]):
                    yield f"{where} {kind} example {name}: {error.message}"

    def walk_references(self, node, where, used):
        if isinstance(node, dict):
            if "$ref" in node:
                used.add(node["$ref"])
                try:
                    self.resolver.resolve(node["$ref"])
                except jsonschema.RefResolutionError:
                    yield f"{where}: {node['$ref']} leads nowhere"
            for key, value in node.items():
                yield from self.walk_references(value, f"{where}/{key}", used)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from self.walk_references(value, f"{where}/{index}", used)
