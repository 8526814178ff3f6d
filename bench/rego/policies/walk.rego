package walking

import rego.v1

# Every image and every empty value anywhere in a document.
images contains value if {
	walk(input, [path, value])
	path[count(path) - 1] == "image"
}

empty contains concat("/", [sprintf("%v", [p]) | some p in path]) if {
	walk(input, [path, value])
	value == ""
}
