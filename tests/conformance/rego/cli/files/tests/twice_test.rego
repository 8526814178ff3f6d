package twice_test

test_a if true

test_a if 1 == 1

test_nested.deep.test_b if true
