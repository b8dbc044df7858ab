#include "runtime/main/trouped/past.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace troupe {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// The mark is made once a second; it may be this much older than the last request.
constexpr auto slack = 2s;

} // namespace

past_mark::past_mark(const std::string& data_dir) {
  std::error_code ec;
  bool made = fs::create_directories(data_dir, ec);
  if (ec)
    throw std::runtime_error{"node.data-dir: cannot make " + data_dir + ": " + ec.message()};
  if (made) // It will hold keys.
    fs::permissions(data_dir, fs::perms::owner_all, ec);
  file_ = (fs::path{data_dir} / "last-active").string();
  auto marked = fs::last_write_time(file_, ec);
  if (!ec) {
    auto age = fs::file_time_type::clock::now() - marked - slack;
    auto left = [age](std::chrono::seconds window) {
      // A mark from the future means that the clock was set back: believe nothing.
      auto open = age < -slack ? duration{window} : duration{window} - duration_cast<duration>(age);
      return std::clamp(open, duration::zero(), duration{window});
    };
    unseen_ = {left(1s), left(20s), left(60s)};
  }
  touch();
}

void past_mark::touch() {
  std::ofstream out{file_, std::ios::trunc};
  out << "The change time of this file tells when the node last could make requests.\n";
  if (!out.flush())
    throw std::runtime_error{"node.data-dir: cannot write " + file_};
}

} // namespace troupe
