# bulwark_embed(<target> <symbol> <file>)
#
# Puts the bytes of a file into the program. Declare it where it is used:
#   namespace bulwark::embedded { std::string_view <symbol>(); }
function(bulwark_embed target symbol file)
  cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embed_${symbol})
  file(
    GENERATE
    OUTPUT ${out}.S
    CONTENT
      "  .section .rodata\n  .balign 16\n  .globl bulwark_embed_${symbol}\n  .globl bulwark_embed_${symbol}_end\nbulwark_embed_${symbol}:\n  .incbin \"${file}\"\nbulwark_embed_${symbol}_end:\n  .byte 0\n  .section .note.GNU-stack,\"\",@progbits\n"
  )
  file(
    GENERATE
    OUTPUT ${out}.cc
    CONTENT
      "#include <string_view>\nextern \"C\" const char bulwark_embed_${symbol}[], bulwark_embed_${symbol}_end[];\nnamespace bulwark::embedded {\nstd::string_view ${symbol}();\nstd::string_view ${symbol}() {\n  return {bulwark_embed_${symbol},\n          static_cast<size_t>(bulwark_embed_${symbol}_end - bulwark_embed_${symbol})};\n}\n}  // namespace bulwark::embedded\n"
  )
  set_source_files_properties(${out}.S PROPERTIES OBJECT_DEPENDS ${file} GENERATED TRUE)
  set_source_files_properties(${out}.cc PROPERTIES GENERATED TRUE SKIP_UNITY_BUILD_INCLUSION ON)
  target_sources(${target} PRIVATE ${out}.S ${out}.cc)
endfunction()
