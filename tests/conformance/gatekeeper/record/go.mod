module bulwark/tests/gatekeeper/record

go 1.24
