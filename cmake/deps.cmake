# The only place that looks for other people's libraries. All come from Debian 12's -dev packages
# (scripts/setup names them); newer ones work too.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(Boost 1.74 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
pkg_check_modules(libgit2 REQUIRED IMPORTED_TARGET libgit2>=1.5)
pkg_check_modules(libxxhash REQUIRED IMPORTED_TARGET libxxhash>=0.8)
if(HUBREV_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
