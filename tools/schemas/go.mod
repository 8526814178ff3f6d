module bulwark/tools/schemas

go 1.22
