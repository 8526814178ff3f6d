package groupby

import rego.v1

# Comprehensions within comprehensions: findings by severity and by image.
severities := {f.severity | some f in input.findings}

by_severity := {severity: ids |
	some severity in severities
	ids := {f.id | some f in input.findings; f.severity == severity}
}

by_image := {image: worst |
	some f in input.findings
	image := f.image
	worst := max([g.score | some g in input.findings; g.image == image])
}

totals := {severity: count(ids) | some severity, ids in by_severity}
