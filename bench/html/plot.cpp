#include "html/plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

namespace nori::bench::html {

namespace {

constexpr std::size_t colours = 9;  // that the page has

// Narrow, so that its text stays readable on a phone.
constexpr double width = 440;
constexpr double height = 300;
constexpr double left = 62;
constexpr double right = 30;  // half of the widest label below
constexpr double top = 12;
constexpr double bottom = 46;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// From values to the place on the page.
class scale {
 public:
  scale(double lowest, double highest, bool logarithmic, double from, double to)
      : logarithmic_(logarithmic), from_(from), to_(to), low_(bent(lowest)), high_(bent(highest)) {
    if (high_ - low_ < 1e-9) {
      low_ -= 0.5;
      high_ += 0.5;
    }
  }
  [[nodiscard]] double operator()(double value) const {
    return from_ + (bent(value) - low_) / (high_ - low_) * (to_ - from_);
  }

 private:
  [[nodiscard]] double bent(double value) const { return logarithmic_ ? std::log10(value) : value; }
  bool logarithmic_;
  double from_;
  double to_;
  double low_;
  double high_;
};

struct range {
  double lowest;
  double highest;
};

std::vector<double> linear_ticks(range& of) {
  of.lowest = std::min(0.0, of.lowest);
  if (of.highest <= of.lowest) of.highest = of.lowest + 1;
  const double rough = (of.highest - of.lowest) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double each : {1.0, 2.0, 5.0, 10.0}) {
    step = each * power;
    if (step >= rough) break;
  }
  of.highest = std::ceil(of.highest / step - 1e-9) * step;
  std::vector<double> ticks;
  for (double at = of.lowest; at <= of.highest + step / 2; at += step) ticks.push_back(at);
  return ticks;
}

std::vector<double> logarithmic_ticks(range& of) {
  const double decades = std::log10(of.highest / of.lowest);
  std::vector<double> steps{1.0};
  if (decades < 3) steps = {1.0, 3.0};
  if (decades < 1.5) steps = {1.0, 2.0, 5.0};
  std::vector<double> candidates;
  for (double power = std::floor(std::log10(of.lowest)); power <= std::log10(of.highest) + 1;
       ++power) {
    for (const double each : steps) candidates.push_back(each * std::pow(10, power));
  }
  std::vector<double> ticks;
  double before = candidates.front();
  for (const double each : candidates) {
    if (each <= of.lowest * (1 + 1e-9)) before = each;
  }
  for (const double each : candidates) {
    if (each < before) continue;
    ticks.push_back(each);
    if (each >= of.highest * (1 - 1e-9)) break;
  }
  of.lowest = std::min(of.lowest, ticks.front());
  of.highest = std::max(of.highest, ticks.back());
  // Many decades: only as many labels as have room.
  const std::size_t every = ticks.size() / 9 + 1;
  std::vector<double> few;
  for (std::size_t i = 0; i < ticks.size(); i += every) few.push_back(ticks[i]);
  return few;
}

std::optional<range> range_of(const chart& of, bool horizontal) {
  const axis& along = horizontal ? of.x : of.y;
  std::optional<range> found;
  for (const series& line : of.lines) {
    for (const auto& [x, y] : line.points) {
      const double value = horizontal ? x : y;
      if (!std::isfinite(value) || (along.logarithmic && value <= 0)) continue;
      if (!found) found = range{value, value};
      found->lowest = std::min(found->lowest, value);
      found->highest = std::max(found->highest, value);
    }
  }
  return found;
}

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + anchor + "\">" +
         escaped(text) + "</text>";
}

std::string line_at(const char* kind, double x1, double y1, double x2, double y2) {
  return std::string("<line class=\"") + kind + "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) +
         "\" x2=\"" + number(x2) + "\" y2=\"" + number(y2) + "\"/>";
}

std::string opening(const std::string& title, double tall) {
  return "<svg viewBox=\"0 0 " + number(width) + " " + number(tall) +
         "\" role=\"img\" aria-label=\"" + escaped(title) + "\">\n";
}

