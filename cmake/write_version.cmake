# Run at every build: writes OUTPUT from INPUT when version or git revision have changed.
# The environment's DML_GIT_REVISION comes first: an image is built without the .git folder. A clone of another user is
# read all the same.
set(DML_GIT_REVISION "$ENV{DML_GIT_REVISION}")
if(NOT DML_GIT_REVISION)
  execute_process(COMMAND git -c "safe.directory=${SOURCE_DIR}" -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12
                  OUTPUT_VARIABLE DML_GIT_REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
if(NOT DML_GIT_REVISION)
  set(DML_GIT_REVISION "unknown")
endif()
configure_file("${INPUT}" "${OUTPUT}" @ONLY)
