# Turns every sql/<backend>/*.sql into a byte array of <build>/generated/store/embedded_sql.c.
function(mog_embed_sql target)
  file(GLOB texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/sql/*/*.sql)
  set(out ${CMAKE_BINARY_DIR}/generated/store/embedded_sql.c)
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DROOT=${CMAKE_SOURCE_DIR}/sql "-DTEXTS=${texts}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake
    DEPENDS ${texts} ${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
