#!/usr/bin/env python3
"""Checks reports against the schemas of their formats.

    validate_sarif.py FILE...        .sarif  the SARIF 2.1.0 schema of OASIS
                                     .json   docs/reference/report.schema.json
                                     .xml    what Jenkins and GitLab need of JUnit XML
                                     .csv    RFC 4180: every record as long as the header

Needs the Python package jsonschema (4.18 or later). The SARIF schema is not kept in this repository:
it is read from BULWARK_SARIF_SCHEMA, else from the npm package @microsoft/jest-sarif, which is
fetched once into BULWARK_CACHE (default: ~/.cache/bulwark).
"""

import csv
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ElementTree

import jsonschema

PACKAGE = "@microsoft/jest-sarif@1.0.0-beta.0"
MEMBER = "package/lib/schemas/sarif-2.1.0-rtm.5.json"
REPOSITORY = pathlib.Path(__file__).resolve().parents[4]


def sarif_schema():
    given = os.environ.get("BULWARK_SARIF_SCHEMA")
    if given:
        return json.loads(pathlib.Path(given).read_text(encoding="utf-8"))
    cache = pathlib.Path(os.environ.get("BULWARK_CACHE", pathlib.Path.home() / ".cache" / "bulwark"))
    kept = cache / "sarif-2.1.0.json"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        name = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=cache, check=True,
                              capture_output=True, text=True).stdout.split()[-1]
        with tarfile.open(cache / name) as package:
            kept.write_bytes(package.extractfile(MEMBER).read())
        (cache / name).unlink()
    return json.loads(kept.read_text(encoding="utf-8"))


def check_schema(document, schema):
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    for error in validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message[:300]}"


def check_sarif(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    yield from check_schema(document, sarif_schema())
    # What the standard says and a schema cannot.
    for run in document["runs"]:
        rules = run["tool"]["driver"]["rules"]
        taxonomies = run.get("taxonomies", [])
        for rule in rules:
            for relationship in rule.get("relationships", []):
                target = relationship["target"]
                component = taxonomies[target["toolComponent"]["index"]]
                if component["name"] != target["toolComponent"]["name"]:
                    yield f"{rule['id']}: taxonomy {target['toolComponent']}"
                if component["taxa"][target["index"]]["id"] != target["id"]:
                    yield f"{rule['id']}: taxon {target}"
        for result in run["results"]:
            if "ruleIndex" in result and rules[result["ruleIndex"]]["id"] != result["ruleId"]:
                yield f"{result['ruleId']}: ruleIndex {result['ruleIndex']}"
            if result.get("kind", "fail") != "fail" and result["level"] != "none":
                yield f"{result['ruleId']}: a level other than none where kind is not fail"
            for location in result["locations"]:
                region = location.get("physicalLocation", {}).get("region", {})
                start = (region.get("startLine", 1), region.get("startColumn", 1))
                end = (region.get("endLine", start[0]), region.get("endColumn", start[1]))
                if end < start and "endColumn" in region:
                    yield f"{result['ruleId']}: a region that ends before it starts: {region}"


def check_json(path):
    schema = json.loads((REPOSITORY / "docs/reference/report.schema.json").read_text(encoding="utf-8"))
    # Closed: a field that the schema does not name is a field that nobody documented.
    def close(node):
        if isinstance(node, dict):
            if "properties" in node:
                node.setdefault("unevaluatedProperties", False)
            for value in node.values():
                close(value)
        elif isinstance(node, list):
            for value in node:
                close(value)

    for name, definition in schema["$defs"].items():
        if name not in ("asset", "tally"):
            close(definition)
    yield from check_schema(json.loads(path.read_text(encoding="utf-8")), schema)


def check_junit(path):
    root = ElementTree.parse(path).getroot()
    if root.tag != "testsuites":
        yield f"the root is {root.tag}"
    outcomes = {"failure": "failures", "error": "errors", "skipped": "skipped"}
    total = dict.fromkeys(["tests", "failures", "errors", "skipped"], 0)
    names = set()
    for suite in root:
        if suite.tag != "testsuite" or not suite.get("name"):
            yield f"expected a named testsuite, found {suite.tag}"
        counted = dict.fromkeys(total, 0)
        for case in suite:
            if case.tag != "testcase":
                yield f"expected a testcase, found {case.tag}"
                continue
            counted["tests"] += 1
            for attribute in ("name", "classname", "time"):
                if not case.get(attribute):
                    yield f"{suite.get('name')}: a case without {attribute}"
            key = (suite.get("name"), suite.get("file"), case.get("classname"), case.get("name"))
            if key in names:
                yield f"two cases of one name: {key}"
            names.add(key)
            for child in case:
                if child.tag in outcomes:
                    counted[outcomes[child.tag]] += 1
                elif child.tag not in ("system-out", "system-err"):
                    yield f"{case.get('name')}: unexpected {child.tag}"
        for name, count in counted.items():
            total[name] += count
            if int(suite.get(name)) != count:
                yield f"{suite.get('name')}: {name} says {suite.get(name)}, there are {count}"
    for name, count in total.items():
        if int(root.get(name)) != count:
            yield f"testsuites: {name} says {root.get(name)}, there are {count}"


def check_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, strict=True))
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            yield f"record {number}: {len(row)} fields, the header has {len(rows[0])}"
        for field in row:
            if field[:1] in ("=", "+", "-", "@", "\t") and not field.lstrip("+-").replace(".", "", 1).isdigit():
                yield f"record {number}: a formula: {field[:40]!r}"


CHECKS = {".sarif": check_sarif, ".json": check_json, ".xml": check_junit, ".csv": check_csv}


def main(paths):
    failed = False
    for path in map(pathlib.Path, paths):
        problems = list(CHECKS[path.suffix](path))
        print(f"{path}: {'ok' if not problems else ''}")
        for problem in problems:
            print(f"  {problem}")
        failed = failed or bool(problems)
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
