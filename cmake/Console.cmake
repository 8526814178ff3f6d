# bulwark_console(<target>)
#
# Builds the web console (console/) when its sources changed and embeds it into the target as one
# file, bulwark::embedded::console_pack(); src/console_files/ reads that. Needs node and npm on
# PATH, unless the same sources were built on this machine before: results are kept under
# ${XDG_CACHE_HOME:-~/.cache}/bulwark/console by the hash of the sources.
function(bulwark_console target)
  set(root ${PROJECT_SOURCE_DIR}/console)
  set(pack ${CMAKE_CURRENT_BINARY_DIR}/console.pack)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/src/* ${root}/public/* ${root}/scripts/*)
  list(FILTER sources EXCLUDE REGEX "\\.test\\.tsx?$")
  add_custom_command(
    OUTPUT ${pack}
    COMMAND ${root}/scripts/build.sh ${pack}
    DEPENDS ${sources} ${root}/index.html ${root}/package.json ${root}/package-lock.json
            ${root}/tsconfig.json ${root}/vite.config.ts ${root}/.npmrc
    COMMENT "Building the console"
    VERBATIM)
  bulwark_embed(${target} console_pack ${pack})
endfunction()
