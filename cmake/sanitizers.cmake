# -DDML_SANITIZE=address,undefined or thread instruments every target of ours.
if(DML_SANITIZE)
  add_compile_options(-fsanitize=${DML_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=${DML_SANITIZE})
endif()
