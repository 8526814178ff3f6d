# Flags that hold for every target.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                    -Wimplicit-fallthrough -Werror=return-type)
# The same object from every checkout, so that the compiler cache hits in a clone elsewhere.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Designated initializers leave members at their defaults on purpose; fmt and gtest trip the
  # others at -O2 inside their own headers.
  add_compile_options(-Wno-missing-field-initializers -Wno-restrict -Wno-array-bounds
                      -Wno-stringop-overflow -Wno-maybe-uninitialized -Wno-dangling-reference)
else()
  add_compile_options(-Wno-missing-field-initializers -Wno-missing-designated-field-initializers
                      -Wno-gnu-statement-expression-from-macro-expansion)
endif()

find_program(BULWARK_MOLD mold)
if(BULWARK_MOLD AND NOT BULWARK_SANITIZE)
  add_link_options(-fuse-ld=mold)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()

if(BULWARK_SANITIZE)
  add_compile_options(-fsanitize=${BULWARK_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${BULWARK_SANITIZE})
endif()
if(BULWARK_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(BULWARK_HARDEN)
  add_compile_definitions(_FORTIFY_SOURCE=2)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_compile_options(-fcf-protection)
  endif()
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS)
add_compile_definitions(BULWARK_VERSION="${PROJECT_VERSION}")
