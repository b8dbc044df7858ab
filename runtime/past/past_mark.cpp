#include "runtime/past/past_mark.hpp"

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

unseen_past read_mark(const std::string& file) {
  std::error_code ec;
  auto marked = fs::last_write_time(file, ec);
  if (ec == std::errc::no_such_file_or_directory)
    return unseen_past::none();
  auto now = fs::file_time_type::clock::now();
  // Compared before it is subtracted: a time far off would overflow into a harmless one.
  if (ec || marked > now)
    return unseen_past::unknown();
  return unseen_after(now - marked);
}

} // namespace

unseen_past unseen_after(duration age) noexcept {
  auto all = unseen_past::unknown();
  if (age < duration::zero())
    return all;
  auto left = [since = age - slack](duration window) {
    return std::clamp(window - since, duration::zero(), window);
  };
  return {left(all.rates), left(all.chats), left(all.groups)};
}

past_mark::past_mark(const std::string& data_dir) {
  std::error_code ec;
  bool made = fs::create_directories(data_dir, ec);
  if (ec)
    throw std::runtime_error{"node.data-dir: cannot make " + data_dir + ": " + ec.message()};
  if (made) // It will hold keys.
    fs::permissions(data_dir, fs::perms::owner_all, ec);
  file_ = (fs::path{data_dir} / "last-active").string();
  unseen_ = read_mark(file_);
  touch();
}

void past_mark::touch() {
  std::ofstream out{file_, std::ios::trunc};
  out << "The change time of this file tells when the node last could make requests.\n";
  if (!out.flush())
    throw std::runtime_error{"node.data-dir: cannot write " + file_};
}

} // namespace troupe
