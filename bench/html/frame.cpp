#include "html/frame.hpp"

#include "html/plot.hpp"

namespace nori::bench::html {

namespace {

// Okabe and Ito's colours, which people who see fewer colours tell apart, lightened in the dark.
constexpr std::string_view style = R"(
:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --soft: #5b6570; --line: #d9dee3;
  --k0: #0072b2; --k1: #d55e00; --k2: #009e73; --k3: #cc79a7; --k4: #8a6d00; --k5: #56799b;
  --k6: #6f42c1; --k7: #b3261e; --k8: #3f6f3f; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --ink: #e6e9ec; --soft: #9aa4ae; --line: #333a42;
    --k0: #4db2ec; --k1: #ff9147; --k2: #2fd3a3; --k3: #e9a3c9; --k4: #e3c84b; --k5: #9fbcd8;
    --k6: #b79cf0; --k7: #ff8a80; --k8: #9ccc9c; } }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; } h2 { font-size: 1.25rem; margin: 2rem 0 0.25rem; }
h3 { font-size: 1rem; margin: 0; } p { max-width: 46rem; margin: 0.5rem 0; }
.soft, figcaption { color: var(--soft); font-size: 0.875rem; }
.warning { border-left: 4px solid var(--k1); padding-left: 0.75rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 1.5rem; margin-top: 1rem; }
figure { margin: 0; min-width: 0; } .legend { font-size: 0.875rem; margin: 0.25rem 0; }
.key { white-space: nowrap; margin-right: 0.5rem; }
svg { width: 100%; height: auto; max-width: 34rem; display: block; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
path { fill: none; stroke-width: 2.5; } path.dashed { stroke-dasharray: 6 4; }
.grid { stroke: var(--line); stroke-width: 1; }
.spread { stroke: var(--ink); stroke-width: 2; }
.reference { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 3 3; }
.c0 { --c: var(--k0); } .c1 { --c: var(--k1); } .c2 { --c: var(--k2); }
.c3 { --c: var(--k3); } .c4 { --c: var(--k4); } .c5 { --c: var(--k5); }
.c6 { --c: var(--k6); } .c7 { --c: var(--k7); } .c8 { --c: var(--k8); }
path { stroke: var(--c); } circle, rect { fill: var(--c); } .key { color: var(--c); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.875rem; }
th, td { padding: 0.2rem 0.6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
)";

}  // namespace

std::string framed(std::string_view title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         escaped(title) + "</title>\n<style>" + std::string(style) +
         "</style>\n</head>\n<body>\n<main>\n<h1>" + escaped(title) + "</h1>\n" + body +
         "</main>\n</body>\n</html>\n";
}

std::string section(std::string_view heading, std::string_view text, const std::string& figures) {
  if (figures.empty()) return "";
  return "<section>\n<h2>" + escaped(heading) + "</h2>\n<p>" + escaped(text) +
         "</p>\n<div class=\"figures\">\n" + figures + "</div>\n</section>\n";
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::string out = "<div class=\"wide\">\n<table>\n";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string cell = i == 0 ? "th" : "td";
    out += "<tr>";
    for (const std::string& each : rows[i]) {
      out.append("<").append(cell).append(">").append(escaped(each));
      out.append("</").append(cell).append(">");
    }
    out += "</tr>\n";
  }
  return out + "</table>\n</div>\n";
}

}  // namespace nori::bench::html
