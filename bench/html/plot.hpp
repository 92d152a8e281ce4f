#ifndef NORI_BENCH_HTML_PLOT_HPP
#define NORI_BENCH_HTML_PLOT_HPP

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nori::bench::html {

/// Text as HTML and XML want it.
[[nodiscard]] std::string escaped(std::string_view text);

struct series {
  std::string name;
  std::size_t colour = 0;  ///< from 0
  bool dashed = false;
  std::vector<std::pair<double, double>> points;

  series() = default;
};

struct axis {
  std::string label;
  bool logarithmic = false;
  std::function<std::string(double)> text;
  std::vector<double> ticks;  ///< empty: chosen

  axis() = default;
};

struct chart {
  std::string title;
  std::string caption;
  axis x;
  axis y;
  std::vector<series> lines;

  chart() = default;
};

/// A figure with an SVG in it. Points that a logarithmic axis can't show are left out.
[[nodiscard]] std::string line_chart(const chart& of);

struct bar {
  std::string name;
  double value = 0;
  double lowest = 0;
  double highest = 0;
  std::string text;
  std::size_t colour = 0;

  bar() = default;
};

/// Horizontal bars with their spread; a line at `reference`, unless that is 0.
[[nodiscard]] std::string bar_chart(const std::string& title, const std::string& caption,
                                    const std::vector<bar>& bars, double reference);

}  // namespace nori::bench::html

#endif
