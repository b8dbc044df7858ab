#include "actors/cluster/keys.hpp"

#include <boost/json.hpp>

#include <charconv>

namespace troupe::clustering {

namespace json = boost::json;

std::string to_text(const node_record& x) {
  return json::serialize(json::object{{"version", x.version},
                                      {"address", x.address},
                                      {"certificate", x.certificate},
                                      {"capacity", x.capacity},
                                      {"leaving", x.leaving}});
}

std::optional<node_record> read_node(std::string_view text) {
  boost::system::error_code failed;
  auto said = json::parse(json::string_view{text.data(), text.size()}, failed);
  if (failed || !said.is_object())
    return std::nullopt;
  node_record result;
  auto& all = said.get_object();
  for (auto [name, to] : {std::pair{"version", &result.version},
                          {"address", &result.address},
                          {"certificate", &result.certificate}})
    if (auto* found = all.if_contains(name); found != nullptr && found->is_string())
      to->assign(found->get_string().data(), found->get_string().size());
  if (auto* found = all.if_contains("capacity"); found != nullptr && found->is_number()) {
    auto n = found->to_number<std::uint32_t>(failed);
    result.capacity = failed ? 1 : n;
  }
  if (auto* found = all.if_contains("leaving"))
    result.leaving = found->is_bool() && found->get_bool();
  return result;
}

/// {"nodes":["a","b"],"shards":[[0,512],[1,512]]}: runs of (node, how many shards); -1: none.
std::string to_text(const shard_plan& x) {
  json::array names(x.nodes.begin(), x.nodes.end());
  json::array runs;
  for (std::size_t i = 0; i < shard_count;) {
    auto from = i;
    while (i < shard_count && x.owners[i] == x.owners[from])
      ++i;
    auto whose = x.owners[from] == no_node ? std::int64_t{-1} : std::int64_t{x.owners[from]};
    runs.push_back(json::array{whose, i - from});
  }
  return json::serialize(json::object{{"nodes", std::move(names)}, {"shards", std::move(runs)}});
}

std::optional<shard_plan> read_plan(std::string_view text) {
  boost::system::error_code failed;
  auto said = json::parse(json::string_view{text.data(), text.size()}, failed);
  if (failed || !said.is_object())
    return std::nullopt;
  shard_plan result;
  try {
    for (auto& name : said.at("nodes").as_array())
      result.nodes.emplace_back(name.as_string());
    std::size_t at = 0;
    for (auto& run : said.at("shards").as_array()) {
      auto whose = run.at(0).to_number<std::int64_t>();
      auto count = run.at(1).to_number<std::size_t>();
      if (count > shard_count - at || whose >= static_cast<std::int64_t>(result.nodes.size()))
        return std::nullopt;
      for (; count > 0; --count)
        result.owners[at++] = whose < 0 ? no_node : static_cast<std::uint32_t>(whose);
    }
  } catch (const std::exception&) {
    return std::nullopt;
  }
  return result;
}

std::string to_text(const slice_ask& x) {
  return json::serialize(json::object{{"holder", x.holder},
                                      {"number", x.number},
                                      {"epoch", x.epoch},
                                      {"grant", x.grant},
                                      {"used", x.used},
                                      {"waiting", x.waiting}});
}

std::string to_text(const slice_given& x) {
  return json::serialize(json::object{{"request", x.request},
                                      {"epoch", x.epoch},
                                      {"number", x.number},
                                      {"count", x.count},
                                      {"length_ns", x.length.count()},
                                      {"wait_ns", x.wait.count()}});
}

namespace {

/// What `take` makes of an object; nothing if that is none, or a member is missing or out of range.
template <class T, class F>
std::optional<T> read_object(std::string_view text, F take) {
  boost::system::error_code failed;
  auto said = json::parse(json::string_view{text.data(), text.size()}, failed);
  if (failed || !said.is_object())
    return std::nullopt;
  try {
    T result;
    take(said.get_object(), result);
    return result;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

template <class T>
void take_number(const json::object& from, const char* name, T& to) {
  to = from.at(name).to_number<T>();
}

} // namespace

std::optional<slice_ask> read_ask(std::string_view text) {
  return read_object<slice_ask>(text, [](const json::object& from, slice_ask& to) {
    take_number(from, "holder", to.holder);
    take_number(from, "number", to.number);
    take_number(from, "epoch", to.epoch);
    take_number(from, "grant", to.grant);
    take_number(from, "used", to.used);
    take_number(from, "waiting", to.waiting);
  });
}

std::optional<slice_given> read_given(std::string_view text) {
  return read_object<slice_given>(text, [](const json::object& from, slice_given& to) {
    take_number(from, "request", to.request);
    take_number(from, "epoch", to.epoch);
    take_number(from, "number", to.number);
    take_number(from, "count", to.count);
    to.length = caf::timespan{from.at("length_ns").to_number<std::int64_t>()};
    to.wait = caf::timespan{from.at("wait_ns").to_number<std::int64_t>()};
  });
}

std::string key_space::shard(shard_id id) const {
  auto digits = std::to_string(id);
  return prefix_ + "shards/" + std::string(4 - digits.size(), '0') + digits;
}

key_space::place key_space::read(std::string_view key) const {
  if (!key.starts_with(prefix_))
    return {};
  key.remove_prefix(prefix_.size());
  auto behind = [&key](std::string_view folder) { return std::string{key.substr(folder.size())}; };
  if (key == "leader")
    return {kind::leader, {}, 0};
  if (key == "plan")
    return {kind::plan, {}, 0};
  if (key.starts_with("nodes/"))
    return {kind::node, behind("nodes/"), 0};
  if (key.starts_with("drain/"))
    return {kind::drain, behind("drain/"), 0};
  if (key.starts_with("asks/"))
    return {kind::ask, behind("asks/"), 0};
  if (key.starts_with("given/"))
    return {kind::given, behind("given/"), 0};
  if (key.starts_with("shards/")) {
    shard_id id = 0;
    auto digits = behind("shards/");
    auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    if (wrong == std::errc{} && end == digits.data() + digits.size() && id < shard_count)
      return {kind::shard, {}, id};
  }
  return {};
}

} // namespace troupe::clustering
