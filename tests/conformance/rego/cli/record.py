#!/usr/bin/env python3
"""Asks OPA what it answers to each line of commands.txt, and writes answers.json.

    go install github.com/open-policy-agent/opa@v1.22.2
    tests/conformance/rego/cli/record.py ~/go/bin/opa
"""

import json
import pathlib
import shlex
import subprocess
import sys

here = pathlib.Path(__file__).parent
opa = sys.argv[1]
answers = []
for line in (here / "commands.txt").read_text().splitlines():
    if not line or line.startswith("#"):
        continue
    words = shlex.split(line)
    stdin = b""
    if "<" in words:
        stdin = (here / "files" / words[words.index("<") + 1]).read_bytes()
        words = words[: words.index("<")]
    ran = subprocess.run([opa, *words], cwd=here / "files", input=stdin, capture_output=True, check=False)
    answers.append({"command": line, "code": ran.returncode, "out": ran.stdout.decode(), "err": ran.stderr.decode().split("\nUsage:\n")[0]})
(here / "answers.json").write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")
print(f"{len(answers)} answers")
