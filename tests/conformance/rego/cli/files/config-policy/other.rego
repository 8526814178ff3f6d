package other.ns

deny contains "never" if false

warn contains msg if {
	input.kind == "Service"
	print("looking at", data.conftest.file.name)
	msg := "a service"
}
