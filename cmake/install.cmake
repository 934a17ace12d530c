# What is installed beside the programs: manual pages, sample configuration, units and init scripts.
file(GLOB pages CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/man/*.[1-8])
foreach(page IN LISTS pages)
  string(REGEX REPLACE ".*\\.([1-8])$" "\\1" section ${page})
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

file(GLOB samples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/conf/*.conf)
install(FILES ${samples} DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES README.md DESIGN.md CHANGES.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

install(FILES init/mogilefsd.service init/mogstored.service DESTINATION lib/systemd/system)
install(FILES init/mogilefs.sysusers.conf DESTINATION lib/sysusers.d RENAME mogilefs.conf)
install(FILES init/mogilefs.tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME mogilefs.conf)
foreach(daemon mogilefsd mogstored)
  install(PROGRAMS init/${daemon}.init DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
  install(FILES init/${daemon}.default DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
endforeach()

# Completion of command lines: one script for all tools, found by the shells under each tool's name.
if(TARGET mogadm)
  set(completions ${CMAKE_BINARY_DIR}/completions)
  file(MAKE_DIRECTORY ${completions})
  foreach(shell bash zsh)
    add_custom_command(OUTPUT ${completions}/mogadm.${shell} COMMAND mogadm completion ${shell} > ${completions}/mogadm.${shell}
      DEPENDS mogadm VERBATIM)
  endforeach()
  add_custom_target(completions ALL DEPENDS ${completions}/mogadm.bash ${completions}/mogadm.zsh)
  foreach(tool mogadm mogupload mogfetch mogdelete mogrename mogfileinfo mogfiledebug moglistkeys moglistfids mogtool mogbench)
    install(FILES ${completions}/mogadm.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME ${tool})
  endforeach()
  install(FILES ${completions}/mogadm.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _mogadm)
endif()
