#include "runtime/api/ctl_progress.hpp"

#include "runtime/api/ctl_print.hpp"

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace troupe::api {
namespace {

constexpr std::size_t bar_width = 30;
constexpr std::chrono::milliseconds between_drawings{100};

} // namespace

std::string progress_line(std::uint64_t done, std::uint64_t of,
                          std::chrono::duration<double> took) {
  if (of > 0)
    done = std::min(done, of);
  auto rate = took.count() > 0 ? static_cast<double>(done) / took.count() : 0.0;
  auto speed = fmt::format("{:.{}f}/s", rate, rate < 10 ? 1 : 0);
  if (of == 0)
    return fmt::format("{}  {}", done, speed);
  auto part = static_cast<double>(done) / static_cast<double>(of);
  auto full = static_cast<std::size_t>(part * bar_width);
  auto line = fmt::format("[{}{}] {:3.0f} %  {} of {}  {}", std::string(full, '#'),
                          std::string(bar_width - full, '-'), part * 100, done, of, speed);
  if (done > 0 && done < of)
    line += fmt::format("  {} left", shown_seconds(static_cast<double>(of - done) / rate));
  return line;
}

void progress::show(std::uint64_t done) {
  auto now = clock::now();
  if (!terminal_ || now - drawn_ < between_drawings)
    return;
  drawn_ = now;
  to_ << '\r' << progress_line(done, of_, now - begun_) << "\x1b[K" << std::flush;
}

void progress::clear() {
  if (!terminal_ || drawn_ == clock::time_point{})
    return;
  drawn_ = {};
  to_ << "\r\x1b[K" << std::flush;
}

} // namespace troupe::api
