package bad

p if {
	x := 1
	y == 2
	count("a", "b")
}

q if input.x == upper(1)
