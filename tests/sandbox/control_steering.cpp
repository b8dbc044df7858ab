// Control routes: faults, load, time, counts.
#include "tests/sandbox/control.hpp"
#include "tests/sandbox/load.hpp"
#include "tests/sandbox/parameters.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace troupe::sandbox {

namespace {

namespace json = boost::json;

// Any update whatever: {bot, update: {KIND: {…}}}; its queue key is found as the kind says.
std::int64_t id_at(const json::value& object, std::string_view path) {
  const json::value* at = &object;
  while (!path.empty()) {
    auto name = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    at = at->is_object() ? at->get_object().if_contains({name.data(), name.size()}) : nullptr;
    if (at == nullptr)
      return 0;
  }
  if (at->is_int64())
    return at->get_int64();
  if (at->is_string()) // Poll ids are strings.
    return static_cast<std::int64_t>(
      std::hash<std::string_view>{}({at->get_string().data(), at->get_string().size()}));
  return 0;
}

std::string add_update(const control_request& r) {
  auto owner = r.named_bot();
  auto* given = r.body.if_contains("update");
  if (given == nullptr || !given->is_object() || given->get_object().size() != 1)
    throw control_error{400,
                        "update must be an object with one member, e.g. {\"poll_answer\":{…}}"};
  auto& only = *given->get_object().begin();
  auto kind = telegram::find_update_kind({only.key().data(), only.key().size()});
  if (kind == telegram::unknown_update_kind)
    throw control_error{400, "no such kind of update: " + std::string{only.key()}};
  auto& facts = telegram::update_kinds()[kind];
  auto queued = owner->add_update(kind, {facts.queue, id_at(only.value(), facts.key_path)},
                                  json::serialize(only.value()), r.w().now());
  return std::string{R"({"queued":)"} + (queued ? "true" : "false") + '}';
}

std::string add_fault(const control_request& r) {
  auto parsed = fault_list::parse(r.body);
  if (auto* why = std::get_if<std::string>(&parsed))
    throw control_error{400, *why};
  return R"({"id":)" + std::to_string(r.w().faults.add(std::get<fault>(std::move(parsed)))) + '}';
}

std::string list_faults(const control_request& r) {
  return r.w().faults.report();
}

std::string clear_faults(const control_request& r) {
  r.w().faults.remove(0);
  return "{}";
}

std::string remove_fault(const control_request& r) {
  auto id = r.captured_id();
  if (id < 1 || !r.w().faults.remove(static_cast<std::uint64_t>(id)))
    throw control_error{404, "no such fault"};
  return "{}";
}

// `bots`: how many (those that exist first, then new ones), or a list of ids.
std::vector<std::shared_ptr<bot>> bots_for_load(const control_request& r) {
  std::vector<std::shared_ptr<bot>> result;
  auto* given = r.body.if_contains("bots");
  if (given != nullptr && given->is_array()) {
    for (auto& x : given->get_array()) {
      auto known = x.is_int64() ? r.w().find_bot(x.get_int64()) : nullptr;
      if (!known)
        throw control_error{404, "no bot has the id " + json::serialize(x)};
      result.push_back(known);
    }
    return result;
  }
  auto count = r.integer("bots").value_or(1);
  if (count < 1 || count > 100'000)
    throw control_error{400, "bots must be from 1 to 100000, or a list of ids"};
  result = r.w().bots();
  if (result.size() > static_cast<std::size_t>(count))
    result.resize(static_cast<std::size_t>(count));
  while (result.size() < static_cast<std::size_t>(count))
    result.push_back(r.w().make_bot({}, {}, {}));
  return result;
}

std::string start_load(const control_request& r) {
  load_generator::order order;
  auto users = r.integer("users").value_or(1);
  order.updates_per_second = r.number("updates_per_second", 1);
  auto seconds = r.number("seconds", 10);
  if (users < 1 || users > 100'000)
    throw control_error{400, "users must be from 1 to 100000"};
  if (!(order.updates_per_second > 0 && order.updates_per_second <= 1'000'000))
    throw control_error{400, "updates_per_second must be above 0 and at most 1000000"};
  if (!(seconds > 0 && seconds <= 86'400))
    throw control_error{400, "seconds must be above 0 and at most 86400"};
  order.users = static_cast<std::size_t>(users);
  order.length = std::chrono::duration<double>{seconds};
  order.bots = bots_for_load(r);
  if (order.users * order.bots.size() > 1'000'000)
    throw control_error{400, "at most 1000000 chats: fewer users or fewer bots"};
  std::string out = R"({"bots":[)";
  for (auto& x : order.bots)
    out += (out.back() == '[' ? "" : ",") + std::to_string(x->id);
  r.context.load.start(std::move(order));
  return out + "]}";
}

std::string show_load(const control_request& r) {
  return std::string{R"({"running":)"} + (r.context.load.running() ? "true" : "false")
         + R"(,"made":)" + std::to_string(r.context.load.made()) + '}';
}

std::string stop_load(const control_request& r) {
  r.context.load.stop();
  return show_load(r);
}

std::string advance_clock(const control_request& r) {
  auto by = parse_duration(r.required_text("advance"));
  if (!by)
    throw control_error{400, "advance must be a time like \"150s\""};
  r.w().advance(*by);
  return R"({"now":)" + std::to_string(r.w().unix_now()) + '}';
}

std::string show_stats(const control_request& r) {
  auto connections = r.context.connections();
  auto updates = r.w().update_totals();
  auto number = [](std::uint64_t x) { return std::to_string(x); };
  return R"({"methods":)" + r.w().stats.report() + R"(,"connections":{"opened":)"
         + number(connections.opened) + R"(,"open":)" + number(connections.open)
         + R"(},"requests":)" + number(connections.requests) + R"(,"bots":)"
         + number(r.w().bots().size()) + R"(,"files":{"bytes":)" + number(r.w().files.bytes())
         + R"(},"updates":{"made":)" + number(updates.made) + R"(,"confirmed":)"
         + number(updates.confirmed) + R"(,"delivered_by_webhook":)"
         + number(updates.delivered_by_webhook) + R"(,"expired":)" + number(updates.expired)
         + R"(,"dropped":)" + number(updates.dropped) + "}}";
}

std::string show_violations(const control_request& r) {
  return r.w().windows.report();
}

std::string show_arrivals(const control_request& r) {
  parameters query;
  query.read_query(r.query);
  auto from = query.integer("from").value_or(0);
  if (from < 0)
    throw control_error{400, "from must not be below 0"};
  return r.w().arrivals.report(static_cast<std::uint64_t>(from));
}

std::string reset(const control_request& r) {
  r.context.load.stop();
  r.w().reset();
  return "{}";
}

constexpr control_route steering_table[]{
  {"POST", "updates", add_update, "bot update"},
  {"POST", "faults", add_fault,
   "bot chat method kind error_code description retry_after latency count ratio"},
  {"GET", "faults", list_faults},
  {"DELETE", "faults", clear_faults},
  {"DELETE", "faults/*", remove_fault},
  {"POST", "load", start_load, "bots users updates_per_second seconds"},
  {"GET", "load", show_load},
  {"DELETE", "load", stop_load},
  {"POST", "clock", advance_clock, "advance"},
  {"GET", "stats", show_stats},
  {"GET", "violations", show_violations},
  {"GET", "arrivals", show_arrivals},
  {"POST", "reset", reset},
};

} // namespace

std::span<const control_route> steering_routes() {
  return steering_table;
}

} // namespace troupe::sandbox
