#include "runtime/log/log.hpp"
#include "runtime/log/capture.hpp"
#include "runtime/log/render.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>

namespace troupe::log {

struct capture::buffer {
  mutable std::mutex mtx;
  std::vector<std::string> lines;
};

namespace {

constexpr std::size_t queue_size = 4096;
constexpr std::array<std::string_view, 4> level_names{"debug", "info", "warning", "error"};

/// What a line goes to. Replaced as a whole, used under a shared lock.
struct output {
  std::shared_ptr<spdlog::details::thread_pool> writer; ///< None: written by the caller.
  std::shared_ptr<spdlog::logger> logger;
  bool human = true;
  bool coloured = false;
  std::string node;
};

struct state {
  std::shared_mutex mtx;
  output out;
  std::shared_ptr<capture::buffer> captured;
  std::atomic<level> threshold{level::info};
};

bool terminal() {
  return ::isatty(STDERR_FILENO) == 1;
}

bool colours_wanted() {
  auto* no_colour = std::getenv("NO_COLOR");
  return terminal() && (no_colour == nullptr || *no_colour == '\0');
}

void prepare(spdlog::logger& logger) {
  logger.set_level(spdlog::level::trace);
  logger.set_pattern("%v");
  logger.flush_on(spdlog::level::trace);
}

output standard_error() {
  output out;
  out.logger =
    std::make_shared<spdlog::logger>("troupe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  out.coloured = colours_wanted();
  prepare(*out.logger);
  return out;
}

/// Never destroyed: actors may log while static objects go away.
state& global() {
  static auto* instance = [] {
    auto* made = new state;
    made->out = standard_error();
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum spd_level(level lvl) {
  switch (lvl) {
  case level::debug:
    return spdlog::level::debug;
  case level::info:
    return spdlog::level::info;
  case level::warning:
    return spdlog::level::warn;
  default:
    return spdlog::level::err;
  }
}

} // namespace

std::string_view name_of(level lvl) noexcept {
  return level_names[static_cast<std::size_t>(lvl)];
}

std::optional<level> level_from(std::string_view name) noexcept {
  for (std::size_t i = 0; i < level_names.size(); ++i)
    if (level_names[i] == name)
      return static_cast<level>(i);
  return std::nullopt;
}

bool enabled(level lvl) noexcept {
  return lvl >= global().threshold.load(std::memory_order_relaxed);
}

void event(level lvl, std::string_view event, std::string_view actor,
           std::initializer_list<field> fields, std::string_view note) {
  auto& g = global();
  if (!enabled(lvl))
    return;
  thread_local std::string line;
  line.clear();
  auto what = record{std::chrono::system_clock::now(), lvl, event, actor, fields, note};
  std::shared_lock guard{g.mtx};
  if (g.captured) {
    append_json(line, what, g.out.node);
    std::lock_guard inner{g.captured->mtx};
    g.captured->lines.push_back(line);
    return;
  }
  if (g.out.human)
    append_human(line, what, g.out.coloured);
  else
    append_json(line, what, g.out.node);
  g.out.logger->log(spd_level(lvl), spdlog::string_view_t{line.data(), line.size()});
}

std::optional<std::string> init(const options& how) {
  output next;
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (how.file.empty())
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(how.file);
    next.writer = std::make_shared<spdlog::details::thread_pool>(queue_size, 1);
    next.logger = std::make_shared<spdlog::async_logger>("troupe", std::move(sink), next.writer,
                                                         spdlog::async_overflow_policy::block);
  } catch (const spdlog::spdlog_ex& failure) {
    return std::string{failure.what()};
  }
  prepare(*next.logger);
  auto to_terminal = how.file.empty() && terminal();
  next.human = how.how == format::human || (how.how == format::automatic && to_terminal);
  next.coloured = how.file.empty() && colours_wanted();
  next.node = how.node;
  auto& g = global();
  {
    std::unique_lock guard{g.mtx};
    std::swap(g.out, next);
    if (!g.captured)
      g.threshold = how.threshold;
  }
  next = {}; // Ends the earlier writer, which first writes what it still has.
  return std::nullopt;
}

void set_level(level threshold) noexcept {
  global().threshold = threshold;
}

void flush() {
  auto& g = global();
  // The queue has no way to wait for one element: a new writer on the same sinks does, since the
  // old one empties its queue before it ends.
  std::unique_lock guard{g.mtx};
  if (g.out.writer) {
    auto sinks = g.out.logger->sinks();
    g.out.logger.reset();
    g.out.writer.reset();
    g.out.writer = std::make_shared<spdlog::details::thread_pool>(queue_size, 1);
    g.out.logger = std::make_shared<spdlog::async_logger>(
      "troupe", sinks.begin(), sinks.end(), g.out.writer, spdlog::async_overflow_policy::block);
    prepare(*g.out.logger);
  }
  g.out.logger->flush();
}

void shutdown() {
  auto& g = global();
  auto last = standard_error();
  std::unique_lock guard{g.mtx};
  last.human = g.out.human;
  last.node = g.out.node;
  std::swap(g.out, last);
  last = {};
}

capture::capture(level threshold) : buffer_(std::make_shared<buffer>()) {
  auto& g = global();
  std::unique_lock guard{g.mtx};
  outer_ = std::exchange(g.captured, buffer_);
  outer_threshold_ = g.threshold.exchange(threshold);
}

capture::~capture() {
  auto& g = global();
  std::unique_lock guard{g.mtx};
  g.captured = outer_;
  g.threshold = outer_threshold_;
}

std::vector<std::string> capture::lines() const {
  std::lock_guard guard{buffer_->mtx};
  return buffer_->lines;
}

std::vector<std::string> capture::lines(std::string_view event) const {
  std::string wanted = ",\"event\":\"";
  wanted += event;
  wanted += '"';
  std::vector<std::string> found;
  for (auto& line : lines())
    if (line.find(wanted) != std::string::npos)
      found.push_back(line);
  return found;
}

} // namespace troupe::log
