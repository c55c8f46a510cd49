# Run at every build: writes OUTPUT from INPUT when version or git revision have changed.
execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12
                OUTPUT_VARIABLE DML_GIT_REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT DML_GIT_REVISION)
  set(DML_GIT_REVISION "unknown")
endif()
configure_file("${INPUT}" "${OUTPUT}" @ONLY)
