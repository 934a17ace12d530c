# Debian packages, made by "cpack -G DEB" in a folder that was configured with -DMOG_PACKAGES=ON; see scripts/package.
if(NOT MOG_PACKAGES)
  return()
endif()
if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  message(FATAL_ERROR "packages are made with -DCMAKE_INSTALL_PREFIX=/usr")
endif()

set(MOG_DEBIAN_REVISION 1 CACHE STRING "The revision of the packages")
set(MOG_DEBIAN_MAINTAINER "MogileFS maintainers <maintainers@mogilefs.invalid>" CACHE STRING "Who makes the packages")
set(debian ${CMAKE_SOURCE_DIR}/packaging/debian)
set(made ${CMAKE_BINARY_DIR}/debian)
string(TIMESTAMP MOG_DEBIAN_DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)

set(CPACK_PACKAGE_NAME mogilefs)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE ${MOG_DEBIAN_REVISION})
set(CPACK_PACKAGE_CONTACT ${MOG_DEBIAN_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${MOG_DEBIAN_MAINTAINER})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL mogilefsd mogstored utils)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_SET_DESTDIR ON) # there are files in /etc
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_DEBIAN_MOGILEFSD_PACKAGE_NAME mogilefsd)
set(CPACK_DEBIAN_MOGSTORED_PACKAGE_NAME mogstored)
set(CPACK_DEBIAN_UTILS_PACKAGE_NAME mogilefs-utils)
set(CPACK_DEBIAN_MOGILEFSD_PACKAGE_SECTION net)
set(CPACK_DEBIAN_MOGSTORED_PACKAGE_SECTION net)
set(CPACK_DEBIAN_UTILS_PACKAGE_SECTION net)

set(CPACK_COMPONENT_MOGILEFSD_DESCRIPTION "tracker of MogileFS, the distributed file store
MogileFS keeps files on ordinary disks of ordinary machines, each as often and
as far apart as its class says, and finds them again by a name.

This package has the tracker, which knows names and places, makes new copies
when a disk or a machine dies, and tells clients where to go; and mogdbsetup,
which makes its database in MariaDB, MySQL or PostgreSQL. A single tracker
needs no database server.")
set(CPACK_COMPONENT_MOGSTORED_DESCRIPTION "storage node of MogileFS, the distributed file store
MogileFS keeps files on ordinary disks of ordinary machines, each as often and
as far apart as its class says, and finds them again by a name.

This package has the storage node: it keeps the files of one machine's disks
and serves them by HTTP.")
set(CPACK_COMPONENT_UTILS_DESCRIPTION "tools of MogileFS, the distributed file store
MogileFS keeps files on ordinary disks of ordinary machines, each as often and
as far apart as its class says, and finds them again by a name.

This package has the tools for administrators (mogadm, mogstats, mogfiledebug)
and for files (mogupload, mogfetch, mogdelete, mogtool and others), and a
benchmark.")

set(CPACK_DEBIAN_MOGILEFSD_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54~), sysvinit-utils (>= 3.05-4~)")
set(CPACK_DEBIAN_MOGSTORED_PACKAGE_DEPENDS "adduser, init-system-helpers (>= 1.54~), sysvinit-utils (>= 3.05-4~)")
set(CPACK_DEBIAN_MOGILEFSD_PACKAGE_SUGGESTS
  "mogilefs-utils, default-mysql-server | virtual-mysql-server | postgresql, memcached, logrotate")
set(CPACK_DEBIAN_MOGSTORED_PACKAGE_SUGGESTS "mogilefs-utils, logrotate")
set(CPACK_DEBIAN_UTILS_PACKAGE_SUGGESTS "mogilefsd, mogstored")

foreach(daemon mogilefsd mogstored)
  string(TOUPPER ${daemon} upper)
  set(scripts)
  foreach(script postinst prerm postrm)
    # cpack takes the name in the package from the file's.
    configure_file(${debian}/${daemon}.${script} ${made}/${daemon}/${script} COPYONLY)
    list(APPEND scripts ${made}/${daemon}/${script})
  endforeach()
  file(WRITE ${made}/${daemon}/conffiles "/etc/default/${daemon}\n/etc/init.d/${daemon}\n/etc/logrotate.d/${daemon}\n")
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${scripts};${made}/${daemon}/conffiles")
endforeach()

# Each package says who may do what with it, and what has changed.
foreach(component mogilefsd mogstored utils)
  set(MOG_DEBIAN_PACKAGE ${package_of_${component}})
  set(folder ${made}/${component})
  configure_file(${debian}/changelog.in ${folder}/changelog.Debian @ONLY)
  execute_process(COMMAND gzip -9nf ${folder}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${folder}/changelog.Debian.gz ${debian}/copyright DESTINATION ${MOG_DOCDIR}/${MOG_DEBIAN_PACKAGE}
    COMPONENT ${component})
endforeach()

if(EXISTS ${CMAKE_SOURCE_DIR}/CHANGES.md)
  configure_file(CHANGES.md ${made}/changelog COPYONLY)
  execute_process(COMMAND gzip -9nf ${made}/changelog COMMAND_ERROR_IS_FATAL ANY)
  foreach(component mogilefsd mogstored utils)
    install(FILES ${made}/changelog.gz DESTINATION ${MOG_DOCDIR}/${package_of_${component}} COMPONENT ${component})
  endforeach()
endif()

include(CPack)
