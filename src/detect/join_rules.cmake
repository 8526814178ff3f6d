# cmake -DOUT=FILE -DIN=a.yaml;b.yaml -P join_rules.cmake: the files as one YAML stream.
set(all "")
foreach(file IN LISTS IN)
  file(READ ${file} text)
  string(APPEND all "---\n${text}\n")
endforeach()
file(WRITE ${OUT} "${all}")
