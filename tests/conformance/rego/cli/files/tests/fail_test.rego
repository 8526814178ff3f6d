package fail_test

test_fails if {
	x := 1
	x == 2
}

todo_test_later if false

test_prints_and_fails if {
	print("seen", [1, {"a": 2}])
	1 == 2
}

test_conflict if {
	f(1) == 2
}

f(x) := 1 if x == 1

f(x) := 2 if x == 1

test_cases[note] if {
	some note, case in {
		"one": {"a": 1, "b": 1},
		"two": {"a": 1, "b": 2},
	}
	case.a == case.b
}
