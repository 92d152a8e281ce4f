# Makes the files that the server serves part of it: cmake -D FOLDER=... -D OUT=... -P embed.cmake
file(READ "${FOLDER}/openapi.json" openapi)
set(page "<!DOCTYPE html><html lang=\"en\"><title>account_server</title>\
<p>What this server answers: <a href=\"/openapi.json\">openapi.json</a></p></html>\n")
if(EXISTS "${FOLDER}/page.html")
  file(READ "${FOLDER}/page.html" page)
endif()
file(WRITE "${OUT}" "#include \"assets.hpp\"

namespace account_server {

std::string page_html() {
  return R\"embedded(${page})embedded\";
}
std::string openapi_json() {
  return R\"embedded(${openapi})embedded\";
}

}  // namespace account_server
")