std::string figure_of(const std::string& title, const std::string& legend, const std::string& svg,
                      const std::string& caption) {
  return "<figure>\n<h3>" + escaped(title) + "</h3>\n" + legend + svg + "<figcaption>" +
         escaped(caption) + "</figcaption>\n</figure>\n";
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  for (const char each : text) {
    switch (each) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Control characters are in no document.
        if (static_cast<unsigned char>(each) >= 0x20 || each == '\n') out += each;
    }
  }
  return out;
}

std::string line_chart(const chart& of) {
  std::optional<range> across = range_of(of, true);
  std::optional<range> up = range_of(of, false);
  if (!across || !up) return "";
  std::vector<double> x_ticks = of.x.ticks;
  if (x_ticks.empty()) {
    x_ticks = of.x.logarithmic ? logarithmic_ticks(*across) : linear_ticks(*across);
  }
  const std::vector<double> y_ticks = of.y.logarithmic ? logarithmic_ticks(*up) : linear_ticks(*up);
  const scale x(across->lowest, across->highest, of.x.logarithmic, left, width - right);
  const scale y(up->lowest, up->highest, of.y.logarithmic, height - bottom, top);

  std::string svg = opening(of.title, height);
  for (const double each : y_ticks) {
    svg += line_at("grid", left, y(each), width - right, y(each)) +
           text_at(left - 6, y(each) + 4, "end", of.y.text(each)) + "\n";
  }
  for (const double each : x_ticks) {
    svg += line_at("grid", x(each), top, x(each), height - bottom) +
           text_at(x(each), height - bottom + 17, "middle", of.x.text(each)) + "\n";
  }
  svg += text_at((left + width - right) / 2, height - 8, "middle", of.x.label) + "\n";
  std::string legend = "<p class=\"legend\">" + escaped(of.y.label) + ": ";
  for (const series& line : of.lines) {
    const std::string colour = "c" + std::to_string(line.colour % colours);
    const std::string kind = colour + (line.dashed ? " dashed" : "");
    legend += "<span class=\"key " + colour + "\">" + (line.dashed ? "&#9476;" : "&#9473;") + " " +
              escaped(line.name) + "</span> ";
    std::string path;
    std::string marks;
    for (const auto& [px, py] : line.points) {
      if ((of.x.logarithmic && px <= 0) || (of.y.logarithmic && py <= 0)) continue;
      if (!std::isfinite(px) || !std::isfinite(py)) continue;
      path += (path.empty() ? "M" : " L") + number(x(px)) + " " + number(y(py));
      marks += "<circle class=\"" + colour + "\" cx=\"" + number(x(px)) + "\" cy=\"" +
               number(y(py)) + "\" r=\"3\"><title>" +
               escaped(line.name + ", " + of.x.text(px) + ": " + of.y.text(py)) +
               "</title></circle>";
    }
    if (!path.empty()) {
      svg += "<path class=\"" + kind + "\" d=\"" + path + "\"/>" + marks + "\n";
    }
  }
  return figure_of(of.title, legend + "</p>\n", svg + "</svg>\n", of.caption);
}

std::string bar_chart(const std::string& title, const std::string& caption,
                      const std::vector<bar>& bars, double reference) {
  if (bars.empty()) return "";
  constexpr double row = 34;
  constexpr double value_room = 76;
  const double tall = static_cast<double>(bars.size()) * row + 8;
  double highest = reference;
  for (const bar& each : bars) highest = std::max({highest, each.value, each.highest});
  const scale x(0, highest, false, 4, width - value_room);
  std::string svg = opening(title, tall);
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const bar& each = bars[i];
    const double y = static_cast<double>(i) * row + 4;
    svg += text_at(4, y + 12, "start", each.name);
    svg += "<rect class=\"c" + std::to_string(each.colour % colours) + "\" x=\"4\" y=\"" +
           number(y + 16) + "\" width=\"" + number(std::max(1.0, x(each.value) - 4)) +
           "\" height=\"11\"/>";
    if (each.highest > each.lowest) {
      svg += line_at("spread", x(each.lowest), y + 21.5, x(each.highest), y + 21.5);
    }
    svg += text_at(x(std::max(each.value, each.highest)) + 6, y + 26, "start", each.text) + "\n";
  }
  if (reference > 0) svg += line_at("reference", x(reference), 2, x(reference), tall - 2) + "\n";
  return figure_of(title, "", svg + "</svg>\n", caption);
}

}  // namespace nori::bench::html
