# What every target of ours is compiled with; nothing is set globally.
add_library(hubrev_flags INTERFACE)
target_compile_features(hubrev_flags INTERFACE cxx_std_20)
target_include_directories(hubrev_flags INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(hubrev_flags INTERFACE
  -fvisibility=hidden -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor
  $<$<BOOL:${HUBREV_WERROR}>:-Werror>)
if(HUBREV_SANITIZE)
  target_compile_options(hubrev_flags INTERFACE
    -fsanitize=${HUBREV_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(hubrev_flags INTERFACE -fsanitize=${HUBREV_SANITIZE})
endif()

# hubrev_layer(<name> SOURCES ... DEPENDS ...): one static library per folder of plugin/.
# DEPENDS are PUBLIC: a layer's headers name the layers below it.
function(hubrev_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE" ${ARGN})
  add_library(hubrev_${name} STATIC ${ARG_SOURCES})
  add_library(hubrev::${name} ALIAS hubrev_${name})
  set_target_properties(hubrev_${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  target_link_libraries(hubrev_${name} PUBLIC hubrev_flags ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE})
endfunction()
