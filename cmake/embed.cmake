# Turns files into byte arrays of C sources below <build>/generated.
function(mog_embed target out root header array)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DROOT=${root} -DHEADER=${header} -DARRAY=${array} "-DTEXTS=${ARGN}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    DEPENDS ${ARGN} ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()

# Every sql/<backend>/*.sql.
function(mog_embed_sql target)
  file(GLOB texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sql/*/*.sql)
  mog_embed(${target} ${CMAKE_BINARY_DIR}/generated/store/embedded_sql.c ${CMAKE_SOURCE_DIR}/sql
            store/embedded.h embedded_sql ${texts})
endfunction()

# The page of the tracker.
function(mog_embed_page target)
  file(GLOB texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/tracker/web/page/*)
  mog_embed(${target} ${CMAKE_BINARY_DIR}/generated/web/embedded_page.c ${CMAKE_SOURCE_DIR}/src/tracker/web/page
            tracker/web/web_page.h embedded_page ${texts})
endfunction()
