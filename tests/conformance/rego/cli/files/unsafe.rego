package unsafe

p if {
	x := 1
	y == x
}
