package texts

import rego.v1

# Log lines taken apart, with regular expressions and string functions.
parsed contains {"method": method, "path": path, "status": to_number(status), "agent": lower(agent)} if {
	some line in input.lines
	[[_, method, path, status, agent]] := regex.find_all_string_submatch_n(`"([A-Z]+) ([^ ]+) HTTP/[0-9.]+" ([0-9]{3}) [0-9]+ "([^"]*)"`, line, -1)
}

suspicious contains sprintf("%s %s by %s", [p.method, p.path, upper(p.agent)]) if {
	some p in parsed
	p.status >= 400
	regex.match(`(?i)(\.\./|etc/passwd|<script|union\s+select)`, urlquery.decode(p.path))
}

agents contains trim_space(name) if {
	some p in parsed
	some name in split(replace(p.agent, "/", " "), " ")
	not regex.match(`^[0-9.]+$`, name)
	count(name) > 2
}

summary := concat(", ", sort([a | some a in agents]))
