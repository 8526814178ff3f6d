"""Checks of our own, in the place of Schemathesis' where its own would be wrong."""

import json

import schemathesis
import yaml
from schemathesis.core import deserialization


def yaml_documents(stream):
    documents = list(yaml.safe_load_all(stream))
    return documents[0] if len(documents) == 1 else documents


# A cluster's manifest is several documents, at which the reader of the version in requirements.txt
# ends the whole run. A deserializer of one's own for YAML would come second.
deserialization.deserialize_yaml = yaml_documents


@schemathesis.check
def whole_records_fit_their_schema(ctx, response, case):
    """As response_schema_conformance; but ?fields= leaves out even what is required."""
    asked_as_declared = case.method.upper() == case.operation.method.upper()
    if not asked_as_declared or "fields" in (case.query or {}):
        return None
    return case.operation.validate_response(response, case=case)


@schemathesis.check
def json_is_utf8(ctx, response, case):
    """RFC 8259, section 8.1; JSON readers mend what is broken, so that nobody would notice."""
    kind = (response.headers.get("content-type") or [""])[0].split(";")[0]
    if kind == "application/json" or kind.endswith("+json"):
        text = response.content.decode("utf-8")  # an exception is a failure
        assert "\x00" not in text
        if text:
            assert isinstance(json.loads(text), dict), "a root that is no object"
