#ifndef NORI_BENCH_HTML_FRAME_HPP
#define NORI_BENCH_HTML_FRAME_HPP

#include <string>
#include <string_view>
#include <vector>

namespace nori::bench::html {

/// The page around some sections: style, light and dark. Well-formed as XML, too.
[[nodiscard]] std::string framed(std::string_view title, const std::string& body);

/// A heading, a paragraph, and figures side by side where there is room.
[[nodiscard]] std::string section(std::string_view heading, std::string_view text,
                                  const std::string& figures);

/// A table whose first row is its heading.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace nori::bench::html

#endif
