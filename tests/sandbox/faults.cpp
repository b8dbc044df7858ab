#include "tests/sandbox/faults.hpp"

#include "runtime/telegram/errors.hpp"
#include "runtime/telegram/methods.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <random>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 8> kind_names{
  "status", "reset_before", "reset_after", "half_answer", "hang", "latency", "tls", "flood"};

constexpr std::chrono::seconds default_retry_after{5};

std::optional<std::int64_t> whole(const json::value& x) {
  if (x.is_int64())
    return x.get_int64();
  if (x.is_uint64())
    return static_cast<std::int64_t>(x.get_uint64());
  if (auto* text = x.if_string()) {
    std::int64_t result = 0;
    auto* end = text->data() + text->size();
    auto [at, error] = std::from_chars(text->data(), end, result);
    if (error == std::errc{} && at == end)
      return result;
  }
  return std::nullopt;
}

std::optional<delay> read_delay(const json::value& x) {
  if (auto* text = x.if_string())
    return parse_delay({text->data(), text->size()});
  if (auto number = whole(x); number && *number >= 0)
    return delay{std::chrono::milliseconds{*number}, {}};
  return std::nullopt;
}

// One member of the description of a fault; an error is a sentence for people, empty: none.
std::string read_member(fault& x, std::string_view name, const json::value& value) {
  auto number = whole(value);
  auto* text = value.if_string();
  std::string_view word = text ? std::string_view{text->data(), text->size()} : std::string_view{};
  if (name == "kind") {
    auto at = std::find(kind_names.begin(), kind_names.end(), word);
    if (at == kind_names.end())
      return "kind must be one of status, reset_before, reset_after, half_answer, hang, latency, "
             "tls, flood";
    x.kind = static_cast<fault_kind>(at - kind_names.begin());
  } else if (name == "method") {
    auto index = telegram::find_method(word);
    if (index == telegram::unknown_method)
      return "method must be the name of a Bot API method";
    x.method = index;
  } else if (name == "bot" && number) {
    x.bot = *number;
  } else if (name == "chat" && number) {
    x.chat = *number;
  } else if (name == "error_code" && number && *number >= 400 && *number <= 599) {
    x.error_code = static_cast<int>(*number);
  } else if (name == "description" && text) {
    x.description = word;
  } else if (name == "retry_after" && number && *number >= 0) {
    x.retry_after = std::chrono::seconds{*number};
  } else if (name == "count" && number && *number >= 1) {
    x.count = static_cast<std::uint64_t>(*number);
  } else if (name == "ratio" && value.is_number()) {
    x.ratio = value.to_number<double>();
    if (!(x.ratio > 0 && x.ratio <= 1))
      return "ratio must be above 0 and at most 1";
  } else if (auto latency = name == "latency" ? read_delay(value) : std::nullopt) {
    x.latency = *latency;
  } else if (!value.is_null()) {
    return "unknown member or bad value: " + std::string{name};
  }
  return {};
}

} // namespace

std::variant<fault, std::string> fault_list::parse(const json::object& source) {
  if (!source.contains("kind"))
    return "kind is missing";
  fault x;
  for (auto& member : source) {
    auto error = read_member(x, {member.key().data(), member.key().size()}, member.value());
    if (!error.empty())
      return error;
  }
  if (x.kind == fault_kind::flood && x.retry_after.count() == 0)
    x.retry_after = default_retry_after;
  if (x.kind == fault_kind::latency && !x.latency)
    return "latency is missing: a time like \"50ms\" or \"50ms±20ms\"";
  if (x.kind == fault_kind::tls && (x.bot != 0 || x.method || x.chat != 0))
    return "a tls fault hits connections before any request: it takes no bot, method or chat";
  return x;
}

std::uint64_t fault_list::add(fault x) {
  std::lock_guard lock{mutex_};
  x.id = next_id_++;
  faults_.push_back(std::move(x));
  any_ = true;
  return faults_.back().id;
}

bool fault_list::remove(std::uint64_t id) {
  std::lock_guard lock{mutex_};
  auto removed = std::erase_if(faults_, [id](const fault& x) { return id == 0 || x.id == id; });
  any_ = !faults_.empty();
  ++epoch_;
  return removed > 0 || id == 0;
}

bool fault_list::draw(fault& x) {
  thread_local std::minstd_rand random{std::random_device{}()};
  if (x.ratio < 1 && std::uniform_real_distribution<double>{0, 1}(random) >= x.ratio)
    return false;
  ++x.hits;
  return true;
}

void fault_list::drop_spent() {
  std::erase_if(faults_, [](const fault& x) { return x.count > 0 && x.hits >= x.count; });
  any_ = !faults_.empty();
}

std::optional<fault> fault_list::hit(const fault_query& query,
                                     std::chrono::steady_clock::time_point now) {
  std::lock_guard lock{mutex_};
  std::erase_if(faults_, [now](const fault& x) { return x.flood_until && now >= *x.flood_until; });
  for (auto& x : faults_) {
    if (x.kind == fault_kind::tls || (x.bot != 0 && x.bot != query.bot)
        || (x.method && *x.method != query.method) || (x.chat != 0 && x.chat != query.chat)
        || !draw(x))
      continue;
    if (x.kind == fault_kind::flood && x.count == 0 && !x.flood_until)
      x.flood_until = now + x.retry_after;
    auto result = x;
    if (x.flood_until)
      result.retry_after = std::chrono::ceil<std::chrono::seconds>(*x.flood_until - now);
    drop_spent();
    return result;
  }
  any_ = !faults_.empty();
  return std::nullopt;
}

bool fault_list::hit_handshake() {
  if (!any())
    return false;
  std::lock_guard lock{mutex_};
  for (auto& x : faults_)
    if (x.kind == fault_kind::tls && draw(x)) {
      drop_spent();
      return true;
    }
  return false;
}

std::string fault_list::report() const {
  std::lock_guard lock{mutex_};
  std::string out = R"({"faults":[)";
  for (auto& x : faults_) {
    if (&x != &faults_.front())
      out += ',';
    out += R"({"id":)" + std::to_string(x.id) + R"(,"kind":")";
    out += kind_names[static_cast<std::size_t>(x.kind)];
    out += '"';
    if (x.bot != 0)
      out += R"(,"bot":)" + std::to_string(x.bot);
    if (x.method)
      out += R"(,"method":")" + std::string{telegram::method(*x.method).name} + '"';
    if (x.chat != 0)
      out += R"(,"chat":)" + std::to_string(x.chat);
    if (x.count > 0)
      out += R"(,"count":)" + std::to_string(x.count);
    out += R"(,"hits":)" + std::to_string(x.hits) + '}';
  }
  return out + "]}";
}

} // namespace troupe::sandbox
