package functions

import rego.v1

# Functions with else, default and patterns; a policy of steps.
risk(finding) := 10 if {
	finding.exploited
} else := 8 if {
	finding.score >= 9
	finding.exposed
} else := 5 if {
	finding.score >= 7
} else := 2 if {
	finding.score >= 4
} else := 0

default weight(_) := 1

weight("prod") := 3

weight("staging") := 2

total(findings, stage) := sum([n |
	some f in findings
	n := risk(f) * weight(stage)
])

decision := {"total": t, "verdict": verdict(t)} if t := total(input.findings, input.stage)

verdict(t) := "block" if {
	t > 200
} else := "warn" if {
	t > 50
} else := "pass"
