# What `make install` installs, and the Debian package of `make package` (docs/deployment.md).
# Component `program`: everywhere the same. Component `settings`: /etc/troupe, in the package alone.
include(GNUInstallDirs)
set(deployed ${PROJECT_SOURCE_DIR}/configs)

install(TARGETS trouped troupectl RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(DIRECTORY ${deployed}/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT program
  PATTERN debian EXCLUDE)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)

# The unit and its example names the programs where they are installed; the prefix is known only then.
install(CODE "
  file(READ \"${deployed}/systemd/troupe.service\" unit)
  string(REPLACE /usr/bin/trouped \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/trouped\" unit \"\${unit}\")
  string(REPLACE /usr/share/doc/troupe \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}\" unit \"\${unit}\")
  foreach(place IN ITEMS lib/systemd/system ${CMAKE_INSTALL_DOCDIR}/examples/systemd)
    file(WRITE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${place}/troupe.service\" \"\${unit}\")
    file(CHMOD \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${place}/troupe.service\"
      PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  endforeach()"
  COMPONENT program)

# Completion in a shell is troupectl's own table of commands.
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/completion/troupectl
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/completion
  COMMAND troupectl completion bash > ${CMAKE_BINARY_DIR}/completion/troupectl
  DEPENDS troupectl VERBATIM)
add_custom_target(completion ALL DEPENDS ${CMAKE_BINARY_DIR}/completion/troupectl)
add_dependencies(programs completion)
install(FILES ${CMAKE_BINARY_DIR}/completion/troupectl
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)

# The settings of the package: every file with its defaults, the data where packages keep it.
file(GLOB settings CONFIGURE_DEPENDS ${deployed}/*.conf)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${settings} ${deployed}/debian/changelog)
set(conffiles "")
foreach(file IN LISTS settings)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  if(name STREQUAL "node.conf")
    string(REPLACE "data-dir = \"troupe-data\"" "data-dir = \"/var/lib/troupe\"" moved "${text}")
    if(moved STREQUAL text)
      message(FATAL_ERROR "${file} does not say where data is")
    endif()
    set(text "${moved}")
  endif()
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/package/settings/${name} CONTENT "${text}" @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/package/settings/${name} DESTINATION /etc/troupe COMPONENT settings
    EXCLUDE_FROM_ALL)
  string(APPEND conffiles "/etc/troupe/${name}\n")
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/package/conffiles CONTENT "${conffiles}" @ONLY)

# Whoever distributes the package is its maintainer.
set(TROUPE_MAINTAINER "Troupe <troupe@localhost.localdomain>" CACHE STRING "Maintainer of the package")
configure_file(${deployed}/debian/changelog ${CMAKE_BINARY_DIR}/package/changelog @ONLY)
find_program(GZIP gzip REQUIRED)
execute_process(COMMAND ${GZIP} -9nc ${CMAKE_BINARY_DIR}/package/changelog
  OUTPUT_FILE ${CMAKE_BINARY_DIR}/package/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
install(FILES ${CMAKE_BINARY_DIR}/package/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT settings
  EXCLUDE_FROM_ALL)
install(FILES ${deployed}/debian/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT settings EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME troupe)
set(CPACK_PACKAGE_VENDOR Troupe)
set(CPACK_PACKAGE_CONTACT "${TROUPE_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "runtime for Telegram bots")
set(CPACK_PACKAGE_DESCRIPTION "Runs many Telegram bots as supervised actors. Client libraries talk to
it as to the Bot API and get connection pooling, pacing, retries, circuit
breaking, metrics and fairness between bots; updates are received and kept
until they are delivered. One node, or several as a cluster with etcd and
PostgreSQL.")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program settings)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_NAME troupe)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql, etcd-server")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${deployed}/debian/postinst ${deployed}/debian/prerm
  ${deployed}/debian/postrm ${CMAKE_BINARY_DIR}/package/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
include(CPack)
